"""Texts of SQL: each name, value and path in a statement goes through one of these. For DuckDB and PostgreSQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = re.compile(
    r"""(?P<comment>--[^\r\n]*|/\*)|(?P<end>;)
    |(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$(?:[^\W\d]\w*)?\$).*?\3|\w[\w$]*|\S""",
    re.DOTALL | re.VERBOSE,
)
_NESTED = re.compile(r"/\*|\*/")


def literal(text: str) -> str:
    """Return `text` as a string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return `name` as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def path_literal(path: object) -> str:
    """Return the path as a string of SQL in which DuckDB sees no pattern."""
    return literal("".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path)))


def parquet_rows(path: object, *options: str) -> str:
    """Return the rows of a Parquet file as SQL: what it holds, whatever `name=value` stands in its path."""
    return f"read_parquet({', '.join([path_literal(path), 'hive_partitioning = false', *options])})"


def without_end(query: str) -> str:
    """Return a query without the semicolon that ends it, and what stands behind that: blanks and comments.

    A query that goes on behind a semicolon stays as it is: put into another one it is an error, as it should be.
    """
    end = None
    for piece in _pieces(query):
        end = None if not piece["end"] else piece.start() if end is None else end
    return query if end is None else query[:end]


def words(query: str) -> str:
    """Return a query without comments, and with one blank between any two words and signs: two are equal if it is."""
    return " ".join(piece[0] for piece in _pieces(without_end(query)))


def _pieces(query: str) -> Iterator[re.Match[str]]:
    at = 0
    while (piece := _PIECE.search(query, at)) is not None:
        at = piece.end()
        if piece[0] == "/*":
            at = _after_comment(query, at)
        elif not piece["comment"]:
            yield piece


def _after_comment(query: str, at: int) -> int:
    """Return where a comment ends whose text begins at `at`; comments nest."""
    depth = 1
    while depth and (mark := _NESTED.search(query, at)) is not None:
        depth += 1 if mark[0] == "/*" else -1
        at = mark.end()
    return len(query) if depth else at
