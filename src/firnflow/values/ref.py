"""The ref: the small JSON that stands for a stored value. Only refs cross process, XCom or task-graph borders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ref:
    """A stored value.

    Attributes:
        kind: `table`, `model`, `figure`, `file`, `array`, `json`, or `list` / `dict` for a container of refs.
        type: the name of the `ValueType` that wrote it, e.g. `ibis`, `pandas`, `polars`, `json`, `numpy`.
        digest: hex SHA-256 of the content; for a table of the warehouse see `values.tables.digest`.
        where: place in the artifact store, relative to its root, or None for an inline value or a container.
        inline: for `json` values of at most `INLINE_BYTES`: the JSON text itself.
        size: bytes of the stored file.
        meta: what the type needs to load it, and what people read: for a table `columns` (name → type) and `rows`.
        items: the refs of a container: a list, or a dict by key.
    """

    kind: str
    type: str
    digest: str
    where: str | None = None
    inline: str | None = None
    size: int = 0
    meta: dict[str, Any] | None = None
    items: list[Ref] | dict[str, Ref] | None = None

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

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Ref:
        """Return the ref that `to_json` wrote. Raises KeyError, TypeError where it is not one."""
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
