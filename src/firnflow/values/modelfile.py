"""The file of a model: a zip with `manifest.json` and the estimator in its library's own safe format."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from firnflow._text import listing
from firnflow.errors import DataError, FirnflowError, MissingExtraError, UnsafeFormatError
from firnflow.graph.annotations import class_name
from firnflow.values import archive
from firnflow.values.data import plain, same
from firnflow.values.files import is_pickle
from firnflow.values.json import unique
from firnflow.values.libraries import Library, Packed
from firnflow.values.model import Model
from firnflow.values.pickles import is_allowed
from firnflow.values.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from firnflow.values.base import Trust

FORMAT = "firnflow.model"
VERSIONS = (1, 2)
"""Those that are read; the last one is written. Version 1 has no signature."""
EXTRAS = {"lightgbm": "lightgbm", "onnx": "onnx"}
LARGEST = 64 << 20
"""Bytes of a manifest."""


@dataclass(frozen=True)
class Manifest:
    """What stands beside the estimator; see `firnflow.Model` for its parts.

    Attributes:
        library: the name of what packed the estimator.
        library_version: the version of the library that did.
        file: the member that is the estimator.
        info: what else is needed to build it.
        wrapped: whether an `ff.Model` was saved, and not a bare estimator.
    """

    library: str
    library_version: str
    file: str
    info: dict[str, Any]
    wrapped: bool
    features: list[str]
    preprocessing: dict[str, Any] | None
    metadata: dict[str, Any]
    signature: dict[str, Any] | None = None
    format: str = FORMAT
    version: int = VERSIONS[-1]


def write(model: Model, path: Path, trust: Trust, *, wrapped: bool) -> Manifest:
    """Write a model, the same bytes for the same model in every process.

    Raises:
        UnsafeFormatError: it could only be pickled.
        DataError: a part of it is no plain JSON, or its library cannot write it.
    """
    library = library_of(model.estimator, trust)
    packed = library.pack(model.estimator, trust)
    manifest = Manifest(
        library=library.name,
        library_version=library.version(),
        file=f"model.{packed.suffix}",
        info=packed.info,
        wrapped=wrapped,
        features=list(model.features),
        preprocessing=_json("preprocessing", model.preprocessing),
        metadata=_json("metadata", model.metadata),
        signature=_json("signature", model.signature),
    )
    text = json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode()
    archive.write(path, {"manifest.json": text, manifest.file: packed.content})
    return manifest


def read(path: Path, trust: Trust, damaged: Callable[[object], Exception]) -> tuple[Model, Manifest]:
    """Return the model of a file.

    Args:
        path: the file.
        trust: says which pickles and which types of skops the project allows.
        damaged: makes the error for a file that is none of ours, of what is wrong with it.

    Raises:
        UnsafeFormatError: loading it could run code.
        MissingExtraError: its library is not installed.
    """
    if is_pickle(path):
        raise UnsafeFormatError(
            f"{path.name} is a pickle, whatever its name: whoever loads it runs what is in it. "
            "Mend: return the estimator from a task, or store it by the model's own library"
        )
    try:
        manifest, packed = _read(path)
    except FirnflowError:
        raise
    except Exception as error:  # whatever a damaged file makes of it
        raise damaged(error) from error
    try:
        estimator = libraries()[manifest.library].unpack(packed, trust)
    except FirnflowError:
        raise
    except ImportError as error:
        raise MissingExtraError(error.name or manifest.library, EXTRAS.get(manifest.library, "train")) from error
    except Exception as error:  # each library has errors of its own
        raise damaged(error) from error
    parts = (tuple(manifest.features), manifest.preprocessing, manifest.metadata, manifest.signature)
    return Model(estimator, *parts), manifest


@cache
def libraries() -> dict[str, Library]:
    """Return the known libraries by name."""
    from firnflow.values.libraries.document import Documents
    from firnflow.values.libraries.lightgbm import LightGBM
    from firnflow.values.libraries.onnx import Onnx
    from firnflow.values.libraries.pickled import Pickled
    from firnflow.values.libraries.sklearn import Sklearn
    from firnflow.values.libraries.xgboost import XGBoost

    return {library.name: library for library in (Documents(), LightGBM(), Onnx(), Pickled(), Sklearn(), XGBoost())}


def library_of(estimator: Any, trust: Trust) -> Library:
    """Return the library that packs the estimator: the one that knows the nearest class of its MRO.

    Raises:
        UnsafeFormatError: none does; it could only be pickled.
    """
    if is_allowed(estimator, trust):
        return libraries()["pickle"]
    known = {name: library for library in libraries().values() for name in library.types}
    for cls in type(estimator).__mro__:
        if class_name(cls) in known:
            return known[class_name(cls)]
    raise refusal(type(estimator))


def _read(path: Path) -> tuple[Manifest, Packed]:
    members = archive.read(path)
    manifest = _parsed(members.pop("manifest.json"))
    if list(members) != [manifest.file]:
        raise ValueError(f"its members are {sorted(members)}")
    if not members[manifest.file]:
        raise ValueError("the model is empty")  # XGBoost would abort the process
    return manifest, Packed(members[manifest.file], manifest.file.rpartition(".")[2], manifest.info)


def _parsed(text: bytes) -> Manifest:
    """Return the manifest of a JSON text. Raises ValueError, KeyError, RecursionError where it is none."""
    if len(text) > LARGEST:
        raise ValueError(f"its manifest has {len(text):,} bytes")
    data = json.loads(text, object_pairs_hook=unique)
    if data["format"] != FORMAT or data["version"] not in VERSIONS:
        known = f"{FORMAT} {listing(map(str, VERSIONS))}"
        raise ValueError(f"its format is {data['format']} {data['version']}; this Firnflow reads {known}")
    if data["library"] not in libraries():
        raise ValueError(f"its library is {data['library']!r}; known are {listing(libraries())}")
    for name, kinds in _KINDS.items():
        if not isinstance(data.get(name), kinds):
            raise ValueError(f"its manifest has no {name}, or another kind of it")  # noqa: TRY004 - of a file
    if not all(isinstance(name, str) for name in data["features"]):
        raise ValueError("its features are no texts")
    return Manifest(**{"library_version": "", **{n: data[n] for n in Manifest.__dataclass_fields__ if n in data}})


_NONE = type(None)
_KINDS: dict[str, Any] = {
    "file": str,
    "info": dict,
    "wrapped": bool,
    "features": list,
    "preprocessing": (dict, _NONE),
    "metadata": dict,
    "signature": (dict, _NONE),
}


def _json(name: str, data: Any) -> Any:
    """Return plain JSON data. Raises DataError where it is not."""
    found = plain(data)
    try:
        text = json.dumps(found, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"Model.{name} is no plain JSON: {error}") from error
    if not same(json.loads(text), found):
        raise DataError(f"Model.{name} is no plain JSON: use dicts with text keys, lists, texts, numbers")
    return found
