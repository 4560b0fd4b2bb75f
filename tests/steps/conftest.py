"""Tables for the tests of the steps: DuckDB in memory, spoken to through Ibis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from firnflow import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def make_table() -> Iterator[Callable[..., ibis.Table]]:
    connection = ibis.duckdb.connect()

    def make(**columns: Any) -> ibis.Table:
        return connection.create_table(ibis.util.gen_name("t"), pa.table(columns))

    yield make
    connection.disconnect()


@pytest.fixture(scope="module")
def columns() -> steps.Columns:
    return steps.Columns(key="id", label="left")


def people(count: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Return customers whose label depends on `spend`, `calls` and `plan`; some values are missing."""
    rng = np.random.default_rng(seed)
    spend = rng.gamma(2.0, 30.0, count)
    calls = rng.poisson(2.0, count)
    plan = rng.choice(["basic", "plus", "pro"], count, p=[0.5, 0.3, 0.2])
    risk = 0.03 * (spend - 60) + 0.8 * (calls - 2) + 1.0 * (plan == "basic") - 1.5
    return {
        "id": pa.array(rng.permutation(count) + 1),
        "spend": pa.array(np.round(spend, 2), mask=rng.random(count) < 0.05),
        "calls": pa.array(calls, mask=rng.random(count) < 0.03),
        "plan": pa.array(plan, type=pa.string(), mask=rng.random(count) < 0.02),
        "left": pa.array((rng.random(count) < 1 / (1 + np.exp(-risk))).astype("int8")),
    }


@pytest.fixture(scope="module")
def customers(make_table: Callable[..., ibis.Table]) -> ibis.Table:
    return make_table(**people())


def rows(table: ibis.Table, *order: str) -> list[dict[str, Any]]:
    """Return the rows of a table by their first column."""
    return table.order_by(list(order) or table.columns[0]).to_pyarrow().to_pylist()


FITTING = {
    "imputing": steps.Imputing(),
    "capping": steps.Capping(columns=("spend",), flags=True),
    "deriving": steps.Deriving(
        logs=("spend",),
        ratios=(("spend", "calls"),),
        products=(("spend", "calls"),),
        flags=(steps.Flag(column="spend", name="high", above_quantile=0.75),),
        bands={"spend": 4},
        groups={"plan": ("spend",)},
        scores=("calls",),
    ),
    "encoding": steps.Encoding(),
}


def fitted(table: ibis.Table, columns: steps.Columns, **changes: Any) -> steps.Preprocessing:
    """Return what all four steps learn from a table."""
    settings = {**FITTING, **changes}
    found = steps.impute(table, columns, settings["imputing"])
    found = steps.cap_outliers(table, columns, settings["capping"], found)
    found = steps.derive(table, columns, settings["deriving"], found)
    return steps.encode(table, columns, settings["encoding"], found)


@pytest.fixture(scope="module")
def helpers() -> Any:
    """The functions above, for test modules, which cannot import this one."""

    class Helpers:
        people = staticmethod(people)
        rows = staticmethod(rows)
        fitted = staticmethod(fitted)

    return Helpers
