"""What two runs of a pipeline come to: the first thing in which they differ, by digest and then by value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from firnflow.errors import FirnflowError
from firnflow.status import COMMITTED, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from firnflow.engine.request import RunResult
    from firnflow.graph.model import Graph
    from firnflow.stores import Stores
    from firnflow.values.ref import Ref

EXACT = 1e-9
"""By how much figures may differ, as a part of the larger one: sums are made in another order elsewhere."""
Ran = "tuple[RunResult, Stores]"


def first_difference(graph: Graph, here: tuple[RunResult, Stores], there: tuple[RunResult, Stores]) -> str | None:
    """Return the first difference in the order of the graph, for people; None: there is none.

    Args:
        graph: of the pipeline.
        here: a run, and where its values are.
        there: another one, and where its values are.
    """
    (one, mine), (other, theirs) = here, there
    for task in graph.tasks:
        states = [_how(result, task) for result in (one, other)]
        if states[0] != states[1]:
            return f"task {task} is {states[1]}, here it is {states[0]}"
        for name in (each for each in one.outputs if each == task or each.partition(".")[0] == task):
            if name not in other.outputs:
                return f"task {task} has no output {name} there"
            if said := _of_output(name, (one.outputs[name], mine), (other.outputs[name], theirs)):
                return said
    return next(_of_metrics(one.metrics, other.metrics), None)


def _how(result: RunResult, task: str) -> str:
    """Return how a task ended; what was in the cache has succeeded, what has never begun is as if skipped."""
    state = result.tasks[task].state if task in result.tasks else TaskStatus.SKIPPED
    return "succeeded" if state in COMMITTED else str(state)


def _of_output(name: str, here: tuple[Ref, Stores], there: tuple[Ref, Stores]) -> str | None:
    """Return in what an output differs; None: in nothing."""
    (one, mine), (other, theirs) = here, there
    if one.digest == other.digest:
        return None
    if one.kind != other.kind:
        return f"{name} is a {other.kind}, here it is a {one.kind}"
    if one.is_container or other.is_container:
        return _of_items(name, here, there)
    try:
        return _of_values(name, one, _loaded(one, mine), _loaded(other, theirs))
    except FirnflowError as error:
        return f"{name} cannot be read: {error}"


def _of_items(name: str, here: tuple[Ref, Stores], there: tuple[Ref, Stores]) -> str | None:
    one, other = (dict(_items(ref)) for ref, _ in (here, there))
    if one.keys() != other.keys():
        return f"{name} has {len(other)} items, here it has {len(one)}"
    found = (_of_output(f"{name}[{key}]", (one[key], here[1]), (other[key], there[1])) for key in one)
    return next((said for said in found if said is not None), None)


def _items(ref: Ref) -> Iterator[tuple[str | int, Ref]]:
    yield from ref.items.items() if isinstance(ref.items, dict) else enumerate(ref.items or ())


def _loaded(ref: Ref, stores: Stores) -> Any:
    """Return a table, or plain data; of another kind nothing."""
    import pyarrow as pa

    from firnflow import values
    from firnflow.values import json

    if ref.kind == "table":
        return values.load(ref, pa.Table, stores)
    return json.load(ref, Any, stores) if ref.kind == "json" else None


def _of_values(name: str, ref: Ref, one: Any, other: Any) -> str | None:
    if ref.kind == "table":
        return of_tables(name, one, other, in_order=ref.type != "ibis")
    if ref.kind == "json":
        return None if alike(one, other) else f"{name} is {_short(other)}, here it is {_short(one)}"
    return f"{name}, a {ref.kind}, has other content there"


def of_tables(name: str, one: pa.Table, other: pa.Table, *, in_order: bool) -> str | None:
    """Return in what two tables differ: columns, types, number of rows, or the first value."""
    columns = [dict(zip(each.column_names, map(str, each.schema.types), strict=True)) for each in (one, other)]
    for column in {**columns[0], **columns[1]}:
        if columns[0].get(column) != columns[1].get(column):
            types = [each.get(column, "missing") for each in columns]
            return f"{name}: column {column} is {types[1]}, here it is {types[0]}"
    if one.num_rows != other.num_rows:
        return f"{name}: {other.num_rows:,} rows, here {one.num_rows:,}"
    if not in_order:
        one, other = _sorted(one), _sorted(other)
    for column in columns[0]:
        pairs = zip(one[column].to_pylist(), other[column].to_pylist(), strict=True)
        wrong = next((row for row, pair in enumerate(pairs) if not alike(*pair)), None)
        if wrong is not None:
            here, there = one[column][wrong].as_py(), other[column][wrong].as_py()
            return f"{name}: row {wrong}, column {column}: {_short(there)}, here {_short(here)}"
    return None


def _sorted(table: pa.Table) -> pa.Table:
    """Return a table whose rows have no order, in one order; floats last, as they may differ a little."""
    import pyarrow as pa

    names = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    names.sort(key=lambda name: pa.types.is_floating(table.schema.field(name).type))
    return table.sort_by([(name, "ascending") for name in names]) if names else table


def alike(one: Any, other: Any) -> bool:
    """Return whether two values are the same; figures that are not whole may differ by a little."""
    if isinstance(one, float) and isinstance(other, float):
        same = math.isnan(one) and math.isnan(other)
        return same or math.isclose(one, other, rel_tol=EXACT, abs_tol=EXACT * EXACT)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and bool(one == other)


def _of_metrics(one: dict[str, float], other: dict[str, float]) -> Iterator[str]:
    for name in {**one, **other}:
        values = [each.get(name) for each in (one, other)]
        if not alike(*values):
            yield f"metric {name} is {values[1]}, here it is {values[0]}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
