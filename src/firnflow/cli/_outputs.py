"""The outputs of a run: what they are called, what is said of them, where they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.project import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.stores import Stores
    from firnflow.stores.artifacts import ArtifactStore
    from firnflow.values.ref import Ref


def parts(name: str, ref: Ref) -> Iterator[tuple[str, Ref]]:
    """Yield an output and, of a list or dict of stored values, its items: `train`, `train[0]`."""
    yield name, ref
    if ref.is_container:
        for key, item in ref.items.items() if isinstance(ref.items, dict) else enumerate(ref.items or ()):
            yield from parts(f"{name}[{key}]", item)


def described(ref: Ref, stores: Stores) -> dict[str, Any]:
    """Return an output as plain data: kind, digest, absolute place; of small JSON the value, secrets in it hidden.

    Raises:
        DamagedArtifactError: the state holds something else than the value that was committed.
    """
    data: dict[str, Any] = {"kind": ref.kind, "digest": ref.digest, "place": place(ref, stores.artifacts)}
    if ref.inline is not None:
        data["value"] = json_value(ref, stores)
    if not ref.is_container:
        return data
    if isinstance(ref.items, dict):
        data["items"] = {key: described(item, stores) for key, item in ref.items.items()}
    elif ref.items is not None:
        data["items"] = [described(item, stores) for item in ref.items]
    return data


def json_value(ref: Ref, stores: Stores) -> Any:
    """Return the plain value of a JSON output, secrets in it hidden. Raises DamagedArtifactError."""
    from firnflow.values import json

    return _hidden(json.load(ref, Any, stores))


def _hidden(data: Any) -> Any:
    """Return plain data with the secrets in its texts, keys too, hidden."""
    if isinstance(data, dict):
        return {redact(key): _hidden(item) for key, item in data.items()}
    if isinstance(data, list):
        return [_hidden(item) for item in data]
    return redact(data) if isinstance(data, str) else data


def place(ref: Ref, artifacts: ArtifactStore) -> str | None:
    """Return the absolute path or the URL of a stored value, or None where it stands in the state.

    Of a table that a warehouse keeps it is its place there.
    """
    return artifacts.address(ref.where) if ref.where is not None and not ref.is_kept else ref.where


def nearby(address: str) -> str:
    """Return a path from the working directory where it lies below that, so that it is short."""
    if "://" in address:
        return address
    path, here = Path(address), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else address
