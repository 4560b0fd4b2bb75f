"""What `firnflow init` writes: a small complete project with a pipeline that runs and a test that passes."""

from __future__ import annotations

_SETTINGS = """\
# The project and its environments. Everything that can stand here: `firnflow doctor` names what is wrong.

[project]
name = "{name}"
pipelines = ["pipelines"] # the modules that hold pipelines

# Values for a pipeline's parameters; `firnflow run sales --set top=5` wins over them.
[pipelines.sales.params]
top = 3

# Another environment inherits what it does not say. Use it: `firnflow run sales --env strict`
[environments.strict]
inherits = "local"

[environments.strict.pipelines.sales.params]
min_revenue = 100_000
"""

_CATALOG = """\
# Data from outside, with what it must be: a row that is not is named with its number, and nothing is loaded.

[orders]
description = "One row per order."
path = "data/orders.csv"

[orders.columns]
order_id = {{ type = "int", null = false }}
country = {{ type = "string", null = false, pattern = "[A-Z][A-Z]" }}
amount = {{ type = "float", min = 0 }}
ordered_on = "date"
"""

_PIPELINES = '''\
"""The pipelines of this project: `firnflow run sales`, `firnflow show sales`."""

from __future__ import annotations

from html import escape
from typing import Literal

import firnflow as ff
import ibis


class SalesParams(ff.Params):
    """The parameters of `sales`: set in firnflow.toml, or by `firnflow run sales --set top=5`."""

    large: float = 400.0
    """An order of this amount is large."""
    top: int = 10
    """How many countries the report shows."""
    min_revenue: float = 1_000.0
    """Below this there is something to look at."""


@ff.task
def clean(orders: ibis.Table) -> ibis.Table:
    """Keep each order once, and only those with an amount."""
    return orders.filter(orders.amount.notnull()).distinct()


@ff.task
def by_country(orders: ibis.Table, large: float) -> ibis.Table:
    """Count and sum the orders of each country, the best first."""
    return (
        orders.group_by("country")
        .agg(
            orders=orders.count(),
            large_orders=(orders.amount >= large).sum(),
            revenue=orders.amount.sum().round(2),
        )
        .order_by(ibis.desc("revenue"))
    )


@ff.task
def judge(countries: ibis.Table, min_revenue: float) -> Literal["good", "poor"]:
    """Say whether the revenue is as expected; what follows depends on it."""
    revenue = float(countries.revenue.sum().to_pyarrow().as_py() or 0)
    ff.log_metric("revenue", revenue)
    return "good" if revenue >= min_revenue else "poor"


@ff.task
def report(countries: ibis.Table, top: int) -> ff.Html:
    """Write a page with the best countries."""
    best = countries.limit(top).to_pyarrow()
    head = "".join(f"<th>{escape(name)}</th>" for name in best.column_names)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row.values()) + "</tr>"
        for row in best.to_pylist()
    )
    return ff.Html(f"<!doctype html><title>Sales</title><h1>Sales</h1><table><tr>{head}</tr>{rows}</table>")


@ff.task
def alert(countries: ibis.Table) -> None:
    """Say that somebody should look."""
    print("The revenue is low:", countries.to_pyarrow().to_pylist())


@ff.pipeline(params=SalesParams)
def sales(p):
    """Revenue by country, from the orders."""
    countries = by_country(clean(ff.source("orders")), p.large)
    verdict = judge(countries, p.min_revenue)
    with verdict.case("good"):
        report(countries, p.top)
    with verdict.case("poor"):
        alert(countries)
'''

_CONFTEST = '''\
"""Lets the tests import the project's modules, as `firnflow` does."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
'''

_TESTS = '''\
"""A task is an ordinary function: a test calls it with a small table."""

from __future__ import annotations

import ibis

from pipelines import by_country, clean, sales

ORDERS = ibis.memtable(
    {{
        "order_id": [1, 1, 2, 3, 4],
        "country": ["CH", "CH", "CH", "FR", "FR"],
        "amount": [100.0, 100.0, 500.0, 50.0, None],
    }}
)


def test_clean_keeps_each_order_with_an_amount_once():
    assert sorted(clean(ORDERS).order_id.to_pyarrow().to_pylist()) == [1, 2, 3]


def test_the_best_country_comes_first():
    countries = by_country(clean(ORDERS), large=400.0).to_pyarrow().to_pylist()
    assert countries == [
        {{"country": "CH", "orders": 2, "large_orders": 1, "revenue": 600.0}},
        {{"country": "FR", "orders": 1, "large_orders": 0, "revenue": 50.0}},
    ]


def test_the_pipeline_is_wired_rightly():
    assert list(sales.build().tasks) == ["orders", "clean", "by_country", "judge", "report", "alert"]
'''

_README = """\
# {name}

    firnflow run sales       # run the pipeline; a second time it comes from the cache
    firnflow show sales      # its graph
    firnflow runs            # what has run
    firnflow logs            # what the tasks of the newest run printed
    firnflow sql "SELECT * FROM by_country"
    python -m pytest         # the tests: pip install pytest

`pipelines.py` holds the tasks and how they are wired, `catalog.toml` the data from outside, `firnflow.toml` the project
and its environments. Change a task: only it and what depends on it runs again.
"""


def _orders() -> str:
    """Return the orders as CSV, with two doubles and two blanks for `clean`."""
    countries = ("CH", "DE", "FR", "IT")
    rows = [
        f"{number},{countries[number * 5 % 11 % 4]},{'' if number in {17, 58} else 20 + number * 37 % 480}.5"
        f",2024-{number % 12 + 1:02}-{number % 28 + 1:02}"
        for number in range(1, 81)
    ]
    lines = [row.replace(",.5,", ",,") for row in rows]
    return "\n".join(["order_id,country,amount,ordered_on", *lines, lines[4], lines[40]]) + "\n"


LEFT_ALONE = ("README.md", ".gitignore")
"""Files that a repository has anyway: not written where they are there."""


def files(name: str) -> dict[str, str]:
    """Return the files of a new project: path → text."""
    return {
        "firnflow.toml": _SETTINGS.format(name=name),
        "catalog.toml": _CATALOG.format(),
        "pipelines.py": _PIPELINES,
        "data/orders.csv": _orders(),
        "conftest.py": _CONFTEST,
        "tests/test_pipelines.py": _TESTS.format(),
        "README.md": _README.format(name=name),
        ".gitignore": ".firnflow/\n__pycache__/\n",
    }
