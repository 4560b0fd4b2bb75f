"""The data steps of the churn example as SQL written by hand for DuckDB: what Firnflow's steps are measured against.

One function per step; each reads and writes Parquet files in a folder and gives tables equal to those of
`examples/churn` with its default parameters (`tests/steps/test_churn_sql.py` compares them value by value).
The generator is the example's own. The hash, the order of operations and the rounding of fitted statistics are the same
on purpose: what is compared is the cost of getting there.

    python benchmarks/churn_sql.py FOLDER ROWS    times each step
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import duckdb

PRIME = 2**31 - 1
SPEND, SESSIONS, TICKETS = "monthly_spend", "sessions_per_month", "support_tickets_last_month"
AGE, ACCOUNT = "age", "account_age_days"
NUMBERS = (SPEND, SESSIONS, TICKETS, AGE, ACCOUNT)
DECILES = [i / 10 for i in range(1, 10)]
BANDS = {SPEND: DECILES, SESSIONS: DECILES, ACCOUNT: DECILES, AGE: [0.2, 0.4, 0.6, 0.8]}
AS_OF = dt.date(2025, 1, 1)


def connect(memory: str = "2GB", threads: int = 2, temp: str | None = None) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB in memory with the limits of the budget."""
    settings: dict[str, Any] = {"memory_limit": memory, "threads": threads}
    if temp:
        settings["temp_directory"] = temp
    return duckdb.connect(config=settings)


def write(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Compute a query into a Parquet file."""
    con.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def generate(con: duckdb.DuckDBPyConnection, folder: Path, customers: int) -> None:
    """Write transactions.parquet and demographics.parquet."""
    from churn import generator

    for name, made in (("transactions", generator.transactions), ("demographics", generator.demographics)):
        con.register("stream", made(customers, 0.12, 42, AS_OF))
        write(con, "SELECT * FROM stream", folder / f"{name}.parquet")
        con.unregister("stream")


def preprocess(con: duckdb.DuckDBPyConnection, folder: Path) -> float:
    """Write customers.parquet: joined, tidied, one row per customer. Returns the join rate."""
    left, right = f"'{folder}/transactions.parquet'", f"'{folder}/demographics.parquet'"
    (rate,) = con.sql(f"""
        SELECT count(r.customer_id) / count(*)
        FROM (SELECT DISTINCT customer_id FROM {left}) l LEFT JOIN (SELECT DISTINCT customer_id FROM {right}) r
        USING (customer_id)""").fetchone() or (0.0,)
    order = f"{SPEND}, {SESSIONS}, {TICKETS}, churned, {AGE}, region, {ACCOUNT}"
    write(
        con,
        f"""
        SELECT * FROM (
            SELECT
                customer_id,
                CASE WHEN {SPEND} < 0 THEN 0.0 WHEN {SPEND} > 1e6 THEN 1e6
                    WHEN isfinite({SPEND}) THEN {SPEND} END AS {SPEND},
                {SESSIONS}, {TICKETS}, churned,
                CASE WHEN age < 18 THEN 18 WHEN age > 100 THEN 100 ELSE age END AS age,
                nullif(lower(trim(region)), '') AS region,
                CASE WHEN days < 0 THEN 0 WHEN days > 36525 THEN 36525 ELSE days END AS {ACCOUNT}
            FROM (
                SELECT *, CAST(date_diff('day', account_created_date, DATE '{AS_OF}') AS INTEGER) AS days
                FROM {left} JOIN {right} USING (customer_id)
                WHERE customer_id IS NOT NULL
            )
        ) QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY {order}) = 1""",
        folder / "customers.parquet",
    )
    return float(rate)


def _hash(seed: int, purpose: str) -> str:
    """Return the hash of customer_id as SQL; `firnflow.models.evaluation.keyhash` says how it works."""
    digests = (hashlib.sha256(f"{seed}/{purpose}/{i}".encode()).digest() for i in itertools.count())
    draws = (int.from_bytes(digest[:4]) % PRIME for digest in digests)
    mixed = str(next(draws))
    for part in (f"(customer_id & {PRIME})", f"((customer_id >> 31) & {PRIME})", "((customer_id >> 62) & 3)"):
        mixed = f"({mixed} + {part} * {next(draws) % 2**30 | 1})"
    for shift in (15, 13):
        mixed = f"({mixed} % {PRIME})"
        mixed = f"(xor({mixed}, {mixed} >> {shift}) * {next(draws) % 2**30 | 1})"
    return f"({mixed} % {PRIME})"


def split(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Any]:
    """Write train.parquet and test.parquet, 80/20 within each class. Returns the figures of the checks."""
    source, hashed = f"'{folder}/customers.parquet'", _hash(42, "split")
    rows = dict(con.sql(f"SELECT churned, count(*) FROM {source} GROUP BY 1").fetchall())
    bounds = {}
    levels = {c: (n - round(n * 0.2) - 0.5) / (n - 1) for c, n in rows.items()}
    found = con.sql(f"""
        SELECT quantile_cont({hashed}, {levels[False]}) FILTER (NOT churned),
               quantile_cont({hashed}, {levels[True]}) FILTER (churned) FROM {source}""").fetchone()
    bounds = dict(zip((False, True), found or (), strict=True))
    in_train = f"{hashed} < CASE WHEN churned THEN {bounds[True]} ELSE {bounds[False]} END"
    figures = ", ".join(f"avg({c}), stddev_pop({c}), count({c})" for c in NUMBERS)
    checks = con.sql(f"""
        SELECT {in_train} AS part, count(*), avg(churned::INT), {figures} FROM {source} GROUP BY 1""").fetchall()
    for name, condition in (("train", in_train), ("test", f"NOT ({in_train})")):
        query = f"SELECT * REPLACE (churned::TINYINT AS churned) FROM {source} WHERE {condition}"
        write(con, query, folder / f"{name}.parquet")
    return {("train" if row[0] else "test"): row[1:] for row in checks}


def _rounded(value: float) -> float:
    return float(f"{value:.10g}")


def fit(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Any]:
    """Return everything that is learnt from the training part: four queries, each needs what the one before found."""
    source = f"'{folder}/train.parquet'"
    medians = con.sql(f"SELECT {', '.join(f'quantile_cont({c}, 0.5)' for c in NUMBERS)} FROM {source}").fetchone()
    mode = con.sql(f"""
        SELECT region FROM {source} WHERE region IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1""").fetchone()
    found: dict[str, Any] = {"fill": {c: _rounded(v) for c, v in zip(NUMBERS, medians or (), strict=True)}}
    found["region"] = (mode or ("",))[0]
    filled = _filled(found)
    fences = con.sql(f"""
        SELECT quantile_cont({SPEND}, [0.25, 0.75]), quantile_cont({SESSIONS}, [0.25, 0.75])
        FROM (SELECT {filled} FROM {source})""").fetchone()
    found["bounds"] = {}
    for name, (low, high) in zip((SPEND, SESSIONS), fences or (), strict=True):
        q25, q75 = _rounded(low), _rounded(high)
        found["bounds"][name] = (_rounded(q25 - 1.5 * (q75 - q25)), _rounded(q75 + 1.5 * (q75 - q25)))
    capped = f"(SELECT * REPLACE ({_capped(found)}) FROM (SELECT {filled} FROM {source}))"
    extra = {SPEND: (0.25, 0.75), SESSIONS: (0.25,)}
    levels = {c: sorted({*q, *extra.get(c, ())}) for c, q in BANDS.items()}
    quantiles = con.sql(f"SELECT {', '.join(f'quantile_cont({c}, {q})' for c, q in levels.items())} FROM {capped}")
    values = quantiles.fetchone() or ()
    found["quantiles"] = {
        c: dict(zip(levels[c], map(_rounded, v), strict=True)) for c, v in zip(levels, values, strict=True)
    }
    grouped = (SPEND, SESSIONS, TICKETS, ACCOUNT)
    means = con.sql(f"SELECT region, {', '.join(f'avg({c})' for c in grouped)} FROM {capped} GROUP BY ALL ORDER BY 1")
    found["means"] = {row[0]: dict(zip(grouped, map(_rounded, row[1:]), strict=True)) for row in means.fetchall()}
    overall = con.sql(f"SELECT {', '.join(f'avg({c})' for c in grouped)} FROM {capped}").fetchone() or ()
    found["overall"] = dict(zip(grouped, map(_rounded, overall), strict=True))
    return found


def _filled(found: dict[str, Any]) -> str:
    numbers = [f"coalesce({c}::DOUBLE, {v!r}) AS {c}" for c, v in found["fill"].items()]
    missing = [f"({c} IS NULL)::TINYINT AS {c}_missing" for c in (SPEND, SESSIONS, TICKETS, AGE, "region")]
    region = f"coalesce(region, '{found['region']}') AS region"
    return ", ".join(["customer_id", "churned", *numbers, region, *missing])


def _capped(found: dict[str, Any]) -> str:
    return ", ".join(
        f"CASE WHEN {c} < {low!r} THEN {low!r} WHEN {c} > {high!r} THEN {high!r} ELSE {c} END AS {c}"
        for c, (low, high) in found["bounds"].items()
    )


def features(con: duckdb.DuckDBPyConnection, folder: Path, found: dict[str, Any]) -> None:
    """Write train_features.parquet and test_features.parquet."""
    q = found["quantiles"]
    columns = [f"{c}::FLOAT AS {c}" for c in NUMBERS]
    columns += [f"{c}_missing" for c in (SPEND, SESSIONS, TICKETS, AGE, "region")]
    columns += [f"{c}_capped" for c in (SPEND, SESSIONS)]
    columns += [f"ln(greatest({c}, 0.0) + 1)::FLOAT AS log_{c}" for c in (SPEND, ACCOUNT)]
    ratios = ((SPEND, SESSIONS), (TICKETS, SESSIONS), (SPEND, AGE), (SPEND, ACCOUNT), (SESSIONS, ACCOUNT))
    columns += [
        f"({a} / nullif({b}, 0))::FLOAT AS {a}_over_{b}" for a, b in (*ratios, (TICKETS, ACCOUNT), (TICKETS, SPEND))
    ]
    products = (
        (TICKETS, SPEND),
        (TICKETS, SESSIONS),
        (SPEND, SESSIONS),
        (SPEND, ACCOUNT),
        (AGE, ACCOUNT),
        (AGE, SPEND),
    )
    columns += [f"({a} * {b})::FLOAT AS {a}_times_{b}" for a, b in products]
    columns += [
        f"({SPEND} >= {q[SPEND][0.75]!r})::TINYINT AS high_value",
        f"({SPEND} <= {q[SPEND][0.25]!r})::TINYINT AS low_value",
        f"({SESSIONS} <= {q[SESSIONS][0.25]!r})::TINYINT AS low_engagement",
        f"({TICKETS} > 2)::TINYINT AS many_tickets",
        f"({ACCOUNT} < 180)::TINYINT AS new_account",
        f"({ACCOUNT} > 1825)::TINYINT AS old_account",
        f"({AGE} > 64)::TINYINT AS senior",
    ]
    for c, levels in BANDS.items():
        breaks = sorted({q[c][level] for level in levels})
        steps = " ".join(f"WHEN {c} < {bound!r} THEN {i}" for i, bound in enumerate(breaks))
        columns.append(f"(CASE {steps} ELSE {len(breaks)} END)::TINYINT AS {c}_band")
    for c in (SPEND, SESSIONS, TICKETS, ACCOUNT):
        means = " ".join(f"WHEN '{region}' THEN {values[c]!r}" for region, values in found["means"].items())
        columns.append(f"({c} - CASE region {means} ELSE {found['overall'][c]!r} END)::FLOAT AS {c}_vs_region")
    columns += [f"(region = '{region}')::TINYINT AS region_{region}" for region in found["means"]]
    flags = ", ".join(
        f"({c} < {low!r} OR {c} > {high!r})::TINYINT AS {c}_capped" for c, (low, high) in found["bounds"].items()
    )
    for part in ("train", "test"):
        filled = f"SELECT {_filled(found)} FROM '{folder}/{part}.parquet'"
        capped = f"SELECT * REPLACE ({_capped(found)}), {flags} FROM ({filled})"
        write(
            con,
            f"SELECT customer_id, churned, {', '.join(columns)} FROM ({capped})",
            folder / f"{part}_features.parquet",
        )


def main() -> None:
    """Time each step on ROWS customers in FOLDER, each with a connection of its own."""
    folder, customers = Path(sys.argv[1]), int(sys.argv[2])
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "churn"))
    folder.mkdir(parents=True, exist_ok=True)
    fitted: dict[str, Any] = {}
    steps = {
        "generate": lambda con: generate(con, folder, customers),
        "preprocess": lambda con: preprocess(con, folder),
        "split": lambda con: split(con, folder),
        "fit": lambda con: fitted.update(fit(con, folder)),
        "features": lambda con: features(con, folder, fitted),
    }
    for name, step in steps.items():
        started = time.perf_counter()
        step(connect(temp=str(folder / "spill")))
        print(f"{name:12} {time.perf_counter() - started:7.2f} s")


if __name__ == "__main__":
    main()
