"""Queries that read files of stages.

https://docs.snowflake.com/en/user-guide/querying-stage
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow.emulator import errors
from firnflow.emulator.engine import failures, positions
from firnflow.emulator.reader import Reader
from firnflow.emulator.stages import formats
from firnflow.emulator.stages.places import File, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.emulator.session import Session


@dataclass(frozen=True)
class Source:
    """Files that can be read together.

    Attributes:
        node: what stands for their rows in a tree.
        columns: names and types of DuckDB's; JSON has one, `$1`.
        form: the format.
    """

    node: Any
    columns: tuple[tuple[str, str], ...]
    form: dict[str, Any]

    def by_number(self, number: int) -> Any:
        """Return the column `$number` as a node; a row without one has NULL there."""
        from sqlglot import exp

        names = [name for name, _ in self.columns]
        if self.form["TYPE"] != "CSV":
            names = ["$1"]
        return exp.column(exp.to_identifier(names[number - 1], quoted=True)) if number <= len(names) else exp.null()

    def by_name(self, name: str) -> Any:
        """Return a column of a Parquet file as a node, or NULL if there is none of just that name."""
        from sqlglot import exp

        there = any(name == each for each, _ in self.columns)
        return exp.column(exp.to_identifier(name, quoted=True)) if there else exp.null()


def staged(session: Session, tree: Any) -> None:
    """Put files in the place of `@stage` and `snow://…` in a tree, and their columns in that of `$1` and `$1:name`.

    Raises:
        SnowflakeError: there are no such files, or they may not be read.
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.Table)):
        text = _location(node)
        if text is None:
            continue
        where = place(session, Reader(text).location(), "READ", "USAGE")
        form = formats.chosen(session, _constant(node.args.get("format")), where)
        found = source(session, where.files(_constant(node.args.get("pattern"))), form, text)
        select, alias = node.find_ancestor(exp.Select), node.alias
        made = found.node
        made.set("alias", node.args.get("alias"))
        node.replace(made)
        if select is not None:
            use(select, found, alias)


def _location(table: Any) -> str | None:
    from sqlglot import exp

    text = str(table.this.this) if isinstance(table.this, exp.Var | exp.Literal) else ""
    return text if text.startswith(("@", "snow://")) else None


def _constant(node: Any) -> Any:
    return None if node is None else str(node.this)


def source(session: Session, files: Sequence[File], form: dict[str, Any], said: str, *, padded: bool = True) -> Source:
    """Return files as something that a query can read.

    Raises:
        SnowflakeError: there are none, or one cannot be read.
    """
    if not files:
        raise errors.SnowflakeError(253006, "22000", f"Remote file '{said}' was not found.")
    with failures.translated():
        text = formats.reading(form, [file.path for file in files], padded=padded)
        described = session.engine.raw(f"DESCRIBE SELECT * FROM {text}").fetchall()  # noqa: S608 - made of literals
        columns = tuple((name, kind) for name, kind, *_ in described if name != "filename")
        if form["TYPE"] == "JSON":
            query = f'SELECT json AS "$1", filename AS "METADATA$FILENAME" FROM {text}'  # noqa: S608 - likewise
        elif form["TYPE"] == "PARQUET":
            fields = ", ".join(f"{identifier(name)} := {identifier(name)}" for name, _ in columns)
            query = (
                f'SELECT * EXCLUDE (filename), filename AS "METADATA$FILENAME", to_json(struct_pack({fields})) AS "$1" '  # noqa: S608
                f"FROM {text}"
            )
        else:
            query = f'SELECT * EXCLUDE (filename), filename AS "METADATA$FILENAME" FROM {text}'  # noqa: S608 - likewise
        return Source(session.engine.scratch.view(query), columns, form)


def use(select: Any, found: Source, alias: str) -> None:
    """Put the columns of files in the places where a SELECT means them."""
    from sqlglot import exp

    for node, number in positions.of(select, alias):
        path = node.parent if isinstance(node.parent, exp.JSONExtract) else None
        keys = [key.this for key in path.find_all(exp.JSONPathKey)] if path is not None else []
        if path is not None and found.form["TYPE"] == "PARQUET" and len(keys) == 1:
            path.replace(found.by_name(str(keys[0])))
        else:
            node.replace(found.by_number(number))
