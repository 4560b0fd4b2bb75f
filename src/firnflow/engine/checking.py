"""Checks in a run: of sources, before a table is published, as a step. What breaks a rule is kept, counted and told."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow.context import log_metric
from firnflow.engine import services
from firnflow.errors import FirnflowError, NotFoundError
from firnflow.graph.rules import Checks
from firnflow.graph.table import CHECK_KEY, parse_moment
from firnflow.graph.task import Task
from firnflow.project import redact
from firnflow.values.ref import Ref  # noqa: TC001 - the annotation is read at run time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import ibis

    from firnflow.engine.services import Services
    from firnflow.stores import Stores
    from firnflow.stores.checks.judge import Circumstances, Judgement, Past
    from firnflow.stores.checks.result import CheckResult
    from firnflow.stores.state import State
    from firnflow.stores.tables.base import TablesLike
    from firnflow.stores.tables.versions import Version

log = logging.getLogger("firnflow.checks")


def tasks(stores: Stores) -> dict[str, Task[...]]:
    """Return the task that checks what is to be published, by key.

    Args:
        stores: where the tables are.
    """

    def watch(state: State, digests: dict[str, str], argument: Callable[[str], Any]) -> str:
        given = argument("names") or []
        rules = Checks.model_validate(argument("checks"))
        return watched(state, stores, argument("name"), rules, given, digests["data"])

    return {CHECK_KEY: Task(check, "check").watching(watch)}


def check(
    data: Ref,
    name: str,
    checks: Checks,
    moment: str | None = None,
    names: list[str] | None = None,
    tables: list[Ref] | None = None,
) -> Any:
    """Check a stored table, and return it, without the rows that are set aside.

    Args:
        data: the stored table.
        name: of the named table that it is meant for.
        checks: the rules.
        moment: by which freshness is measured; None: the start of the run.
        names: the tables of `references` that are given here.
        tables: those, in this order.

    Raises:
        DataError: the table is not what the rules say; nothing of it goes on.
    """
    import ibis

    from firnflow import values

    here, _ = services.here("check")

    def load(ref: Ref) -> ibis.Table:
        """Return a table where its rows are."""
        rows: ibis.Table = values.load(ref, ibis.Table, here.stores if ref.is_kept else here.stores.embedded)
        return rows

    given = {each: load(ref) for each, ref in zip(names or (), tables or (), strict=True)}
    rows = load(data)
    found = settle(judge_table(rows, data, name, checks, moment, given, "nothing was published"))
    if found.result.outcome == "stopped":
        found.refuse()
    return told(passed(found, data), found)


def judge_table(
    rows: ibis.Table,
    ref: Ref | None,
    name: str,
    checks: Checks,
    moment: str | None,
    given: Mapping[str, ibis.Table],
    done: str = "nothing went on",
) -> Judgement:
    """Check a table in the run under way.

    Args:
        rows: the table.
        ref: its ref; of a version of the named table itself, it is compared with the versions before it.
        name: of the named table.
        checks: the rules.
        moment: by which freshness is measured; None: the start of the run.
        given: tables that stand for those of `references`.
        done: what was not done where a rule is broken.
    """
    from firnflow.stores.checks.judge import judge
    from firnflow.stores.checks.subject import of_table
    from firnflow.stores.warehouse import DuckDBWarehouse

    here, _ = services.here("checks")
    meta = (ref.meta if ref is not None else None) or {}
    before = meta.get("version") if meta.get("table") == name else None
    warehouse = here.stores.warehouse
    connection = warehouse.embedded.connection
    if not isinstance(warehouse, DuckDBWarehouse) and warehouse.is_elsewhere(rows, *given.values()):
        about = circumstances(name, checks, moment, given, before=before, stores=here.stores)
        found = warehouse.judge(rows, name, done, checks, about)
        if found is not None:
            return found
    about = circumstances(
        name, checks, moment, {each: warehouse.bring(table) for each, table in given.items()}, before=before
    )
    return judge(connection, of_table(warehouse.bring(rows), connection, name, done), checks, about)


def passed(found: Judgement, ref: Ref) -> Ref:
    """Return the ref of the rows that go on: of the table itself where none is set aside."""
    import ibis

    from firnflow import values

    here, _ = services.here("checks")
    if found.result.outcome != "quarantined":
        return ref
    return values.save(remaining(found, here.stores), ibis.Table, here.stores)


def told(ref: Ref, found: Judgement) -> Ref:
    """Return the ref of a table that says what the checks have found."""
    return replace(ref, meta={**(ref.meta or {}), "checks": redacted(found.result).model_dump(mode="json")})


def stored(found: Judgement) -> Any:
    """Return the ref of a result alone, which `firnflow data checks` finds as it finds those of tables."""
    from firnflow import values
    from firnflow.stores.checks.result import CheckResult

    here, _ = services.here("checks")
    return told(values.save(redacted(found.result), CheckResult, here.stores), found)


def redacted(result: CheckResult) -> CheckResult:
    """Return a result in which no secret stands: its examples are values of the table."""
    findings = (
        each.model_copy(update={"examples": tuple(map(redact, each.examples))}) if each.examples else each
        for each in result.findings
    )
    return result.model_copy(update={"findings": tuple(findings)})


class Seen:
    """What the checks of a source have found while it was read."""

    def __init__(self) -> None:
        self.found: Judgement | None = None

    def settle(self, found: Judgement) -> Judgement:
        """Do what `settle` does, and keep it."""
        self.found = settle(found)
        return self.found

    def told(self, rows: ibis.Table, stores: Stores) -> Ref:
        """Store the rows, and return their ref, which says what was found."""
        import ibis

        from firnflow import values

        ref = values.save(rows, ibis.Table, stores)
        return told(ref, self.found) if self.found is not None else ref


def remaining(found: Judgement, stores: Stores) -> ibis.Table:
    """Return the rows that break no rule that stops, under their own names."""
    from firnflow._sql import identifier

    names = ", ".join(f"{each.shown} AS {identifier(each.name)}" for each in found.subject.fields)
    return stores.warehouse.embedded.sql(f"SELECT {names} FROM ({found.good})", {})  # noqa: S608 - quoted


def remaining_of(found: Judgement, rows: ibis.Table) -> ibis.Table:
    """Return the rows of a table that go on: all of it where none is set aside."""
    here, _ = services.here("checks")
    return rows if found.result.outcome != "quarantined" else remaining(found, here.stores)


def circumstances(
    name: str,
    checks: Checks,
    moment: str | None = None,
    given: Mapping[str, ibis.Table] | None = None,
    *,
    before: int | None = None,
    stores: Stores | None = None,
) -> Circumstances:
    """Return what the rules of a table ask for besides its rows, in the run under way.

    Args:
        name: of the named table.
        checks: the rules.
        moment: by which freshness is measured; None: the start of the run.
        given: tables that stand for those of `references`; the others are the named tables as they are now.
        before: the version that is checked: it is compared with those before it.
        stores: by which tables are loaded; None: by DuckDB, which fetches their rows.

    Raises:
        NotFoundError: a table that `references` names is not there.
    """
    import ibis

    from firnflow import values
    from firnflow.stores.checks.judge import Circumstances
    from firnflow.stores.tables.read import ref_of
    from firnflow.stores.tables.versions import newest

    here, running = services.here("checks")
    if checks.timed and moment is None:
        running.reusable = False  # tomorrow the answer may be another one
    tables, stores = here.stores.tables(here.state), stores or here.stores.embedded
    try:
        there = dict(given or {})
        for each in checks.referenced:
            if each not in there:
                table = _referenced(tables, each, name)
                there[each] = values.load(ref_of(table, newest(table)), ibis.Table, stores)
        past = _past(tables, name, checks, stores, before) if checks.looks_back else None
    finally:
        tables.close()
    now = here.state.run(running.run).started_at
    at = parse_moment(moment) if moment is not None else now
    return Circumstances(at=at, now=now, tables=there, past=past, run=running.run, task=running.task)


def settle(found: Judgement) -> Judgement:
    """Keep the rows that break a rule, count them, tell of them in the task's log; return what was found with that."""
    here, _ = services.here("checks")
    return say(_kept(found, here) if found.result.bad_rows else found)


def say(found: Judgement) -> Judgement:
    """Count what was found in the task's metrics, tell of it in its log, and return it."""
    result = found.result
    for name, value in (("rows", result.rows), ("bad_rows", result.bad_rows), ("warnings", len(result.warnings))):
        log_metric(name, value)
    lines = result.lines()
    log.log(logging.INFO if result.outcome == "passed" else logging.WARNING, "%s", "\n".join(lines))
    return found


def _kept(found: Judgement, here: Services) -> Judgement:
    """Keep the rows that break a rule. Where they were not to go on anyway, a failure is said and is no error."""
    from firnflow.stores.checks import quarantine
    from firnflow.stores.tables.publish import Wish

    _, running = services.here("checks")
    run = here.state.run(running.run)
    task = running.task if running.element < 0 else f"{running.task}[{running.element}]"
    by = f"{run.origin.get('user') or '?'}@{run.origin.get('host') or '?'}"
    wish = Wish("", run=run.id, task=task, pipeline=run.pipeline, by=by)
    tables = here.stores.tables(here.state)
    try:
        return found.with_result(kept_in=quarantine.keep(tables, found, wish, run.started_at))
    except FirnflowError as error:
        if found.result.outcome == "quarantined":
            raise
        note = f"They were not kept: {error}"
        return found.with_result(note="\n".join(filter(None, [found.result.note, note])))
    finally:
        tables.close()


def watched(
    state: State, stores: Stores, name: str, checks: Checks, given: list[str], digest: str | None = None
) -> str:
    """Return what the checks of a table depend on besides its rows and the rules, for the key of the cache.

    Args:
        state: of the environment.
        stores: likewise.
        name: of the named table.
        checks: the rules.
        given: the tables of `references` that are arguments.
        digest: of what is checked: a version that has just these rows is not what it is compared with.
    """
    outside = [each for each in checks.referenced if each not in given]
    if not outside and not checks.looks_back:
        return ""
    from firnflow.stores.tables.versions import newest

    tables = stores.tables(state)
    try:
        found: dict[str, Any] = {}
        for each in outside:
            table = tables.find(each)
            found[each] = newest(table).digest if table is not None else None
        own = tables.find(name) if checks.looks_back else None
        last = newest(own) if own is not None else None
        found[""] = last.number - _made_of(state, last, digest) if last is not None else 0
        return json.dumps(found, sort_keys=True)
    finally:
        tables.close()


def _made_of(state: State, version: Version, digest: str | None) -> bool:
    """Return whether a version is of just these rows, or of those of them that its run has let go on."""
    if version.load == digest:
        return True
    return digest is not None and any(
        attempt.inputs.get("data") == digest and (attempt.outputs or {}).get("result", {}).get("digest") == version.load
        for attempt in (state.attempts(version.run) if version.run else ())
    )


def _referenced(tables: TablesLike, table: str, name: str) -> Any:
    try:
        return tables.get(table)
    except NotFoundError as error:
        hint = f"Mend: publish it first; one of the same pipeline is given by references={{{table!r}: …}}"
        raise NotFoundError(f"The checks of {name!r} reference table {table!r}. {error} {hint}") from error


def _past(tables: TablesLike, name: str, checks: Checks, stores: Stores, before: int | None) -> Past | None:
    """Return the last versions of a table, with the columns that all of them have; None where there are none."""
    import ibis

    from firnflow import values
    from firnflow.stores.checks.judge import Past
    from firnflow.stores.tables.read import ref_of
    from firnflow.stores.tables.versions import versions

    table = tables.find(name)
    if table is None:
        return None
    last = [each for each in versions(table) if before is None or each.number < before][-checks.versions :]
    if not last:
        return None
    rows: list[ibis.Table] = [values.load(ref_of(table, each), ibis.Table, stores) for each in last]
    both = [column for column in rows[-1].columns if all(column in each.columns for each in rows)]
    pooled = rows[0].select(*both) if len(rows) == 1 else ibis.union(*(each.select(*both) for each in rows))
    return Past(tuple(each.number for each in last), tuple(each.loaded for each in last), pooled)
