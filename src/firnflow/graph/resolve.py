"""The parameters of a run: defaults, then what the configuration says, then `--set name=value`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from firnflow._text import listing, nearest
from firnflow.errors import ParameterError
from firnflow.graph.annotations import literals, members, readable, shortened
from firnflow.graph.params import leaves, section
from firnflow.graph.types import adapter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.graph.params import Params


def resolve_params(
    params: type[Params] | None,
    layers: Iterable[tuple[str, Mapping[str, Any]]] = (),
    assignments: Iterable[str] = (),
) -> Params | None:
    """Return the parameters of a run.

    Args:
        params: the pipeline's class of parameters, or None.
        layers: what gave them, for messages (`firnflow.toml`), and name → value; a section is a nested mapping or a
            dotted name. The later layer wins: sections are merged, any other value is replaced, a dict too.
        assignments: `name=value` as typed after `--set`; they win over the layers.

    Raises:
        ParameterError: an unknown name (with the nearest), or a value of the wrong type.
    """
    changes = _Changes(params)
    for where, values in layers:
        for name, value in values.items():
            changes.put(str(name), value, where)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ParameterError(f"--set {assignment!r} has no `=`. Write `--set name=value`.")
        changes.put(name.strip(), _Typed(text), "--set")
    if params is None:
        return None
    try:
        return params.model_validate(changes.values, by_name=True, by_alias=False)
    except ValidationError as error:
        raise ParameterError(_explain(error, params, changes.given_by)) from None


class _Typed(str):
    """A value as typed in a shell: its parameter's type says how to read it."""

    __slots__ = ()


class _Changes:
    """The values that differ from the defaults, as nested dicts."""

    def __init__(self, params: type[Params] | None) -> None:
        self.values: dict[str, Any] = {}
        self.given_by: dict[str, str] = {}
        self._params = params

    def put(self, name: str, value: Any, where: str) -> None:
        """Set a dotted name; of a section given as a mapping, each of its values."""
        annotation = self._find(name, where)
        if section(annotation) is not None:
            for key, item in _section_values(name, value, where).items():
                self.put(f"{name}.{key}", item, where)
        else:
            self.given_by[name] = where
            self._set(name, read_typed(name, value, annotation) if isinstance(value, _Typed) else value)

    def _set(self, name: str, value: Any) -> None:
        at: dict[str, Any] = self.values
        model: type[BaseModel] | None = self._params
        *parents, last = name.split(".")
        for parent in parents:
            field = model.model_fields[parent]  # type: ignore[union-attr] # `_find` has walked this way
            default = field.get_default(call_default_factory=True, validated_data={})
            at = at.setdefault(parent, _values(default) if isinstance(default, BaseModel) else {})
            model = section(field.annotation)
        at[last] = value

    def _find(self, name: str, where: str) -> Any:
        """Return the annotation of a parameter, or raise with the nearest name."""
        if self._params is None:
            raise ParameterError(f"Parameter {name!r}{_by(where)}: the pipeline has no parameters.")
        model: type[BaseModel] | None = self._params
        annotation: Any = self._params
        for part in name.split("."):
            if model is None or part not in model.model_fields:
                known = [".".join(path) for path in leaves(self._params)]
                raise ParameterError(
                    f"No parameter {name!r} in {self._params.__name__}{_by(where)}.{nearest(name, known)}"
                    f" It has: {listing(known)}."
                )
            annotation = model.model_fields[part].annotation
            model = section(annotation)
        return annotation


def _values(part: BaseModel) -> dict[str, Any]:
    """Return the values of a section as nested dicts, of which some are to change."""
    values = {name: getattr(part, name) for name in type(part).model_fields}
    return {name: _values(value) if isinstance(value, BaseModel) else value for name, value in values.items()}


def _section_values(name: str, value: Any, where: str) -> Mapping[str, Any]:
    if isinstance(value, _Typed):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, BaseModel):
        return _values(value)
    if not isinstance(value, Mapping):
        raise ParameterError(
            f"Parameter {name!r}{_by(where)} is a section, got {shortened(value)}. Set a part of it: {name}.part=…"
        )
    return value


def _by(where: str) -> str:
    return f" ({where})" if where else ""


def read_typed(name: str, text: str, annotation: Any) -> Any:
    """Return a value typed in a shell as the annotation wants it: a text as it stands, everything else as JSON.

    What is no JSON of the type is read as pydantic reads a text: `yes` for a bool, `2024-05-01` for a date.

    Raises:
        ParameterError: it is neither.
    """
    text = str(text)
    if members(annotation) == (str,):
        return text
    typed = adapter(annotation)
    try:
        return typed.validate_json(text)
    except ValidationError as error:
        said = [each for each in error.errors() if each["type"] == "value_error"]
        if said:  # by a validator of the type, in words of its own
            message = said[0]["msg"].removeprefix("Value error, ")
            raise ParameterError(f"Parameter {name!r} (--set): {message}.") from None
    try:
        return typed.validate_python(text)
    except ValidationError:
        raise ParameterError(
            f"Parameter {name!r} (--set) is {readable(annotation)}, not {shortened(text)}."
            + _example(name, text, annotation)
        ) from None


def _example(name: str, text: str, annotation: Any) -> str:
    reads, cases = readable(annotation), literals(annotation)
    if cases:
        return nearest(text, map(str, cases))
    if reads.startswith(("list", "tuple", "set")):
        return f" Write a JSON list: --set '{name}=[1, 2]'."
    return " Write a JSON object." if reads.startswith("dict") else ""


def _explain(error: ValidationError, params: type[Params], given_by: Mapping[str, str]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    by = _by(next((where for known, where in given_by.items() if f"{name}.".startswith(f"{known}.")), ""))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"Parameter {name!r} of {params.__name__} has no value. Give it: --set {name}=…"
    if not name:
        return f"{params.__name__}: {message}."
    return f"Parameter {name!r} of {params.__name__}{by}: {message}, got {shortened(first['input'])}."
