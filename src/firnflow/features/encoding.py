"""Values as the online store keeps them: one JSON text per row, from which each value comes back as it was.

A row is `[happened, value, …]`: when it happened, in microseconds since 1970, then its features. JSON has integers of
any size, and floats to the last bit; what it lacks is written as text and read back by the *kind* of the column:
moments in ISO 8601, decimals by their digits, bytes in base64. The kinds stand in the mark of the place.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import uuid
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from firnflow.errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

_PLAIN = {"bool": bool, "int": int, "float": float, "text": str}
_NANO = "moment[ns]"
_KEYS: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "text": (str,),
    "date": (dt.date,),
    "time": (dt.time,),
    "moment": (dt.datetime,),
    _NANO: (dt.datetime,),
    "decimal": (decimal.Decimal, int),
    "bytes": (bytes,),
}
"""What Python's values of a key column are."""
text_of = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def kind_of(column: pa.DataType, what: str) -> str:
    """Return the kind of a column of Arrow.

    Raises:
        FeatureError: the online store keeps none such.
    """
    from pyarrow import types

    if types.is_list(column) or types.is_large_list(column):
        return f"list:{kind_of(column.value_type, what)}"
    if types.is_timestamp(column):
        zone = f"@{column.tz}" if column.tz else ""
        return (_NANO if column.unit == "ns" else "moment") + zone
    tests: dict[str, Callable[[pa.DataType], bool]] = {
        "bool": types.is_boolean,
        "int": types.is_integer,
        "float": types.is_floating,
        "text": lambda t: types.is_string(t) or types.is_large_string(t),
        "date": types.is_date,
        "time": types.is_time,
        "decimal": types.is_decimal,
        "bytes": lambda t: types.is_binary(t) or types.is_large_binary(t),
    }
    found = next((kind for kind, test in tests.items() if test(column)), None)
    if found is None:
        raise FeatureError(
            f"{what} is {column}, which the online store does not keep. Mend: take it apart into columns of its own, "
            "or leave it out: columns={FEATURE: …}"
        )
    return found


def writer(kind: str) -> Callable[[Any], Any]:
    """Return the function that makes JSON of a value of this kind, which is not null."""
    base, _, rest = kind.partition("@" if kind.startswith("moment") else ":")
    if base == "list":
        inner = writer(rest)
        return lambda values: [None if value is None else inner(value) for value in values]
    if base == _NANO:
        return lambda value: value.value
    if base == "moment" and rest:
        return lambda value: value.astimezone(dt.UTC).replace(tzinfo=None).isoformat()
    known: dict[str, Callable[[Any], Any]] = {
        "moment": dt.datetime.isoformat,
        "date": dt.date.isoformat,
        "time": dt.time.isoformat,
        "decimal": str,
        "bytes": lambda value: base64.b64encode(value).decode(),
    }
    return known.get(base, lambda value: value)


def reader(kind: str) -> Callable[[Any], Any] | None:
    """Return the function that undoes `writer`; None: JSON has the value itself."""
    base, _, rest = kind.partition("@" if kind.startswith("moment") else ":")
    if base in _PLAIN:
        return None
    if base == "list":
        inner = reader(rest) or (lambda value: value)
        return lambda values: [None if value is None else inner(value) for value in values]
    if base == _NANO:
        import pandas as pd

        return lambda value: pd.Timestamp(value, unit="ns", tz="UTC").tz_convert(rest or None)
    if base == "moment" and rest:
        zone = ZoneInfo(rest)
        return lambda value: dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC).astimezone(zone)
    known: dict[str, Callable[[Any], Any]] = {
        "moment": dt.datetime.fromisoformat,
        "date": dt.date.fromisoformat,
        "time": dt.time.fromisoformat,
        "decimal": decimal.Decimal,
        "bytes": base64.b64decode,
    }
    return known[base]


def key_text(values: tuple[Any, ...]) -> str | None:
    """Return the key of a row, of the values of its key columns; None where one of them is null.

    It needs no kinds: what a caller asks for becomes a key before anything is read. `check_key` is for afterwards.
    """
    if None in values:
        return None
    return text_of([_key(value) for value in values])


def _key(value: Any) -> Any:
    if isinstance(value, str | int):
        return value
    if isinstance(value, decimal.Decimal):  # equal numbers are one key
        return int(value) if value == value.to_integral_value() else f"{value.normalize():f}"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.datetime):
        stamp = getattr(value, "nanosecond", 0)
        at = value if value.tzinfo is None else value.astimezone(dt.UTC).replace(tzinfo=None)
        return f"{at.replace(nanosecond=0).isoformat() if stamp else at.isoformat()}+{stamp}"  # type: ignore[call-arg]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def plain(value: Any) -> Any:
    """Return what a caller gives as a key as Python's own type: of NumPy's numbers, and of UUIDs, which are texts."""
    if isinstance(value, uuid.UUID):
        return str(value)
    return value.item() if type(value).__module__ == "numpy" else value


def check_key(value: Any, kind: str, what: str) -> None:
    """Raise FeatureError where a value is of another kind than a key column: it would be found nowhere."""
    wanted = _KEYS[kind.partition("@")[0]]
    fits = isinstance(value, wanted) and isinstance(value, bool) == (kind == "bool")
    if value is not None and not (fits and isinstance(value, dt.datetime) == kind.startswith("moment")):
        raise FeatureError(
            f"{what} is {value!r:.80}, a {type(value).__name__}, and the view's is {kind}: no value would be found. "
            f"Mend: give {kind}"
        )


def key_from_text(text: str, kind: str, what: str) -> Any:
    """Return what a text from the command line stands for in a key column.

    Raises:
        FeatureError: it is none such.
    """
    if kind == "text":
        return text
    try:
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind in {"int", "decimal"}:
            return {"int": int, "decimal": decimal.Decimal}[kind](text)
        if kind.startswith("moment"):
            at = dt.datetime.fromisoformat(text)
            return at.replace(tzinfo=dt.UTC) if "@" in kind and at.tzinfo is None else at
        return (reader(kind) or str)(text)
    except (ArithmeticError, KeyError, ValueError):
        raise FeatureError(f"{what}: {text!r:.80} is no {kind}") from None
