"""EXPLAIN: what a statement would do, and whether it may, without doing it.

https://docs.snowflake.com/en/sql-reference/sql/explain. The steps are DuckDB's, by Snowflake's names.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.engine import trees
from firnflow.emulator.objects import changes, selects
from firnflow.emulator.registry import STATEMENTS, function, statement
from firnflow.emulator.result import Result, rows
from firnflow.emulator.statement import classify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_FORMS = ("TABULAR", "JSON", "TEXT")
_COLUMNS = (
    *(("step", "fixed"), ("id", "fixed"), ("parentOperators", "text"), ("operation", "text"), ("objects", "text")),
    *(("alias", "text"), ("expressions", "text"), ("partitionsTotal", "fixed"), ("partitionsAssigned", "fixed")),
    ("bytesAssigned", "fixed"),
)
_KNOWN = ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE TABLE")


@statement(
    "EXPLAIN",
    "sql-reference/sql/explain",
    partly="the steps are DuckDB's; a partition is a row group; no numbers of bytes",
)
def _explain(session: Session, given: Statement) -> Result:
    reader = given.reader
    form = reader.word() if reader.take("USING") else "TABULAR"
    if form not in _FORMS:
        raise errors.unknown(f"EXPLAIN USING {form}", [f"EXPLAIN USING {each}" for each in _FORMS])
    found = plan(session, reader.rest, given.binds)
    if form == "TABULAR":
        return rows(_COLUMNS, _lines(found), kind=0x4600)
    said = json.dumps(found) if form == "JSON" else as_text(found)
    return rows([("content", "text")], [(said,)], kind=0x4600)


def plan(session: Session, text: str, binds: Sequence[Any]) -> dict[str, Any]:
    """Return the plan of a statement, in the form of EXPLAIN USING JSON.

    Raises:
        SnowflakeError: it cannot be explained, or names what is not there or not allowed: the same privileges are
            needed as to run it, but no warehouse.
    """
    given = classify(text, binds, STATEMENTS)
    if given.key not in _KNOWN:
        raise errors.unknown(f"EXPLAIN {given.key}", [f"EXPLAIN {each}" for each in _KNOWN])
    tree, values = trees.parsed(given.text), list(given.binds)
    if given.key == "CREATE TABLE":
        if tree.expression is None:
            raise errors.unknown("EXPLAIN CREATE TABLE without AS SELECT", ["EXPLAIN CREATE TABLE … AS SELECT"])
        session.need_create("TABLE", session.path("TABLE", trees.name_of(changes.changed(tree.this))))
        tree = tree.expression
    selects.headed(tree)
    writes = {} if given.key in ("SELECT", "CREATE TABLE") else changes.written(session, tree)
    made = selects.prepared(session, tree, values, writes, runs=False)
    operations = session.engine.plan(made, values)
    if given.key == "CREATE TABLE":
        operations[0] = replace(operations[0], name="CreateTableAsSelect")
    steps = [_step(session, at, each) for at, each in enumerate(operations)]
    total = sum(each.get("partitionsTotal", 0) for each in steps)
    stats = {"partitionsTotal": total, "partitionsAssigned": total, "bytesAssigned": None}
    return {"GlobalStats": stats, "Operations": [steps]}


def _step(session: Session, at: int, operation: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"id": at, "operation": operation.name}
    if operation.parent is not None:
        made["parentOperators"] = [operation.parent]
    if operation.table is not None:
        count = session.engine.partitions(operation.table)
        made |= {"objects": [operation.table], "partitionsTotal": count, "partitionsAssigned": count}
    return made | ({"expressions": operation.expressions} if operation.expressions else {})


def _lines(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return a plan as rows: first what holds for all of it."""
    stats = found["GlobalStats"].values()
    made: list[tuple[Any, ...]] = [(None, None, None, "GlobalStats", None, None, None, *stats)]
    for number, step in enumerate(found["Operations"], start=1):
        for each in step:
            parents = each.get("parentOperators")
            made.append(
                (
                    *(number, each["id"], None if parents is None else json.dumps(parents), each["operation"]),
                    *(_joined(each.get("objects")), None, _joined(each.get("expressions"))),
                    *(each.get("partitionsTotal"), each.get("partitionsAssigned"), None),
                )
            )
    return made


def _joined(given: list[str] | None) -> str | None:
    return ", ".join(given) if given else None


def _stats(given: dict[str, Any]) -> list[str]:
    return [f"    {key}={value}" for key, value in given.items() if value is not None]


def as_text(found: dict[str, Any]) -> str:
    """Return a plan as EXPLAIN USING TEXT writes it."""
    lines = ["GlobalStats:", *_stats(found["GlobalStats"]), "Operations:"]
    for number, step in enumerate(found["Operations"], start=1):
        depths: dict[int, int] = {}
        for each in step:
            depths[each["id"]] = depth = depths.get((each.get("parentOperators") or [-1])[0], -1) + 1
            said = [_joined(each.get("objects")), _joined(each.get("expressions"))]
            tail = "  ".join(text for text in said if text)
            if "objects" in each:
                tail += (
                    f"  {{partitionsTotal={each['partitionsTotal']}, partitionsAssigned={each['partitionsAssigned']}}}"
                )
            lines.append(f"{number}:{each['id']}  {'     ' * depth}->{each['operation']}  {tail}".rstrip())
    return "\n".join(lines) + "\n"


@function("SYSTEM$EXPLAIN_PLAN_JSON")
def _as_json(session: Session, text: str) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/system_explain_plan_json: of a statement, or of its id."""
    is_id = len(text) == 36 and " " not in text
    return json.dumps(plan(session, session.account.queries.get(text).text if is_id else text, ()))


@function("SYSTEM$EXPLAIN_JSON_TO_TEXT")
def _json_to_text(_: Session, text: str) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/system_explain_json_to_text."""
    return as_text(json.loads(text))
