from __future__ import annotations

import math

import pyarrow as pa
import pytest
from pydantic import ValidationError

from firnflow import steps
from firnflow.errors import DataError, UsageError
from firnflow.models.preprocessing import chain as module


def apply_one(table, columns, **fields):
    return steps.transform(table, fields["found"])


class TestImpute:
    def test_medians_modes_and_indicators(self, make_table, columns, helpers):
        table = make_table(
            id=[1, 2, 3, 4],
            left=[0, 1, 0, 1],
            x=[1.0, None, 4.0, 10.0],
            whole=[1, 2, 3, 4],
            word=["b", "a", None, "c"],
            yes=[True, None, True, False],
        )
        found = steps.impute(table, columns, steps.Imputing())
        (step,) = found.steps
        # Of equally frequent words the first in the alphabet.
        assert step.fill == {"x": 4.0, "whole": 2.5, "word": "a", "yes": 1.0}
        assert step.indicators == ("x", "yes", "word")
        row = helpers.rows(found.partly(table))[1]
        assert row["x"] == 4.0
        assert row["x_missing"] == row["yes_missing"] == 1
        assert helpers.rows(found.partly(table))[2]["word"] == "a"

    @pytest.mark.parametrize(("how", "value"), [("mean", 5.0), ("zero", 0.0), ("none", None)])
    def test_other_numbers(self, make_table, columns, helpers, how, value):
        table = make_table(id=[1, 2, 3], left=[0, 1, 0], x=[1.0, None, 9.0])
        found = steps.impute(table, columns, steps.Imputing(numeric=how, indicators=False))
        assert helpers.rows(found.partly(table))[1] == {"id": 2, "left": 1, "x": value}

    def test_missing_text_as_a_value(self, make_table, columns, helpers):
        table = make_table(id=[1, 2], left=[0, 1], word=["a", None])
        found = steps.impute(table, columns, steps.Imputing(text="missing"))
        assert helpers.rows(found.partly(table))[1]["word"] == "missing"

    @pytest.mark.parametrize("kind", [pa.float64(), pa.string()])
    def test_a_column_without_a_value_is_refused(self, make_table, columns, kind):
        table = make_table(id=[1, 2], left=[0, 1], x=pa.array([None, None], kind), y=[1, 2])
        with pytest.raises(DataError, match=r"Column 'x' of the training part is all null\. Mend: .*columns\.ignore"):
            steps.impute(table, columns, steps.Imputing())


class TestCap:
    def test_tukeys_fences_and_flags(self, make_table, columns, helpers):
        table = make_table(id=range(1, 6), left=[0, 1, 0, 1, 0], x=[1.0, 2.0, 3.0, 4.0, 100.0])
        found = steps.cap_outliers(table, columns, steps.Capping(flags=True))
        assert found.steps[0].bounds == {"x": (-1.0, 7.0)}
        assert [(r["x"], r["x_capped"]) for r in helpers.rows(found.partly(table))][-2:] == [(4.0, 0), (7.0, 1)]

    def test_a_null_stays_null(self, make_table, columns, helpers):
        table = make_table(id=[1, 2, 3, 4], left=[0, 1, 0, 1], x=[1.0, 2.0, 3.0, None])
        found = steps.cap_outliers(table, columns, steps.Capping(flags=True))
        assert helpers.rows(found.partly(table))[3] == {"id": 4, "left": 1, "x": None, "x_capped": 0}

    def test_a_column_of_mostly_one_value_is_left_alone(self, make_table, columns):
        table = make_table(id=range(10), left=[0, 1] * 5, x=[0] * 9 + [50], yes=[True] * 10)
        assert steps.cap_outliers(table, columns, steps.Capping()).steps[0].bounds == {}

    def test_a_text_column_is_refused(self, make_table, columns):
        table = make_table(id=[1], left=[0], x=["a"])
        with pytest.raises(DataError, match=r"capping\.columns: column 'x' is string, not a number"):
            steps.cap_outliers(table, columns, steps.Capping(columns=("x",)))


class TestDerive:
    def test_every_kind(self, make_table, columns, helpers):
        table = make_table(id=[1, 2, 3, 4], left=[0, 1, 0, 1], x=[0.0, 1.0, 3.0, 8.0], y=[2, 0, 1, 1], g=list("aabb"))
        deriving = steps.Deriving(
            logs=("x",),
            ratios=(("x", "y"),),
            products=(("x", "y"),),
            flags=(
                steps.Flag(column="x", name="more", above=1),
                steps.Flag(column="x", name="less", below=1),
                steps.Flag(column="x", name="upper", above_quantile=0.5),
                steps.Flag(column="x", name="lower", below_quantile=0.5),
            ),
            bands={"x": 2},
            groups={"g": ("x",)},
            scores=("y",),
        )
        found = steps.derive(table, columns, deriving)
        second, last = (helpers.rows(found.partly(table))[i] for i in (1, 3))
        assert second["log_x"] == math.log(2)
        assert (second["x_over_y"], last["x_over_y"]) == (None, 8.0)
        assert last["x_times_y"] == 8.0
        assert [(r["more"], r["less"]) for r in (second, last)] == [(0, 0), (1, 0)]
        # The median is 2.
        assert [(r["upper"], r["lower"], r["x_band"]) for r in (second, last)] == [(0, 1, 0), (1, 0, 1)]
        assert (second["x_vs_g"], last["x_vs_g"]) == (0.5, 2.5)
        assert last["y_score"] == pytest.approx(0.0)

    def test_a_group_that_training_never_saw_is_held_against_all(self, make_table, columns, helpers):
        found = steps.derive(
            make_table(id=[1, 2], left=[0, 1], x=[1.0, 3.0], g=["a", "b"]),
            columns,
            steps.Deriving(groups={"g": ("x",)}),
        )
        table = make_table(id=[1, 2], x=[7.0, 7.0], g=["new", None])
        assert [r["x_vs_g"] for r in helpers.rows(found.partly(table))] == [5.0, 5.0]

    def test_nulls_stay_null(self, make_table, columns, helpers):
        deriving = steps.Deriving(
            logs=("x",), bands={"x": 2}, flags=(steps.Flag(column="x", name="f", above=0),), scores=("x",)
        )
        table = make_table(id=[1, 2, 3], left=[0, 1, 0], x=[1.0, 2.0, None])
        row = helpers.rows(steps.derive(table, columns, deriving).partly(table))[2]
        assert {row[n] for n in ("log_x", "x_band", "f", "x_score")} == {None}

    def test_a_constant_column_has_a_score_of_zero(self, make_table, columns, helpers):
        table = make_table(id=[1, 2], left=[0, 1], x=[5.0, 5.0])
        found = steps.derive(table, columns, steps.Deriving(scores=("x",), bands={"x": 10}))
        assert [(r["x_score"], r["x_band"]) for r in helpers.rows(found.partly(table))] == [(0.0, 1), (0.0, 1)]

    def test_two_columns_of_one_name_are_refused(self, make_table, columns):
        table = make_table(id=[1, 2], left=[0, 1], x=[1.0, 2.0])
        flag = steps.Flag(column="x", name="x", above=1)
        with pytest.raises(UsageError, match="two columns would be named 'x'"):
            steps.derive(table, columns, steps.Deriving(flags=(flag,)))

    def test_unknown_columns_are_named_with_the_setting(self, make_table, columns):
        table = make_table(id=[1, 2], left=[0, 1], spend=[1.0, 2.0], word=["a", "b"])
        with pytest.raises(DataError, match=r"deriving\.ratios: .*'spent'.*Did you mean 'spend'"):
            steps.derive(table, columns, steps.Deriving(ratios=(("spent", "spend"),)))
        with pytest.raises(DataError, match=r"deriving\.logs: column 'word' is string"):
            steps.derive(table, columns, steps.Deriving(logs=("word",)))

    def test_key_and_label_cannot_be_derived_from(self, make_table, columns):
        table = make_table(id=[1, 2], left=[0, 1], x=[1.0, 2.0])
        for name in ("id", "left"):
            with pytest.raises(DataError, match=f"no column '{name}'"):
                steps.derive(table, columns, steps.Deriving(products=((name, "x"),)))

    def test_quantiles_of_nothing(self, make_table, columns):
        table = make_table(id=[1], left=[0], x=pa.array([None], pa.float64()), y=[1])
        flag = steps.Flag(column="x", name="f", above_quantile=0.5)
        for deriving in (steps.Deriving(flags=(flag,)), steps.Deriving(bands={"x": 4})):
            with pytest.raises(DataError, match="deriving: column 'x' of the training part is all null"):
                steps.derive(table, columns, deriving)

    @pytest.mark.parametrize("bounds", [{}, {"above": 1, "below": 0}])
    def test_a_flag_has_one_bound(self, bounds):
        with pytest.raises(ValidationError, match="give one of above, below"):
            steps.Flag(column="x", name="f", **bounds)


class TestEncode:
    def test_one_column_per_value(self, make_table, columns, helpers):
        table = make_table(id=[1, 2, 3], left=[0, 1, 0], plan=["Two year", "Élan +", None])
        found = steps.encode(table, columns, steps.Encoding())
        assert helpers.rows(found.partly(table)) == [
            {"id": 1, "left": 0, "plan_two_year": 1, "plan_elan": 0},
            {"id": 2, "left": 1, "plan_two_year": 0, "plan_elan": 1},
            {"id": 3, "left": 0, "plan_two_year": 0, "plan_elan": 0},
        ]

    def test_rare_and_new_values_share_a_column(self, make_table, columns, helpers):
        table = make_table(id=range(6), left=[0, 1] * 3, word=list("aabbcd"))
        found = steps.encode(table, columns, steps.Encoding(max_values=2))
        new = make_table(id=[1, 2, 3], word=["a", "zzz", None])
        assert [r["word_other"] for r in helpers.rows(found.partly(new))] == [0, 1, 0]

    def test_names_never_collide(self, make_table, columns):
        table = make_table(id=range(4), left=[0, 1] * 2, word=["A b", "a_b", "a-b", "€"], word_a_b=[1, 2, 3, 4])
        found = steps.encode(table, columns, steps.Encoding())
        names = found.partly(table).columns
        assert names == ("id", "left", "word_a_b", "word_a_b_2", "word_a_b_3", "word_a_b_4", "word_value")

    def test_numbers_can_be_encoded(self, make_table, columns):
        table = make_table(id=[1, 2], left=[0, 1], code=[7, 8])
        found = steps.encode(table, columns, steps.Encoding(columns=("code",)))
        assert found.partly(table).columns == ("id", "left", "code_7", "code_8")

    def test_a_column_without_a_value_is_refused(self, make_table, columns):
        table = make_table(id=[1], left=[0], word=pa.array([None], pa.string()))
        with pytest.raises(DataError, match="Column 'word' of the training part is all null"):
            steps.encode(table, columns, steps.Encoding())


class TestPreprocessing:
    def test_features_are_numbers_and_hold_neither_key_nor_label(self, customers, columns, helpers):
        features = steps.transform(customers, helpers.fitted(customers, columns))
        schema = features.to_pyarrow().schema
        assert schema.names[:2] == ["id", "left"]
        assert {str(field.type) for field in list(schema)[2:]} == {"float", "int8"}
        assert schema.names.count("id") == schema.names.count("left") == 1

    def test_it_survives_json(self, customers, columns, helpers):
        found = helpers.fitted(customers, columns)
        again = module.Preprocessing.model_validate_json(found.model_dump_json())
        assert again == found
        assert module.Preprocessing.model_validate(found.model_dump(mode="json")) == found
        assert helpers.rows(again.apply(customers)) == helpers.rows(found.apply(customers))

    def test_a_table_without_label_can_be_prepared(self, customers, columns, helpers):
        found = helpers.fitted(customers, columns)
        assert found.apply(customers.drop("left")).columns == tuple(
            name for name in found.apply(customers).columns if name != "left"
        )

    def test_columns_that_training_did_not_see_are_left_out(self, customers, columns, helpers):
        found = helpers.fitted(customers, columns)
        assert found.apply(customers.mutate(extra=1)).columns == found.apply(customers).columns

    def test_a_missing_column_is_named(self, customers, columns, helpers):
        found = helpers.fitted(customers, columns)
        with pytest.raises(DataError, match="the fitted preprocessing: the table has no column 'spend'"):
            found.apply(customers.drop("spend"))

    def test_leftovers_that_are_no_numbers_are_refused(self, make_table, columns):
        table = make_table(id=[1, 2], left=[0, 1], day=pa.array([1, 2], pa.date32()), word=["a", "b"])
        found = steps.impute(table, columns, steps.Imputing())
        with pytest.raises(DataError, match=r"Feature 'day' is date, not a number\. Mend: turn it into a number"):
            steps.transform(table, found)
        with pytest.raises(DataError, match=r"Feature 'word' is .*string, not a number\. Mend: encode it"):
            steps.transform(table.drop("day"), steps.impute(table.drop("day"), columns, steps.Imputing()))

    def test_a_table_of_key_and_label_only(self, make_table, columns):
        with pytest.raises(DataError, match="no feature columns beside key, label"):
            steps.impute(make_table(id=[1], left=[0]), columns, steps.Imputing())


class TestNothingLeaks:
    def test_labels_do_not_change_what_is_learnt(self, customers, columns, helpers):
        turned = customers.mutate(left=(1 - customers.left).cast("int8"))
        assert helpers.fitted(customers, columns) == helpers.fitted(turned, columns)

    def test_the_order_of_rows_does_not_change_what_is_learnt(self, customers, columns, helpers, make_table):
        backwards = customers.to_pyarrow().take(list(range(1999, -1, -1)))
        table = make_table(**{name: backwards[name] for name in backwards.column_names})
        assert helpers.fitted(customers, columns) == helpers.fitted(table, columns)

    @pytest.mark.slow
    def test_test_rows_never_influence_statistics(self, customers, columns, helpers):
        """The test rows become absurd; what is learnt, and every training feature, stays bit by bit."""
        parts = steps.split(customers, columns, steps.Splitting())
        test_keys = parts.test.id.name("id").as_table().to_pyarrow()["id"].to_pylist()
        in_test = customers.id.isin(test_keys)
        absurd = customers.mutate(
            spend=in_test.ifelse(1e9, customers.spend),
            calls=in_test.ifelse(-1, customers.calls),
            plan=in_test.ifelse("never seen", customers.plan),
        )
        again = steps.split(absurd, columns, steps.Splitting(on_failure="warn"))
        first, second = helpers.fitted(parts.train, columns), helpers.fitted(again.train, columns)
        assert first == second
        assert helpers.rows(first.apply(parts.train)) == helpers.rows(second.apply(again.train))
        assert first != helpers.fitted(customers, columns)

    def test_a_rows_features_depend_on_that_row_only(self, customers, columns, helpers):
        found = helpers.fitted(customers, columns)
        together = {row["id"]: row for row in helpers.rows(found.apply(customers))}
        for key in (1, 500, 2000):
            (alone,) = helpers.rows(found.apply(customers.filter(customers.id == key)))
            assert alone == together[key]
