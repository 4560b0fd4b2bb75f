"""The parameters of a run: defaults, then what the configuration says, then `--set name=value`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from firnflow._text import listing, nearest
from firnflow.errors import ParameterError
from firnflow.graph.annotations import members, readable, shortened
from firnflow.graph.params import leaves, section
from firnflow.graph.types import adapter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.graph.params import Params


def resolve_params(
    params: type[Params] | None,
    overrides: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
    *,
    where: str = "",
) -> Params | None:
    """Return the parameters of a run.

    Args:
        params: the pipeline's class of parameters, or None.
        overrides: name → value, as a configuration file gives them; a section is a nested mapping or a dotted name.
        assignments: `name=value` as typed after `--set`; they win over `overrides`.
        where: what gave the overrides, for messages: `firnflow.toml`.

    Raises:
        ParameterError: an unknown name (with the nearest), or a value of the wrong type.
    """
    changes = _Changes(params)
    for name, value in (overrides or {}).items():
        changes.put(str(name), value, where)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ParameterError(f"--set {assignment!r} has no `=`. Write `--set name=value`.")
        changes.put(name.strip(), _Typed(text), "--set")
    if params is None:
        return None
    try:
        return params.model_validate(changes.values)
    except ValidationError as error:
        raise ParameterError(_explain(error, params)) from None


class _Typed(str):
    """A value as typed in a shell: its parameter's type says how to read it."""

    __slots__ = ()


class _Changes:
    """The values that differ from the defaults, as nested dicts."""

    def __init__(self, params: type[Params] | None) -> None:
        self.values: dict[str, Any] = {}
        self._params = params

    def put(self, name: str, value: Any, where: str) -> None:
        """Set a dotted name; of a section given as a mapping, each of its values."""
        annotation = self._find(name, where)
        inner = section(annotation)
        if isinstance(value, _Typed):
            value = read_typed(name, value, dict[str, Any] if inner else annotation)
        if inner is not None and isinstance(value, Mapping):
            for key, item in value.items():
                self.put(f"{name}.{key}", item, where)
            return
        at: dict[str, Any] = self.values
        model: type[BaseModel] | None = self._params
        *parents, last = name.split(".")
        for parent in parents:
            field = model.model_fields[parent]  # type: ignore[union-attr] # `_find` has walked this way
            at = at.setdefault(parent, _values(field.get_default(call_default_factory=True, validated_data={})))
            model = section(field.annotation)
        at[last] = value

    def _find(self, name: str, where: str) -> Any:
        """Return the annotation of a parameter, or raise with the nearest name."""
        suffix = f" ({where})" if where else ""
        if self._params is None:
            raise ParameterError(f"Parameter {name!r}{suffix}: the pipeline has no parameters.")
        model: type[BaseModel] | None = self._params
        annotation: Any = self._params
        for part in name.split("."):
            if model is None or part not in model.model_fields:
                known = [".".join(path) for path in leaves(self._params)]
                raise ParameterError(
                    f"No parameter {name!r} in {self._params.__name__}{suffix}.{nearest(name, known)}"
                    f" It has: {listing(known)}."
                )
            annotation = model.model_fields[part].annotation
            model = section(annotation)
        return annotation


def _values(default: Any) -> dict[str, Any]:
    """Return the values of a section's default, of which only some are to change."""
    return (
        {name: getattr(default, name) for name in type(default).model_fields} if isinstance(default, BaseModel) else {}
    )


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
    except ValidationError:
        pass
    try:
        return typed.validate_python(text)
    except ValidationError:
        raise ParameterError(
            f"Parameter {name!r} (--set) is {readable(annotation)}, not {text!r}.{_example(annotation)}"
        ) from None


def _example(annotation: Any) -> str:
    reads = readable(annotation)
    if reads.startswith(("list", "tuple", "set")):
        return " Write a JSON list: --set 'name=[1, 2]'."
    return " Write a JSON object." if reads.startswith("dict") else ""


def _explain(error: ValidationError, params: type[Params]) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"Parameter {'.'.join(path)!r} of {params.__name__} has no value. Give it: --set {'.'.join(path)}=…"
    if not path:
        return f"{params.__name__}: {message}."
    return f"Parameter {'.'.join(path)!r} of {params.__name__}: {message}, got {shortened(first['input'])}."
