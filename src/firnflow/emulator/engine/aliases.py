"""`WITH name AS MODEL model VERSION version`: a name for a version of a model, which sqlglot does not read.

https://docs.snowflake.com/en/sql-reference/commands-model-function
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from firnflow.emulator.reader import Reader
from firnflow.targets.snowflake.grammar.tokens import Sort

if TYPE_CHECKING:
    from firnflow.targets.snowflake.grammar.tokens import Token

_HAS = re.compile(r"(?i)\bAS\s+MODEL\b")


def inlined(text: str) -> str:
    """Return a statement in which `MODEL(model, version)!` stands in the places of such names."""
    if _HAS.search(text) is None:
        return text
    reader, known, parts, at = Reader(text), dict[str, str](), list[str](), 0
    while not reader.ended:
        start = reader.next.start
        if (found := _alias(reader)) is not None:
            parts.append(text[at:start])
            known[found[0]], at = found[1], reader.next.start
        elif _is_call(reader, known):
            parts += [text[at:start], known[reader.next.value]]
            at = reader.next.end
            reader.at += 1
        else:
            reader.at += 1
    return re.sub(r"(?i)\bWITH\s+(?=SELECT\b)", "", "".join([*parts, text[at:]]), count=1) if known else text


def _alias(reader: Reader) -> tuple[str, str] | None:
    """Read `name AS MODEL model [VERSION version] [,]` where that comes next: return the name, and what it means."""
    ahead = reader.tokens[reader.at : reader.at + 3]
    if [_word(each) for each in ahead[1:]] != ["AS", "MODEL"] or ahead[0].sort not in (Sort.WORD, Sort.QUOTED):
        return None
    name = reader.part()
    reader.need("AS", "MODEL")
    start = reader.next.start
    reader.name()
    model, version = reader.text[start : reader.tokens[reader.at - 1].end], ""
    if reader.take("VERSION"):
        version = f", {reader.text[reader.next.start : reader.next.end]}"
        reader.at += 1
    reader.take(",")
    return name, f"MODEL({model}{version})"


def _word(token: Token) -> str:
    return token.value if token.sort is Sort.WORD else ""


def _is_call(reader: Reader, known: dict[str, str]) -> bool:
    token, behind = reader.next, reader.tokens[reader.at + 1]
    return token.sort in (Sort.WORD, Sort.QUOTED) and token.value in known and behind.value == "!"
