"""JSON values: plain data, pydantic models, dataclasses, enums, dates, Decimal, tuples, sets, NaN, NumPy scalars.

Written by the annotation's pydantic adapter and read back by it. What would not come back equal is refused when it is
saved. The text is canonical: no spaces, sets in order; dicts keep their order, which is part of the value. NaN and the
infinities are written as Python and DuckDB write them (`NaN`, `Infinity`).
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from firnflow._disk import writing
from firnflow.errors import DamagedArtifactError, DataError
from firnflow.graph.annotations import readable
from firnflow.values import digest
from firnflow.values.data import plain, refuse_objects, same
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from firnflow.values.base import Storage

INLINE_BYTES = 1024
"""JSON text of at most this many bytes stands in the ref itself."""


def save(value: Any, annotation: Any, storage: Storage) -> Ref:
    """Store a JSON value.

    Raises:
        DataError: the value does not fit the annotation, or would not come back equal.
    """
    content = dumps(value, annotation).encode()
    found = digest.of_bytes(content)
    if len(content) <= INLINE_BYTES:
        return Ref("json", "json", found, inline=content.decode())
    path = storage.scratch("json")
    with writing(path):
        path.write_bytes(content)
    return Ref("json", "json", found, where=storage.put(path, found, "json"), size=len(content))


def load(ref: Ref, annotation: Any, storage: Storage) -> Any:
    """Return the value of a `json` ref.

    Raises:
        DamagedArtifactError: the text is not what was committed, or no JSON.
        DataError: it does not fit the annotation.
    """
    text = _text(ref, storage)
    try:
        json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise digest.damaged(ref, error) from error
    return loads(text, annotation)


def loads(text: str, annotation: Any) -> Any:
    """Return the value of a JSON text as the annotation wants it. Raises DataError where it does not fit."""
    from pydantic import ValidationError

    try:
        return _adapter(annotation).validate_json(text, by_alias=False, by_name=True)
    except ValidationError as error:
        raise DataError(
            f"The JSON {_shown(text)} does not fit the annotation {readable(annotation)}: {_first(error)}"
        ) from error


def dumps(value: Any, annotation: Any) -> str:
    """Return the canonical JSON text of a value that fits the annotation. Raises DataError as `save`."""
    from pydantic import ValidationError
    from pydantic_core import PydanticSerializationError

    try:
        wanted = _adapter(annotation)
    except DataError:
        refuse_objects(value)
        raise
    try:
        value = wanted.validate_python(plain(value), strict=True, by_alias=False, by_name=True)
        text = _canonical(wanted, value)
        back = wanted.validate_json(text, by_alias=False, by_name=True)
    except ValidationError as error:
        raise DataError(
            f"{_shown(value)} does not fit the annotation {readable(annotation)}: {_first(error)}"
        ) from error
    except (PydanticSerializationError, ValueError, TypeError) as error:
        refuse_objects(value)
        raise DataError(
            f"{_shown(value)} cannot be stored as JSON: {error}. Mend: return plain data, an array, or a Path"
        ) from error
    if not same(value, back):
        refuse_objects(value)
        raise DataError(
            f"{_shown(value)}, annotated {readable(annotation)}, would come back from JSON as {_shown(back)}. "
            "Mend: annotate the exact type (`dict[str, date]`, `tuple[int, ...]`, a pydantic model) instead of Any"
        )
    return text


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError

    try:
        try:
            return _cached_adapter(annotation)
        except TypeError:  # Annotated with what has no hash
            return _cached_adapter.__wrapped__(annotation)
    except PydanticSchemaGenerationError as error:
        raise DataError(
            f"Values annotated {readable(annotation)} cannot be stored. "
            "Mend: annotate a plain type (float, str, date), a pydantic model, or a dataclass"
        ) from error
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        why = str(error).splitlines()[0]
        raise DataError(f"Values annotated {readable(annotation)} cannot be stored: {why}") from error


@lru_cache(maxsize=1024)
def _cached_adapter(annotation: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(annotation)


def _canonical(wanted: TypeAdapter[Any], value: Any) -> str:
    as_json = wanted.dump_python(value, mode="json", by_alias=False, round_trip=True, warnings=False, fallback=plain)
    as_python = wanted.dump_python(value, by_alias=False, round_trip=True, warnings=False)
    return text_of(_ordered(as_python, as_json))


def _ordered(value: Any, as_json: Any) -> Any:
    """Return `as_json` with the lists that stand for sets sorted; `value` is the same data as Python objects.

    Where the annotation says nothing, pydantic writes NaN and the infinities as None: they are put back.
    """
    if as_json is None and isinstance(value, float):
        return value
    if isinstance(value, set | frozenset) and isinstance(as_json, list):
        if any(isinstance(item, frozenset) for item in value):
            as_json = [_ordered(item, sorted(item)) if isinstance(item, frozenset) else item for item in value]
        return sorted(as_json, key=text_of)
    if isinstance(value, dict) and isinstance(as_json, dict) and len(value) == len(as_json):
        return {key: _ordered(item, as_json[key]) for key, item in zip(as_json, value.values(), strict=True)}
    if isinstance(value, list | tuple) and isinstance(as_json, list) and len(value) == len(as_json):
        return [_ordered(one, other) for one, other in zip(value, as_json, strict=True)]
    return as_json


def text_of(data: Any) -> str:
    """Return plain data as JSON without spaces."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _text(ref: Ref, storage: Storage) -> str:
    if ref.inline is not None:
        content = ref.inline.encode("utf-8", "surrogatepass")
        if digest.of_bytes(content) != ref.digest:
            raise DamagedArtifactError(f"A JSON value is not what was committed: its SHA-256 differs. {digest.MEND}")
    else:
        path = storage.local(ref.where or "")
        digest.verify_bytes(path, ref)
        content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise digest.damaged(ref, error) from error


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the dict of a JSON object; for `object_pairs_hook`. Raises ValueError where a key stands twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _first(error: Any) -> str:
    found = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(map(str, found["loc"]))
    return f"{place}: {found['msg']}" if place else str(found["msg"])


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}…"
