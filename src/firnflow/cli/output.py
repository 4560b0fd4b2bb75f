"""`firnflow output`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _complete, _options
from firnflow.status import COMMITTED

if TYPE_CHECKING:
    from firnflow.engine.request import RunResult
    from firnflow.stores import Stores
    from firnflow.stores.state import State
    from firnflow.values import Ref

_NAME = typer.Argument(
    None, metavar="[OUTPUT]", help="task, task.output or task[2]; default: a list.", autocompletion=_complete.tasks
)
_RUN = typer.Option(None, "--run", metavar="RUN", help="Default: the newest.", autocompletion=_complete.runs)
_LIMIT = typer.Option(10, "--limit", "-n", metavar="N", min=1, max=1_000_000, help="How many rows of a table.")
_RUNS = 50  # how many runs are looked through for one that has what the newest lacks


def command(
    name: str | None = _NAME,
    run: str | None = _RUN,
    limit: int = _LIMIT,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Show what a task of a run returned.

    JSON is printed whole, of a table the first rows, of a figure, file or model where it is.
    """
    from firnflow.cli import _project
    from firnflow.cli._rows import computing
    from firnflow.engine.history import finished
    from firnflow.stores import Stores

    root, settings, state = _project.open_state(environment)
    record = _project.find_run(state, run, environment)
    result = finished(state, record)
    stores = Stores.open(settings, root)
    try:
        if name is None:
            _list_all(result, stores, as_json=as_json)
            return
        known = _named(result, state)
        found = _find(name, result, known, state)
        with computing():
            if as_json:
                _print_json(result, found, stores, limit)
            elif name in found and not found[name].is_container:
                _print(found[name], stores, limit)
            else:
                _list(result, _items(name, known), stores)
    finally:
        stores.close()


def _named(result: RunResult, state: State) -> dict[str, Ref]:
    """Return each output, and what is in it, by name: an element of a map has two, its number's and its label's."""
    from firnflow.cli._outputs import parts

    found = dict(part for name, ref in result.outputs.items() for part in parts(name, ref))
    for attempt in state.attempts(result.run):
        for output in result.outputs if attempt.label is not None else ():
            element = f"{output}[{attempt.element}]"
            if element in found and (output == attempt.task or output.startswith(f"{attempt.task}.")):
                found[f"{output}[{attempt.label}]"] = found[element]
    return found


def _find(name: str, result: RunResult, known: dict[str, Ref], state: State) -> dict[str, Ref]:
    """Return the output of this name, or the outputs of the task of this name.

    Raises:
        NotFoundError: the run has none; says why, and which run has one.
    """
    if name in known:
        return {name: known[name]}
    of_task = {output: ref for output, ref in result.outputs.items() if output.startswith(f"{name}.")}
    if not of_task:
        raise _not_there(name, result, known, state)
    return of_task


def _items(name: str, known: dict[str, Ref]) -> dict[str, Ref]:
    """Return what is in an output, or the outputs of a task; of the two names of an element the label."""
    inside = {id(ref): other for other, ref in known.items() if other.startswith((f"{name}.", f"{name}["))}
    return {other: known[other] for other in inside.values()}


def _not_there(name: str, result: RunResult, known: dict[str, Ref], state: State) -> Exception:
    from firnflow._text import listing, nearest
    from firnflow.engine.history import finished
    from firnflow.errors import NotFoundError

    task = result.tasks.get(name)
    if task is not None:
        said = f"task {name} of run {result.run} " + (
            "returned nothing" if task.state in COMMITTED else f"is {task.state.replace('_', ' ')}"
        )
    else:
        said = f"run {result.run} has no output {name!r}.{nearest(name, known)} It has: {listing(result.outputs)}"
    for other in state.runs(limit=_RUNS):
        if other.id != result.run and name in finished(state, other).outputs:
            return NotFoundError(f"{said}. Another run has one: firnflow output {name} --run {other.id}")
    return NotFoundError(said)


def _list_all(result: RunResult, stores: Stores, *, as_json: bool) -> None:
    """Print all outputs of a run, and all metrics."""
    from firnflow.cli import _format, _outputs
    from firnflow.cli._print import print_json, print_table

    if as_json:
        plain = {name: _outputs.described(ref, stores) for name, ref in result.outputs.items()}
        print_json({"run": result.run, "outputs": plain, "metrics": result.metrics})
        return
    _list(result, result.outputs, stores)
    if result.metrics:
        typer.echo()
        print_table(("metric", "value"), [(name, _format.number(value)) for name, value in result.metrics.items()])


def _list(result: RunResult, outputs: dict[str, Ref], stores: Stores) -> None:
    from firnflow.cli import _outputs
    from firnflow.cli._print import print_table
    from firnflow.project import redact
    from firnflow.values import describe

    rows = []
    for name, ref in outputs.items():
        place = _outputs.place(ref, stores.artifacts)
        rows.append((name, redact(describe(ref)), _outputs.nearby(place) if place else ""))
    typer.echo(f"outputs of run {result.run}\n", err=True)
    print_table(("output", "what", "where"), rows)


def _print(ref: Ref, stores: Stores, limit: int) -> None:
    """Print a value on stdout; on stderr what it is where that does not show."""
    import ibis

    from firnflow import values
    from firnflow.cli import _outputs
    from firnflow.cli._print import print_json, say
    from firnflow.cli._rows import print_rows
    from firnflow.project import redact

    if ref.kind == "json":
        print_json(_outputs.json_value(ref, stores))
        return
    place = _outputs.nearby(_outputs.place(ref, stores.artifacts) or "")
    if ref.kind == "table":
        say(f"{values.describe(ref)}  {place}", stderr=True)
        print_rows(values.load(ref, ibis.Table, stores), limit, redact)
    else:
        say(values.describe(ref), stderr=True)
        say(place)


def _print_json(result: RunResult, found: dict[str, Ref], stores: Stores, limit: int) -> None:
    """Print outputs as `run --json` does, with JSON of any size, and the first rows of tables."""
    from firnflow.cli import _outputs
    from firnflow.cli._print import print_json

    outputs: dict[str, Any] = {}
    for name, ref in found.items():
        outputs[name] = _outputs.described(ref, stores)
        if ref.kind == "json":
            outputs[name]["value"] = _outputs.json_value(ref, stores)
        elif ref.kind == "table":
            outputs[name]["head"] = _head(ref, stores, limit)
    print_json({"run": result.run, "outputs": outputs})


def _head(ref: Ref, stores: Stores, limit: int) -> list[dict[str, Any]]:
    import ibis

    from firnflow import values
    from firnflow.cli._rows import plain_rows

    return plain_rows(values.load(ref, ibis.Table, stores).limit(limit))
