"""The ref: the small JSON that stands for a stored value. Only refs cross process, XCom or task-graph borders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.errors import DamagedArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator

WAREHOUSES = ("snowflake:",)
"""How the places of tables begin that are in a warehouse, not in the artifact store."""
_TEXT = (str, type(None))
_NEEDED: dict[str, Any] = {"kind": str, "type": str, "digest": str}
_OPTIONAL: dict[str, Any] = {
    "where": _TEXT,
    "inline": _TEXT,
    "size": int,
    "meta": (dict, type(None)),
    "items": (list, dict, type(None)),
}


@dataclass(frozen=True, slots=True)
class Ref:
    """A stored value.

    Attributes:
        kind: `table`, `model`, `figure`, `file`, `array`, `json`, or `list` / `dict` for a container of refs.
        type: the name of the `ValueType` that wrote it, e.g. `ibis`, `pandas`, `polars`, `json`, `numpy`.
        digest: hex SHA-256 of the content; for a table of the warehouse see `values.tables.digest`.
        where: place in the artifact store, relative to its root; of a table that a warehouse keeps, its place there
            (`stores.snowflake.places`); None for an inline value or a container.
        inline: for `json` values of at most `INLINE_BYTES`: the JSON text itself.
        size: bytes of the stored file.
        meta: what the type needs to load it, and what people read: for a table `columns` (name → type) and `rows`.
        items: the refs of a container: a list, or a dict by key; of a table that is kept in several files those.
    """

    kind: str
    type: str
    digest: str
    where: str | None = None
    inline: str | None = None
    size: int = 0
    meta: dict[str, Any] | None = None
    items: list[Ref] | dict[str, Ref] | None = None

    @property
    def is_container(self) -> bool:
        """Whether it stands for several values, which have names of their own."""
        return self.items is not None and self.kind != "table"

    @property
    def is_kept(self) -> bool:
        """Whether it is a table of a warehouse, and no file."""
        return self.kind == "table" and self.where is not None and self.where.startswith(WAREHOUSES)

    def to_json(self) -> dict[str, Any]:
        """Return the ref as plain data, without the fields that are not set."""
        data: dict[str, Any] = {"kind": self.kind, "type": self.type, "digest": self.digest}
        if self.where is not None:
            data["where"] = self.where
            data["size"] = self.size
        if self.inline is not None:
            data["inline"] = self.inline
        if self.meta:
            data["meta"] = self.meta
        if isinstance(self.items, list):
            data["items"] = [item.to_json() for item in self.items]
        elif self.items is not None:
            data["items"] = {key: item.to_json() for key, item in self.items.items()}
        return data

    def walk(self, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Ref]]:
        """Yield the ref itself and, of a container, all that is in it, each with the keys that lead to it."""
        yield path, self
        for key, item in self.items.items() if isinstance(self.items, dict) else enumerate(self.items or ()):
            yield from item.walk((*path, key))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Ref:
        """Return the ref that `to_json` wrote. Raises DamagedArtifactError where it is not one."""
        if not _is_ref(data):
            raise DamagedArtifactError(f"{data!r:.120} is no ref. Mend: `firnflow run` with --no-cache makes it anew")
        items = data.get("items")
        if isinstance(items, list):
            items = [cls.from_json(item) for item in items]
        elif items is not None:
            items = {key: cls.from_json(item) for key, item in items.items()}
        return cls(
            kind=data["kind"],
            type=data["type"],
            digest=data["digest"],
            where=data.get("where"),
            inline=data.get("inline"),
            size=data.get("size", 0),
            meta=data.get("meta"),
            items=items,
        )


def _is_ref(data: Any) -> bool:
    """Return whether plain data has the shape of a ref; the refs in it are another matter."""
    if not isinstance(data, dict) or not all(isinstance(data.get(name), kind) for name, kind in _NEEDED.items()):
        return False
    if not all(isinstance(data[name], kinds) for name, kinds in _OPTIONAL.items() if name in data):
        return False
    columns = (data.get("meta") or {}).get("columns", {})
    return isinstance(columns, dict) and all(isinstance(kind, str) for kind in columns.values())
