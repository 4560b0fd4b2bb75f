"""Reading TOML files into pydantic models, with errors that name file, line and the nearest right key."""

from __future__ import annotations

import itertools
import re
import tomllib
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from firnflow._text import nearest
from firnflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T", bound=BaseModel)

MOST_BYTES = 1_000_000
_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[A-Za-z0-9_-]+)\s*""")


STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
"""The configuration of a model of a TOML table: unknown keys are an error."""


@dataclass(frozen=True)
class TomlFile:
    """A file that was read: what it holds, and its text to find lines in."""

    path: Path
    data: dict[str, Any]
    text: str

    def place(self, keys: tuple[str, ...]) -> str:
        """Return where a key stands, for people: `firnflow.toml:7: [environments.prod] workers`."""
        line = line_of(self.text, keys)
        file = f"{self.path}:{line}" if line else str(self.path)
        table = f"[{'.'.join(keys[:-1])}] " if keys[:-1] else ""
        return f"{file}: {table}{keys[-1]}" if keys else f"{file}:"


def read_toml(path: Path) -> TomlFile:
    """Return what a TOML file holds.

    Raises:
        ConfigError: the file cannot be read, or is no TOML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise ConfigError(f"{path} is larger than {MOST_BYTES:,} bytes, which no configuration is")
    try:
        text = raw.decode("utf-8-sig")
        return TomlFile(path, tomllib.loads(text), text)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line} is not UTF-8 text") from error
    except RecursionError as error:
        raise ConfigError(f"{path} nests its values too deeply") from error
    except ValueError as error:  # a TOMLDecodeError says line and column; an integer may have too many digits
        raise ConfigError(f"{path} is no TOML: {error}") from error


def validated(model: type[T], data: Any, place: Callable[[tuple[str, ...]], str], **context: Any) -> T:
    """Return `data` as `model`.

    Args:
        model: what the data should be.
        data: plain data.
        place: says where a key was written, given its path in `data`.
        context: what the model's validators ask for.

    Raises:
        ConfigError: says for every wrong key where it stands, what is wrong, and the nearest right one.
    """
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        problems = [_problem(model, each, place) for each in error.errors(include_url=False)]
        raise ConfigError("\n".join(problems)) from None  # pydantic's own text repeats the values, secrets too
    except RecursionError as error:
        raise ConfigError(f"{place(())} nests its values too deeply") from error


def line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the line of a key or table, or of the nearest table around it; None where neither is found cheaply."""
    table: tuple[str, ...] = ()
    best, best_line = 0, None
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            here = table = tuple(_keys(line.strip().strip("[")))
        else:
            here = (*table, *_keys(line)) if "=" in line else ()
        common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(here, keys, strict=False)))
        if common > best:
            best, best_line = common, number
    return best_line


def _keys(text: str) -> Iterator[str]:
    """Yield the parts of a dotted key."""
    position = 0
    while match := _KEY.match(text, position):
        yield match[1].strip("\"'")
        position = match.end()
        if text[position : position + 1] != ".":
            return
        position += 1


def _problem(model: type[BaseModel], error: Any, place: Callable[[tuple[str, ...]], str]) -> str:
    location = tuple(str(part) for part in error["loc"] if part != "[key]")
    where = place(location)
    if error["type"] == "extra_forbidden":
        known = _fields(model, error["loc"][:-1])
        return f"{where} is not known.{nearest(location[-1], known)} Known: {', '.join(known)}"
    if error["type"] == "missing":
        return f"{where} is missing"
    if error["type"] == "value_error":
        return f"{where}: {error['ctx']['error']}"
    if error["type"] in {"dict_type", "model_type"}:
        return f"{where} must be a table: {location[-1]} = {{ … }}"
    if error["type"] == "string_pattern_mismatch":
        what = "is no name" if location != error["loc"] else "is not written rightly"
        return f"{where} {what}: it must match {error['ctx']['pattern']}"
    return f"{where}: {str(error['msg']).replace('Input', 'it')}"


def _fields(model: Any, location: tuple[Any, ...]) -> list[str]:
    """Return the keys that may stand in the table at `location`."""
    for part in location:
        inner = model.model_fields[part].annotation if _is_model(model) else typing.get_args(model)[-1]
        if typing.get_origin(inner) is typing.Annotated:
            inner = typing.get_args(inner)[0]
        if isinstance(inner, types.UnionType):  # T | None
            inner = next(each for each in typing.get_args(inner) if each is not type(None))
        model = inner
    return sorted(name for name, field in model.model_fields.items() if not field.exclude) if _is_model(model) else []


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
