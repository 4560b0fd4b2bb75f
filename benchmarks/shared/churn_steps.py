"""The churn example's tasks as a plain list of calls, for a script and for other frameworks to run in order.

Its settings are those that `firnflow run churn` takes: the defaults of the parameters and `firnflow.toml`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa

from churn import decide, pipelines
from churn.preprocess import preprocess
from firnflow import steps
from firnflow.graph.resolve import resolve_params
from firnflow.models.gates.evaluate import evaluate_gates
from firnflow.steps.tuning import propose

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/churn"


@dataclass(frozen=True)
class Step:
    """One call: the names of the values that it needs, of those that it gives, and the function."""

    name: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    function: Callable[..., Any]

    def __call__(self, holder: Memory | Arrow, *values: Any) -> tuple[Any, ...]:
        """Return the values that it gives, held so that the next call can have them."""
        returned = self.function(*map(holder.use, values))
        return tuple(map(holder.hold, (returned,) if len(self.gives) == 1 else returned))


class Memory:
    """Tables are computed at once, into DuckDB's memory, and stay there."""

    def __init__(self) -> None:
        self._connection = ibis.duckdb.connect()
        self._count = 0

    def hold(self, value: Any) -> Any:
        """Return a value that was computed."""
        if not isinstance(value, ibis.Table | pa.RecordBatchReader):
            return value
        self._count += 1
        name = f"held{self._count}"
        if isinstance(value, ibis.Table):
            return self._connection.create_table(name, value, temp=True)
        self._connection.con.register("incoming", value)
        self._connection.con.execute(f"CREATE TEMP TABLE {name} AS FROM incoming")
        return self._connection.table(name)

    def use(self, value: Any) -> Any:
        """Return the value as the functions take it."""
        return value


class Arrow:
    """Tables are Arrow tables, as frameworks that pickle every value need it."""

    def hold(self, value: Any) -> Any:
        """Return what can be pickled."""
        if isinstance(value, ibis.Table):
            return value.to_pyarrow()
        return value.read_all() if isinstance(value, pa.RecordBatchReader) else value

    def use(self, value: Any) -> Any:
        """Return the value as the functions take it."""
        return ibis.memtable(value) if isinstance(value, pa.Table) else value


def churn_steps(customers: int, threads: int = 1) -> list[Step]:
    """Return the calls in order; `threads` is how many the training of one model uses."""
    configured = tomllib.loads((EXAMPLE / "firnflow.toml").read_text(encoding="utf-8"))["pipelines"]["churn"]["params"]
    p: Any = resolve_params(
        pipelines.ChurnParams, [("", {**configured, "customers": customers})], [f"training.threads={threads}"]
    )
    raw = (p.customers, p.churn_rate, p.seed, p.as_of)

    def judged(model: Any, table: Any) -> Any:
        return evaluate_gates(decide.bar(p.gating, p.min_auc), model, None, table)

    return [
        Step("generate_transactions", (), ("transactions",), lambda: pipelines.generate_transactions(*raw)),
        Step("generate_demographics", (), ("demographics",), lambda: pipelines.generate_demographics(*raw)),
        Step(
            "preprocess",
            ("transactions", "demographics"),
            ("customers",),
            lambda left, right: preprocess(left, right, p.columns, p.joining, p.cleaning, p.as_of),
        ),
        Step(
            "split",
            ("customers",),
            ("train_set", "test_set", "split_report"),
            lambda table: steps.split(table, p.columns, p.splitting),
        ),
        Step("impute", ("train_set",), ("imputed",), lambda table: steps.impute(table, p.columns, p.imputing)),
        Step(
            "cap_outliers",
            ("train_set", "imputed"),
            ("capped",),
            lambda table, before: steps.cap_outliers(table, p.columns, p.capping, before),
        ),
        Step(
            "derive",
            ("train_set", "capped"),
            ("derived",),
            lambda table, before: steps.derive(table, p.columns, p.deriving, before),
        ),
        Step(
            "encode",
            ("train_set", "derived"),
            ("fitted",),
            lambda table, before: steps.encode(table, p.columns, p.encoding, before),
        ),
        Step("make_train_features", ("train_set", "fitted"), ("train_features",), steps.transform),
        Step("make_test_features", ("test_set", "fitted"), ("test_features",), steps.transform),
        Step("candidates", (), ("settings",), lambda: propose(p.training, p.tuning, 0, 1, [])),
        Step(
            "cross_validate",
            ("train_features", "settings"),
            ("trials",),
            lambda table, settings: [steps.cross_validate(table, p.columns, each.training) for each in settings],
        ),
        Step("train", ("train_features", "fitted", "trials"), ("model",), steps.train),
        Step(
            "evaluate",
            ("model", "test_features"),
            ("evaluation", "predictions"),
            lambda model, table: steps.evaluate(model, table, p.evaluating),
        ),
        Step(
            "report",
            ("evaluation", "trials"),
            ("page",),
            lambda evaluation, trials: steps.report(evaluation, p.reporting, trials),
        ),
        Step("gate", ("model", "test_set"), ("verdict",), judged),
    ]
