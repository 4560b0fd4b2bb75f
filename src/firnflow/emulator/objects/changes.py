"""Statements that change rows, and transactions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.engine import trees
from firnflow.emulator.objects import columns, history, hybrid, lengths, relations
from firnflow.emulator.objects.selects import prepared
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, done

if TYPE_CHECKING:
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_ABORTED = "With DuckDB beneath, a statement that fails in a transaction undoes all of it"
_TRIES = 40


@statement("INSERT", "sql-reference/sql/insert", partly=f"{_ABORTED}; no OVERWRITE and DEFAULT with ALL")
def _insert(session: Session, given: Statement) -> Result:
    tree, binds = trees.parsed(given.text), list(given.binds)
    from sqlglot import exp

    if given.reader.is_next("OVERWRITE", "ALL") or given.reader.is_next("OVERWRITE", "FIRST"):
        raise errors.unknown("INSERT OVERWRITE ALL", ["INSERT ALL", "INSERT FIRST", "INSERT OVERWRITE"])
    if isinstance(tree, exp.MultitableInserts):
        from firnflow.emulator.objects import multitable  # which inserts by this

        return multitable.run(session, tree, binds)
    if any(isinstance(value, list) for value in given.binds):
        return _many(session, given)
    if tree.args.get("overwrite"):
        trees.change(tree, overwrite=False)
        return _overwrite(session, tree, binds)
    return _run(session, tree, written(session, tree), binds)


def _many(session: Session, given: Statement) -> Result:
    """Insert the rows of lists that are bound, in one statement.

    https://docs.snowflake.com/en/developer-guide/python-connector/python-connector-example#binding-data
    """
    import pyarrow as pa
    from sqlglot import exp

    tree = trees.parsed(given.text)
    tuples = list(tree.find_all(exp.Tuple))
    if len(tuples) != 1 or not isinstance(tree.expression, exp.Values):
        raise errors.unknown("INSERT of lists but by VALUES (?, …)", ["INSERT INTO t VALUES (?)"])
    bound = pa.table({f"c{at}": _column(values) for at, values in enumerate(given.binds)})
    source = session.engine.scratch.table(bound)
    for at, node in enumerate(list(tree.find_all(exp.Placeholder, bfs=False))):
        node.replace(exp.column(exp.to_identifier(f"c{at}", quoted=True)))
    tree.set("expression", exp.select(*tuples[0].expressions).from_(source))
    return _run(session, tree, written(session, tree), [])


def _column(values: list[Any]) -> Any:
    """Return values that are bound as a column; times of one column may differ in their zone."""
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values])


def _overwrite(session: Session, tree: Any, binds: list[Any]) -> Result:
    from sqlglot import exp

    path = session.path("TABLE", trees.name_of(changed(tree.this)))
    thing = relations.need(session, path, "DELETE")
    made = exp.Delete(this=trees.table(path))
    history.keep(session, path)
    with session.transaction.whole():
        hybrid.lock(session, thing)
        session.engine.run(made)
        return _run(session, tree, written(session, tree), binds)


@statement("UPDATE", "sql-reference/sql/update", partly=_ABORTED)
def _update(session: Session, given: Statement) -> Result:
    tree = trees.parsed(given.text)
    return _run(session, tree, written(session, tree), list(given.binds))


@statement("DELETE", "sql-reference/sql/delete", partly=_ABORTED)
def _delete(session: Session, given: Statement) -> Result:
    tree = trees.parsed(given.text)
    return _run(session, tree, written(session, tree), list(given.binds))


@statement("MERGE", "sql-reference/sql/merge", partly=_ABORTED)
def _merge(session: Session, given: Statement) -> Result:
    tree = trees.parsed(given.text)
    return _run(session, tree, written(session, tree), list(given.binds))


def written(session: Session, tree: Any) -> dict[int, tuple[str, ...]]:
    """Return the table that a statement changes, by the `id` of its node, with the privileges of which one is needed.

    Raises:
        SnowflakeError: a MERGE does what the session may not.
    """
    from sqlglot import exp

    target = changed(tree.this)
    words = {exp.Insert: "INSERT", exp.Update: "UPDATE"}
    if not isinstance(tree, exp.Merge):
        return {id(target): (words.get(type(tree), "DELETE"),)}
    path = session.path("TABLE", trees.name_of(target))
    for kind in {type(when.args["then"]) for when in tree.args["whens"].expressions}:
        relations.need(session, path, words.get(kind, "DELETE"))
    return {id(target): ("INSERT", "UPDATE", "DELETE")}


@statement("TRUNCATE", "sql-reference/sql/truncate-table")
def _truncate(session: Session, given: Statement) -> Result:
    given.reader.take("TABLE")
    optional = given.reader.take("IF", "EXISTS")
    path = session.path("TABLE", given.reader.name())
    given.reader.end()
    if optional and relations.find(session, path) is None:
        return done()
    relations.need(session, path, "TRUNCATE", "DELETE")
    from sqlglot import exp

    history.keep(session, path)
    session.engine.run(exp.Delete(this=trees.table(path)))
    return done()


@statement("BEGIN", "sql-reference/sql/begin")
def _begin(session: Session, given: Statement) -> Result:
    from firnflow.emulator.programs import scripting  # whose blocks have statements of all kinds

    if scripting.block_of(given.text) is not None:
        return scripting.run(session, given.text)
    given.reader.take("TRANSACTION") or given.reader.take("WORK")
    if given.reader.take("NAME"):
        given.reader.part()
    given.reader.end()
    session.transaction.begin()
    return done()


@statement("COMMIT", "sql-reference/sql/commit")
def _commit(session: Session, given: Statement) -> Result:
    return _ended(session, given, "COMMIT")


@statement("ROLLBACK", "sql-reference/sql/rollback")
def _rollback(session: Session, given: Statement) -> Result:
    return _ended(session, given, "ROLLBACK")


def _ended(session: Session, given: Statement, word: str) -> Result:
    given.reader.take("WORK")
    given.reader.end()
    session.transaction.end(word)
    return done()


def changed(node: Any) -> Any:
    """Return the table that a statement changes; it may stand with its columns."""
    from sqlglot import exp

    return node.this if isinstance(node, exp.Schema) else node


def _run(session: Session, tree: Any, writes: dict[int, tuple[str, ...]], binds: list[Any]) -> Result:
    """Run a change, once no other transaction has changed the same.

    https://docs.snowflake.com/en/sql-reference/transactions#resource-locking: INSERTs into standard tables wait for
    nobody.
    """
    from sqlglot import exp

    target = changed(tree.this)
    made = prepared(session, tree, binds, dict(writes))
    thing = relations.find(session, trees.name_of(target))
    if thing is not None and lengths.limits(thing):
        lengths.keep(made, thing, [name for name, *_ in columns.found_columns(session, thing)])
    appends = isinstance(tree, exp.Insert)
    own = hybrid.is_hybrid(thing) and not session.transaction.is_open and session.parameters.get("AUTOCOMMIT", True)
    if own:
        session.transaction.begin()
    try:
        if thing is not None:
            hybrid.lock(session, thing, appends=appends)
        history.keep(session, trees.name_of(target), appends=appends)
        found = _tried(session, made, binds)
        if thing is not None:
            hybrid.check(session, thing)
    except errors.SnowflakeError as error:
        if own:
            session.transaction.end("ROLLBACK")
        elif hybrid.is_hybrid(thing):
            session.transaction.undo(error.message)
        raise
    finally:
        session.transaction.settled()
    if own:
        session.transaction.end("COMMIT")
    return found


def _tried(session: Session, made: Any, binds: list[Any]) -> Result:
    """Run a change again and again as long as DuckDB does several things to the same rows at once."""
    for _ in [] if session.transaction.is_open else range(_TRIES):
        try:
            return session.engine.run(made.copy(), list(binds))
        except errors.SnowflakeError as error:
            if "onflict" not in error.message:
                raise
            time.sleep(0.05)
    return session.engine.run(made, binds)


def insert(session: Session, tree: Any) -> int:
    """Run an INSERT, and return how many rows it brought."""
    return int(_run(session, tree, written(session, tree), []).table[0][0].as_py())
