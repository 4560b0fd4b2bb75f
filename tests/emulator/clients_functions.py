"""What users of `snowflake.snowpark.functions` do on the emulator, each operation tried by itself."""

# ruff: noqa: DTZ001 - the client's TIMESTAMP_NTZ, and its frames
from __future__ import annotations

import datetime as dt
import json

NOON = dt.datetime(2020, 2, 29, 12, 30, 15)


def one(frame):
    """Return the only value of a frame."""
    ((value,),) = frame.collect()
    return value


def functions(w):
    """Yield (what is tried, what has to be true) of `snowflake.snowpark.functions`."""
    from snowflake.snowpark import functions as f
    from snowflake.snowpark.types import IntegerType

    s = w.session
    text = s.create_dataframe([["Hello, World", 5]], schema=["t", "n"])
    row = s.create_dataframe([[1, 2.5, "b", NOON, None]], schema=["n", "x", "s", "d", "z"])

    def of(column, frame=row):
        return one(frame.select(column))

    def document(column, frame=row):
        return json.loads(of(column, frame))

    yield (
        "substring, left, right",
        lambda: (
            [
                of(each("t", *at), text)
                for each, at in ((f.substring, (f.lit(1), f.lit(5))), (f.left, (f.lit(2),)), (f.right, (f.lit(3),)))
            ]
            == ["Hello", "He", "rld"]
        ),
    )
    yield (
        "lpad, rpad, trim",
        lambda: (
            of(f.concat(f.lpad("s", f.lit(3), f.lit("-")), f.rpad(f.trim(f.lit(" a ")), f.lit(2), f.lit("+"))))
            == "--ba+"
        ),
    )
    yield (
        "initcap, lower, reverse",
        lambda: of(f.concat(f.initcap(f.lit("ab cd")), f.lower(f.lit("X")), f.reverse(f.lit("yz")))) == "Ab Cdxzy",
    )
    yield "regexp_replace", lambda: of(f.regexp_replace("t", f.lit("[aeiou]"), f.lit("*")), text) == "H*ll*, W*rld"
    yield "regexp_extract", lambda: of(f.regexp_extract("t", r"(\w+), (\w+)", 2), text) == "World"
    yield "regexp_count", lambda: of(f.regexp_count("t", f.lit("o")), text) == 2
    yield (
        "translate, replace",
        lambda: (
            of(
                f.concat(
                    f.translate(f.lit("abc"), f.lit("ab"), f.lit("xy")), f.replace(f.lit("aa"), f.lit("a"), f.lit("b"))
                )
            )
            == "xycbb"
        ),
    )
    yield (
        "charindex, length",
        lambda: (of(f.charindex(f.lit("World"), f.col("t")), text), of(f.length("t"), text)) == (8, 12),
    )
    yield (
        "startswith, endswith, contains",
        lambda: (
            [
                of(each("t", f.lit(part)), text)
                for each, part in ((f.startswith, "He"), (f.endswith, "d"), (f.contains, "zz"))
            ]
            == [True, True, False]
        ),
    )
    yield "like, in_", lambda: text.filter(f.col("t").like("%World") & f.col("n").in_(5, 6)).count() == 1
    yield "md5, sha2", lambda: (of(f.md5(f.lit("a")))[:6], of(f.sha2(f.lit("a"), 256))[:6]) == ("0cc175", "ca9781")
    yield "hash", lambda: of(f.hash("n") == f.hash(f.lit(1))) is True
    yield (
        "abs, ceil, floor, round",
        lambda: row.select(f.abs(f.lit(-2)), f.ceil("x"), f.floor("x"), f.round("x")).collect()[0][:] == (2, 3, 2, 3),
    )
    yield (
        "sqrt, exp, log, pow",
        lambda: (
            [
                round(each, 4)
                for each in row.select(
                    f.sqrt(f.lit(16)), f.exp(f.lit(0)), f.log(10, f.lit(100)), f.pow(f.lit(2), f.lit(5))
                ).collect()[0]
            ]
            == [4, 1, 2, 32]
        ),
    )
    yield (
        "sin, atan2, radians",
        lambda: abs(of(f.sin(f.radians(f.lit(90)))) + of(f.atan2(f.lit(0), f.lit(1))) - 1) < 1e-12,
    )
    yield (
        "mod, div0, trunc",
        lambda: (
            [
                float(each)
                for each in row.select(
                    f.lit(7) % 4, f.div0(f.lit(1), f.lit(0)), f.trunc(f.lit(1.78), f.lit(1))
                ).collect()[0]
            ]
            == [3, 0, 1.7]
        ),
    )
    yield (
        "greatest, least",
        lambda: row.select(f.greatest(f.lit(1), f.lit(3)), f.least(f.lit(1), f.lit(3))).collect()[0][:] == (3, 1),
    )
    yield (
        "coalesce, nvl, nullif, iff",
        lambda: (
            row.select(
                f.coalesce("z", "s"),
                f.nvl("z", f.lit("q")),
                f.nullif("n", f.lit(1)),
                f.iff(f.col("n") > 0, f.lit("a"), f.lit("b")),
            ).collect()[0][:]
            == ("b", "q", None, "a")
        ),
    )
    yield (
        "zeroifnull, equal_null",
        lambda: (
            row.select(f.zeroifnull(f.lit(None).cast("int")), f.equal_null("z", f.lit(None))).collect()[0][:]
            == (0, True)
        ),
    )
    yield (
        "is_null, equal_nan",
        lambda: row.select(f.col("z").is_null(), f.col("x").equal_nan()).collect()[0][:] == (True, False),
    )
    yield (
        "bitand, bitshiftleft",
        lambda: row.select(f.bitand(f.lit(6), f.lit(3)), f.bitshiftleft(f.lit(1), f.lit(4))).collect()[0][:] == (2, 16),
    )
    yield (
        "try_cast, to_decimal",
        lambda: (of(f.try_cast(f.lit("x"), "int")), str(of(f.to_decimal(f.lit("1.25"), 10, 2)))) == (None, "1.25"),
    )
    yield (
        "year, month, dayofweek, hour",
        lambda: (
            row.select(
                f.year("d"), f.month("d"), f.dayofweek("d"), f.hour("d"), f.minute("d"), f.dayofyear("d")
            ).collect()[0][:]
            == (2020, 2, 6, 12, 30, 60)
        ),
    )
    yield (
        "add_months, last_day, months_between",
        lambda: (
            row.select(
                f.add_months(f.to_date("d"), f.lit(1)),
                f.last_day("d"),
                f.months_between(f.to_date(f.lit("2020-03-29")), f.to_date("d")),
            ).collect()[0][:]
            == (dt.date(2020, 3, 31), dt.date(2020, 2, 29), 1)
        ),
    )
    yield (
        "next_day, previous_day",
        lambda: (
            row.select(f.next_day(f.to_date("d"), f.lit("fr")), f.previous_day(f.to_date("d"), f.lit("fr"))).collect()[
                0
            ][:]
            == (dt.date(2020, 3, 6), dt.date(2020, 2, 28))
        ),
    )
    yield (
        "to_timestamp, to_date of texts",
        lambda: (
            row.select(f.to_timestamp(f.lit("2020-01-02 03:04:05")), f.to_date(f.lit("2020-01-02"))).collect()[0][:]
            == (dt.datetime(2020, 1, 2, 3, 4, 5), dt.date(2020, 1, 2))
        ),
    )
    yield (
        "to_timestamp with a format",
        lambda: of(f.to_timestamp(f.lit("02.01.2020"), f.lit("DD.MM.YYYY"))) == dt.datetime(2020, 1, 2),
    )
    yield (
        "date_part, timestamp_from_parts",
        lambda: (
            (
                of(f.date_part("epoch_second", f.to_timestamp(f.lit("1970-01-02")))),
                of(f.timestamp_from_parts(2020, 1, 2, 3, 4, 5)),
            )
            == (86_400, dt.datetime(2020, 1, 2, 3, 4, 5))
        ),
    )
    yield "convert_timezone", lambda: of(f.convert_timezone(f.lit("Europe/Zurich"), "d", f.lit("UTC"))).hour == 13
    yield (
        "time_slice",
        lambda: (
            of(f.call_function("TIME_SLICE", f.col("d"), f.lit(15), f.lit("MINUTE")))
            == NOON.replace(minute=30, second=0)
        ),
    )
    yield (
        "current_date, current_timestamp",
        lambda: row.select(f.current_date(), f.current_timestamp()).collect()[0][0] >= dt.date(2020, 1, 1),
    )
    yield (
        "array_construct, array_size, array_contains",
        lambda: (
            row.select(
                f.array_size(f.array_construct("n", "x")),
                f.array_contains(f.lit(1).cast("variant"), f.array_construct(f.lit(1))),
            ).collect()[0][:]
            == (2, True)
        ),
    )
    yield (
        "array_append, array_cat, array_slice",
        lambda: (
            document(
                f.array_slice(
                    f.array_cat(f.array_append(f.array_construct(f.lit(1)), f.lit(2)), f.array_construct(f.lit(3))),
                    f.lit(1),
                    f.lit(3),
                )
            )
            == [2, 3]
        ),
    )
    yield (
        "array_distinct, array_sort, array_to_string",
        lambda: (
            of(
                f.array_to_string(
                    f.array_sort(f.array_distinct(f.array_construct(f.lit(2), f.lit(1), f.lit(2)))), f.lit("-")
                )
            )
            == "1-2"
        ),
    )
    yield (
        "array_position, array_intersection",
        lambda: (
            (
                of(f.array_position(f.lit("b").cast("variant"), f.array_construct(f.lit("a"), f.lit("b")))),
                document(f.array_intersection(f.array_construct(f.lit(1), f.lit(2)), f.array_construct(f.lit(2)))),
            )
            == (1, [2])
        ),
    )
    yield (
        "object_keys, object_insert, object_delete",
        lambda: (
            (
                document(f.object_keys(f.object_construct(f.lit("a"), "n"))),
                document(
                    f.object_delete(
                        f.object_insert(f.object_construct(f.lit("a"), "n"), f.lit("b"), f.lit(2)), f.lit("a")
                    )
                ),
            )
            == (["a"], {"b": 2})
        ),
    )
    yield "object_construct_keep_null", lambda: document(f.object_construct_keep_null(f.lit("a"), "z")) == {"a": None}
    yield (
        "get, get_path",
        lambda: json.loads(of(f.get_path(f.parse_json(f.lit('{"a": [{"b": 7}]}')), f.lit("a[0].b")))) == 7,
    )
    yield (
        "to_json, to_variant, typeof",
        lambda: (
            (of(f.to_json(f.parse_json(f.lit('{"a": 1}')))).replace(" ", ""), of(f.typeof(f.to_variant(f.lit(1)))))
            == ('{"a":1}', "INTEGER")
        ),
    )
    yield (
        "is_array, as_integer",
        lambda: (
            row.select(f.is_array(f.parse_json(f.lit("[1]"))), f.as_integer(f.parse_json(f.lit("3")))).collect()[0][:]
            == (True, 3)
        ),
    )
    yield (
        "strip_null_value, check_json",
        lambda: (
            row.select(f.strip_null_value(f.parse_json(f.lit("null"))), f.check_json(f.lit("{}"))).collect()[0][:]
            == (None, None)
        ),
    )
    yield "try_parse_json", lambda: of(f.try_parse_json(f.lit("{"))) is None
    numbers = s.create_dataframe([[1, 10], [2, 20], [2, 30], [3, 60]], schema=["g", "v"])
    yield (
        "sum_distinct, mode, any_value",
        lambda: numbers.select(f.sum_distinct("g"), f.mode("g")).collect()[0][:] == (6, 2),
    )
    yield "variance, skew, kurtosis", lambda: numbers.select(f.var_pop("v"), f.skew("v"), f.kurtosis("v")).count() == 1
    yield (
        "corr, covar_pop, regr_slope",
        lambda: (
            abs(numbers.select(f.corr("g", "v")).collect()[0][0] - 0.9449) < 1e-3
            and numbers.select(f.covar_pop("g", "v"), f.regr_slope("v", "g")).count() == 1
        ),
    )
    yield "percentile_cont", lambda: float(one(numbers.select(f.percentile_cont(0.5).within_group("v")))) == 25
    yield (
        "count_if, max_by, min_by",
        lambda: (
            numbers.select(
                f.call_function("COUNT_IF", f.col("v") > 15), f.max_by("g", "v"), f.min_by("g", "v")
            ).collect()[0][:]
            == (3, 3, 1)
        ),
    )
    yield "approx_count_distinct", lambda: one(numbers.select(f.approx_count_distinct("g"))) == 3
    yield (
        "bool_and, bool_or",
        lambda: (
            numbers.select(
                f.booland_agg(f.col("v") > 0)
                if hasattr(f, "booland_agg")
                else f.call_function("BOOLAND_AGG", f.col("v") > 0)
            ).collect()[0][0]
            is True
        ),
    )
    yield (
        "object_agg, array_unique_agg",
        lambda: (
            (
                json.loads(
                    one(
                        numbers.filter("g <> 2").select(
                            f.object_agg(f.col("g").cast("string"), f.col("v").cast("variant"))
                        )
                    )
                ),
                sorted(json.loads(one(numbers.select(f.array_unique_agg("g"))))),
            )
            == ({"1": 10, "3": 60}, [1, 2, 3])
        ),
    )
    yield (
        "grouping sets, rollup, cube",
        lambda: (numbers.rollup("g").sum("v").count(), numbers.cube("g").sum("v").count()) == (4, 4),
    )
    yield (
        "call_function, sql_expr, expr",
        lambda: (of(f.call_function("UPPER", f.col("s"))), of(f.sql_expr("n + 1"))) == ("B", 2),
    )
    yield (
        "lit of a date, a list and bytes",
        lambda: row.select(f.lit(dt.date(2020, 1, 2)), f.lit(b"a")).collect()[0][:] == (dt.date(2020, 1, 2), b"a"),
    )
    yield (
        "random, uuid",
        lambda: row.select(f.random(7), f.call_function("UUID_STRING")).collect()[0][1].count("-") == 4,
    )
    yield (
        "uniform, seq8",
        lambda: (
            s.generator(f.seq8().alias("a"), f.uniform(1, 3, f.random()).alias("b"), rowcount=20)
            .filter("b BETWEEN 1 AND 3")
            .count()
            == 20
        ),
    )
    yield (
        "cast to each type",
        lambda: (
            row.select(
                *(
                    f.col("n").cast(each)
                    for each in ("string", "double", "boolean", "decimal(10,2)", "variant", "smallint")
                )
            ).count()
            == 1
        ),
    )
    yield (
        "explode",
        lambda: (
            sorted(each[0] for each in s.create_dataframe([[[1, 2]]], schema=["a"]).select(f.explode("a")).collect())
            == ["1", "2"]
        ),
    )
    yield "window first_value, last_value", lambda: window_values(w, f) == [(10, 60)] * 4
    yield (
        "window lead, cume_dist, percent_rank",
        lambda: ranks(w, f) == [(20, 0.25, 0.0), (30, 0.75, 1 / 3), (60, 0.75, 1 / 3), (None, 1.0, 1.0)],
    )
    yield "window range between", lambda: ranges(w, f) == [30, 60, 110, 90]
    yield (
        "vectorized udf by rows",
        lambda: (
            one(
                row.select(
                    f.udf(
                        lambda a, b: (a or 0) + (b or 0),
                        return_type=IntegerType(),
                        input_types=[IntegerType()] * 2,
                        session=s,
                    )("n", f.lit(None).cast("int"))
                )
            )
            == 1
        ),
    )


def _ordered(w):
    return w.session.create_dataframe([[1, 10], [2, 20], [2, 30], [3, 60]], schema=["g", "v"])


def window_values(w, f):
    from snowflake.snowpark import Window

    whole = Window.order_by("v").rows_between(Window.UNBOUNDED_PRECEDING, Window.UNBOUNDED_FOLLOWING)
    return [
        row[:] for row in _ordered(w).select(f.first_value("v").over(whole), f.last_value("v").over(whole)).collect()
    ]


def ranks(w, f):
    from snowflake.snowpark import Window

    by = Window.order_by("v")
    found = (
        _ordered(w)
        .select(
            f.lead("v").over(by),
            f.cume_dist().over(Window.order_by("g")),
            f.percent_rank().over(Window.order_by("g")),
            "v",
        )
        .sort("v")
    )
    return [row[:3] for row in found.collect()]


def ranges(w, f):
    from snowflake.snowpark import Window

    by = Window.order_by("v").rows_between(-1, 1)
    return [row[0] for row in _ordered(w).select(f.sum("v").over(by), "v").sort("v").collect()]
