"""Columns of tables: what was declared of them, and how DESCRIBE and SHOW COLUMNS say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.emulator.catalog import Object
    from firnflow.emulator.session import Session

_DESCRIBED = (
    *("name", "type", "kind", "null?", "default", "primary key", "unique key", "check", "expression", "comment"),
    *("policy name", "privacy domain"),
)
_TYPES = {
    **dict.fromkeys(("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT", "UBIGINT"), "NUMBER(38,0)"),
    "VARCHAR": "VARCHAR(16777216)",
    "DOUBLE": "FLOAT",
    "FLOAT": "FLOAT",
    "BLOB": "BINARY(8388608)",
    "TIMESTAMP": "TIMESTAMP_NTZ(9)",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_LTZ(9)",
    "TIME": "TIME(9)",
    "TIMESTAMP_NS": "TIMESTAMP_NTZ(9)",
    "JSON": "VARIANT",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
}


def declared(tree: Any) -> dict[str, Any]:
    """Take from a new table what DuckDB would do otherwise, and return it as it is kept.

    Keys are not enforced: https://docs.snowflake.com/en/sql-reference/constraints-overview. Types that DuckDB has only
    one of are written down: VARIANT, OBJECT, ARRAY, and the lengths of texts.
    """
    from sqlglot import exp

    kept: dict[str, Any] = {"primary_key": [], "unique_keys": [], "comments": {}, "types": {}}
    if not isinstance(tree.this, exp.Schema):
        return kept
    for node in list(tree.this.expressions):
        if isinstance(node, exp.ColumnDef):
            _column(node, kept)
        elif isinstance(node, exp.PrimaryKey):
            kept["primary_key"] = [_name(each) for each in node.expressions]
            node.pop()
        elif isinstance(node, exp.Constraint | exp.ForeignKey | exp.UniqueColumnConstraint):
            inner = node.find(exp.PrimaryKey)
            if inner is not None:
                kept["primary_key"] = [_name(each) for each in inner.expressions]
            node.pop()
    return kept


def _column(node: Any, kept: dict[str, Any]) -> None:
    from sqlglot import exp

    name = _name(node.this)
    _typed(node, "kind", kept)
    for constraint in list(node.args.get("constraints") or []):
        sort = constraint.kind
        if isinstance(sort, exp.CommentColumnConstraint):
            kept["comments"][name] = sort.this.this
            constraint.pop()
        elif isinstance(sort, exp.PrimaryKeyColumnConstraint | exp.UniqueColumnConstraint | exp.Reference):
            if isinstance(sort, exp.PrimaryKeyColumnConstraint):
                kept["primary_key"].append(name)
            constraint.pop()


def altered(types: dict[str, str], actions: Sequence[Any]) -> dict[str, str]:
    """Return the declared types of columns as they are once ALTER TABLE has done what it says."""
    from sqlglot import exp

    kept: dict[str, Any] = {"types": dict(types)}
    for action in actions:
        if isinstance(action, exp.ColumnDef):
            _typed(action, "kind", kept)
        elif isinstance(action, exp.AlterColumn):
            _typed(action, "dtype", kept)
        elif isinstance(action, exp.RenameColumn):
            kept["types"] = {
                _name(action.args["to"]) if name == _name(action.this) else name: kind
                for name, kind in kept["types"].items()
            }
        elif isinstance(action, exp.Drop):
            kept["types"].pop(_name(action.this), None)
    return dict(kept["types"])


def _typed(node: Any, key: str, kept: dict[str, Any]) -> None:
    """Write down the type that a node says of a column, if it says one."""
    kind = node.args.get(key)
    if kind is not None:
        kept["types"][_name(node.this)] = kind.sql(dialect="snowflake").upper()


def _name(node: Any) -> str:
    from firnflow.emulator.engine.trees import part

    return part(node if not hasattr(node.this, "this") else node.this)


def found_columns(session: Session, thing: Object) -> list[tuple[str, str, bool, str | None]]:
    """Return the columns of a table or view as DuckDB has them: name, type, whether it takes NULL, default."""
    read = session.account.databases.run(
        "SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns() "
        "WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index",
        list(thing.path),
    )
    return [(name, kind, bool(null), default) for name, kind, null, default in read]


def snowflake_type(kind: str, declared_type: str | None) -> str:
    """Return a type of DuckDB's as Snowflake writes it; what only Snowflake tells apart is taken as it was declared."""
    if declared_type in ("ARRAY", "OBJECT", "VARIANT") or (declared_type or "").startswith(("VARCHAR(", "CHAR")):
        return str(declared_type)
    if kind.startswith("DECIMAL"):
        return kind.replace("DECIMAL", "NUMBER")
    return _TYPES.get(kind, "ARRAY" if kind.endswith("]") else "OBJECT" if kind.startswith("STRUCT") else kind)


def columns_of(session: Session, thing: Object) -> Result:
    """Return the columns of a table or view, as DESCRIBE does."""
    body = thing.body
    described = [
        (
            *(name, snowflake_type(kind, body.get("types", {}).get(name)), "COLUMN", "Y" if null else "N", default),
            *("Y" if name in body.get("primary_key", []) else "N", "N", None, None, body.get("comments", {}).get(name)),
            *(None, None),
        )
        for name, kind, null, default in found_columns(session, thing)
    ]
    return rows([(name, "text") for name in _DESCRIBED], described, kind=0x4500)
