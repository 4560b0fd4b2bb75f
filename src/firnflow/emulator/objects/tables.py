"""Tables and views: made, changed, dropped, described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.engine import trees
from firnflow.emulator.objects import evolving, history, hybrid, lengths, making, relations
from firnflow.emulator.objects.columns import columns_of, declared
from firnflow.emulator.objects.selects import headed, prepared
from firnflow.emulator.objects.tags import set_tags
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, status

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_KEPT = ("DATA_RETENTION_TIME_IN_DAYS", "MAX_DATA_EXTENSION_TIME_IN_DAYS", "CHANGE_TRACKING", "COMMENT")
"""Settings that are kept and shown; CLUSTER BY only makes queries faster there."""
_KEYS = "keys are written down and, as there, not enforced"


@statement("CREATE TABLE", "sql-reference/sql/create-table", partly=f"{_KEYS}; no policies")
def _create_table(session: Session, given: Statement) -> Result:
    return _create(session, given, "TABLE")


@statement(
    "CREATE HYBRID TABLE",
    "sql-reference/sql/create-hybrid-table",
    partly="no AS SELECT, no LIKE, no time travel; indexes are written down and not used",
)
def _create_hybrid(session: Session, given: Statement) -> Result:
    return _create(session, given, "TABLE", is_hybrid=True)


@statement("CREATE VIEW", "sql-reference/sql/create-view", partly="a view reads with the rights of who asks")
def _create_view(session: Session, given: Statement) -> Result:
    return _create(session, given, "VIEW")


def _create(session: Session, given: Statement, kind: str, *, is_hybrid: bool = False) -> Result:
    if "ALTER" in given.modifiers and (kind == "VIEW" or is_hybrid):
        raise errors.unknown(f"CREATE OR ALTER {kind}", [f"CREATE {kind}", f"CREATE OR REPLACE {kind}"])
    text, indexes = hybrid.ordinary(given.text) if is_hybrid else (_plainly(given.text), [])
    tree, binds = trees.parsed(text), list(given.binds)
    from sqlglot import exp

    relations.named(tree, binds)
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    path = session.path(kind, trees.name_of(target))
    with session.transaction.alone_with(path):  # two that make the same wait for each other
        return _made(session, given, kind, tree, target, path, binds, indexes if is_hybrid else None)


def _made(
    session: Session,
    given: Statement,
    kind: str,
    tree: Any,
    target: Any,
    path: FullName,
    binds: list[Any],
    indexes: list[dict[str, Any]] | None,
) -> Result:
    """Make a table or view; indexes: of a hybrid table, else None."""
    body = _properties(tree)
    there = relations.find(session, path) if "ALTER" in given.modifiers else None
    if there is not None:
        thing = session.need(kind, path)
        more = {"session": session.token} if given.temporary else {}
        body |= {**declared(tree), **more, "transient": "TRANSIENT" in given.modifiers, "text": given.text}
        session.account.catalog.put(evolving.altered(session, tree, target, thing, body))
        return status(f"{kind.capitalize()} {path[-1]} successfully altered.")
    optional = bool(tree.args.get("exists"))
    if found := making.begin(session, kind, path, replaces=given.replaces, optional=optional):
        return found
    keys: list[Any] = []
    if indexes is not None:
        more, keys = hybrid.declared(session, tree, path)
        body |= {**more, "indexes": indexes}
    body |= declared(tree)
    if keys:
        tree.this.set("expressions", [*tree.this.expressions, *keys])
    if given.temporary:
        body["session"] = session.token
    tags = body.pop("TAG", [])
    _write(session, tree, target, path, binds)
    thing = making.made(session, kind, path, {**body, "transient": "TRANSIENT" in given.modifiers, "text": given.text})
    if tags:
        session.account.catalog.put(set_tags(session, thing, tags))
    return status(f"{kind.capitalize()} {path[-1]} successfully created.")


def _plainly(text: str) -> str:
    """Return CREATE SCOPED TEMPORARY as CREATE TEMPORARY, which ends with the session too, and OR ALTER as nothing."""
    import re

    text = re.sub(r"(?i)^(\s*create\s+)or\s+alter\s+", r"\1", text, count=1)
    return re.sub(r"(?i)^(\s*create\s+(?:or\s+replace\s+)?)scoped\s+", r"\1", text, count=1)


def _properties(tree: Any) -> dict[str, Any]:
    """Take the properties from a tree, and return those that are kept.

    Raises:
        SnowflakeError: one is not emulated.
    """
    from sqlglot import exp

    found: dict[str, Any] = {}
    held = tree.args.get("properties")
    for each in list(held.expressions) if held else []:
        if isinstance(each, exp.SchemaCommentProperty):
            found["COMMENT"] = each.this.this
        elif isinstance(each, exp.Property) and each.name.upper() in _KEPT:
            found[each.name.upper()] = each.args["value"].this
        elif isinstance(each, exp.Tags):
            found["TAG"] = [(_tag_name(pair.this), pair.args["value"].this) for pair in each.expressions]
        elif not isinstance(
            each,
            exp.TemporaryProperty
            | exp.TransientProperty
            | exp.SecureProperty
            | exp.Cluster
            | exp.CopyGrantsProperty
            | exp.LikeProperty
            | exp.ClusterProperty,
        ):
            raise errors.unknown(each.sql(dialect="snowflake")[:60], _KEPT)
    tree.set("properties", None)
    if held and (like := held.find(exp.LikeProperty)):
        tree.set("expression", exp.select("*").from_(like.this).limit(0))
    return found


def _tag_name(node: Any) -> tuple[str, ...]:
    """Return the name of a tag that stands in a tree in one of sqlglot's ways."""
    return Reader(node.sql(dialect="snowflake")).name()


def _write(session: Session, tree: Any, target: Any, path: FullName, binds: list[Any]) -> None:
    """Make a table or view in the engine."""
    from sqlglot import exp

    clone = tree.args.get("clone")
    if clone is not None:
        tree.set("clone", None)
        tree.set("expression", exp.select("*").from_(clone.this))
    if tree.expression is not None and tree.expression:
        headed(tree.expression)
    _typed(tree)
    if tree.args.get("replace"):
        history.keep(session, path)
        _drop_in_engine(session, path)
    prepared_tree = _around(session, tree, target, binds)
    relations.qualify(target, path)
    trees.change(tree, replace=False, exists=False)
    session.engine.run(prepared_tree, binds)


def _typed(tree: Any) -> None:
    """Give the columns of CREATE TABLE … AS the names and types that stand before AS."""
    from sqlglot import exp

    columns = [each for each in tree.this.expressions if isinstance(each, exp.ColumnDef)]
    if tree.kind != "TABLE" or not tree.expression or not columns:
        return
    names = [exp.to_identifier(trees.part(each.this), quoted=True) for each in columns]
    query = exp.Subquery(this=tree.expression, alias=exp.TableAlias(this=exp.to_identifier("made"), columns=names))
    items = [
        exp.alias_(_as_declared(exp.column(name.copy()), each.kind), name.copy())
        for name, each in zip(names, columns, strict=True)
    ]
    tree.set("expression", exp.select(*items).from_(query))
    tree.set("this", tree.this.this)


def _as_declared(value: Any, kind: Any) -> Any:
    """Return a value as a column of a type has it."""
    from sqlglot import exp

    if kind is None:
        return value
    most = lengths.limit(kind.sql(dialect="snowflake").upper())
    return exp.cast(value if most is None else lengths.fitting(value, most), kind)


def _around(session: Session, tree: Any, target: Any, binds: list[Any]) -> Any:
    """Check what a new relation is made from; its own name is none of it."""
    from sqlglot import exp

    held = target.this
    target.set("this", exp.var("new"))
    try:
        return prepared(session, tree, binds)
    finally:
        target.set("this", held)


def _drop_in_engine(session: Session, path: FullName) -> None:
    there = making.taken(session, "TABLE", path)
    if there is not None:
        word = "VIEW" if there.kind == "VIEW" else "TABLE"
        session.account.databases.run(f"DROP {word} IF EXISTS {trees.table(path).sql(dialect='duckdb')}")


@statement("DROP TABLE", "sql-reference/sql/drop-table")
def _drop_table(session: Session, given: Statement) -> Result:
    return _drop(session, given, "TABLE")


@statement("DROP VIEW", "sql-reference/sql/drop-view")
def _drop_view(session: Session, given: Statement) -> Result:
    return _drop(session, given, "VIEW")


def _drop(session: Session, given: Statement, kind: str) -> Result:
    optional = given.reader.take("IF", "EXISTS")
    path = session.path(kind, given.reader.name())
    given.reader.take("CASCADE") or given.reader.take("RESTRICT")
    given.reader.end()
    thing = making.droppable(session, kind, path, optional=optional)
    if thing is None:
        return making.gone(path[-1])
    history.dropped(session, thing)
    _drop_in_engine(session, path)
    session.account.catalog.drop(kind, path)
    return status(f"{path[-1]} successfully dropped.")


@statement("DESCRIBE TABLE", "sql-reference/sql/desc-table")
def _describe_table(session: Session, given: Statement) -> Result:
    return _describe(session, given)


@statement("DESCRIBE VIEW", "sql-reference/sql/desc-view")
def _describe_view(session: Session, given: Statement) -> Result:
    return _describe(session, given)


def _describe(session: Session, given: Statement) -> Result:
    path = session.path("TABLE", given.reader.name())
    given.reader.take("TYPE", "=", "COLUMNS")
    given.reader.end()
    found = relations.need(session, path, "SELECT", "REFERENCES", "INSERT", "UPDATE", "DELETE")
    return columns_of(session, found)
