"""What an online store is: texts by place and key, with a mark at each place that says how far it is filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

MARK = ""
"""The key under which a place keeps its mark. No value has it."""
PATIENCE = 600.0
"""Seconds for which a writer waits for another one of the same place."""


class Found(NamedTuple):
    """What was found at a place: its mark, and of each key that was asked for the text, or None."""

    mark: str | None
    texts: list[str | None]


class Writer(Protocol):
    """The only one who writes to a place, as long as it is open."""

    mark: str | None
    """What the place's mark was when the writer was opened."""

    def get(self, keys: Sequence[str]) -> list[str | None]:
        """Return the text of each key, or None."""

    def put(self, texts: Mapping[str, str], mark: str) -> None:
        """Write texts. Until `end` readers may see `mark`, which says that the place is being filled."""

    def all_keys(self) -> Iterator[str]:
        """Yield the keys that have a text."""

    def count(self) -> int:
        """Return how many keys have a text."""

    def drop(self, keys: Iterable[str], mark: str) -> None:
        """Remove texts; `mark` as in `put`."""

    def end(self, mark: str) -> None:
        """Write the mark of a place that is filled. What was written without it is not relied on."""


class OnlineStore(Protocol):
    """Texts by place and key. Safe to use from several threads and processes.

    What cannot be reached, read or written is a StoreError.
    """

    def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> list[Found]:
        """Return for each place and its keys what is there, all in one question to the store."""

    def writing(self, place: str) -> AbstractContextManager[Writer]:
        """Give the writer of a place; it waits for another one, but at most `PATIENCE` seconds."""

    def close(self) -> None:
        """Disconnect."""
