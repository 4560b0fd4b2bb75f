"""What a task's function takes and returns, with its annotations resolved."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from firnflow.graph.annotations import accepts_none, readable
from firnflow.graph.model import Port
from firnflow.graph.names import NAME
from firnflow.graph.types import is_json_like
from firnflow.graph.where import definition, fail, quoted

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Argument:
    """One argument of a task; `default` is `inspect.Parameter.empty` where it is required."""

    name: str
    annotation: Any
    default: Any
    port: Port

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True)
class Signature:
    """A task's function as the graph and the engine see it.

    Attributes:
        arguments: by name, in order.
        returns: the annotation of what it returns.
        outputs: output → annotation: the fields of `output_class`, else `result`; empty for a task that returns None.
        output_class: the NamedTuple or dataclass whose fields are the outputs, or None.
        output_ports: output → what the graph says of it.
    """

    arguments: dict[str, Argument]
    returns: Any
    outputs: dict[str, Any]
    output_class: type | None
    output_ports: dict[str, Port]

    @cached_property
    def argument_ports(self) -> dict[str, Port]:
        """What the graph says of each argument."""
        return {name: argument.port for name, argument in self.arguments.items()}

    def split(self, value: Any) -> dict[str, Any]:
        """Return what the function returned as output → value. Raises TypeError where it is of another class."""
        if self.output_class is None:
            return dict.fromkeys(self.outputs, value)
        if not isinstance(value, self.output_class):
            raise TypeError(f"returned {readable(type(value))}, but is annotated to return {readable(self.returns)}")
        return {name: getattr(value, name) for name in self.outputs}


def check_shape(function: Callable[..., Any], name: str) -> None:
    """Refuse what cannot be a task, without resolving annotations. Raises GraphError."""
    place = definition(function)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        fail(f"{quoted(name)}: an async function cannot be a task", place, "Write `def`; run the event loop inside it.")
    if inspect.isgeneratorfunction(function):
        fail(f"{quoted(name)}: a generator cannot be a task", place, "Return a list, or a pyarrow.RecordBatchReader.")
    parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            fail(
                f"{quoted(name)}: takes {parameter}, but a task's arguments have names",
                place,
                "Name each one, or take one argument annotated `list[…]`.",
            )
        if not re.fullmatch(NAME, parameter.name):
            fail(f"{quoted(name, parameter.name)}: a name is letters, digits and `_`, a letter first", place)
        if parameter.annotation is parameter.empty:
            fail(f"{quoted(name, parameter.name)}: has no type", place, f"Annotate it: `{parameter.name}: int`.")
    if inspect.signature(function).return_annotation is inspect.Signature.empty:
        fail(f"{quoted(name)}: does not say what it returns", place, "Annotate it: `-> ibis.Table`, or `-> None`.")


@cache
def read_signature(function: Callable[..., Any]) -> Signature:
    """Return the signature of a function that `check_shape` passed. Raises GraphError for an unknown annotation."""
    place, name = definition(function), function.__name__
    try:
        hints = typing.get_type_hints(function, include_extras=True)
        returns = hints["return"]
        output_class = returns if _has_several_outputs(returns) else None
        outputs = _outputs(returns, output_class)
    except Exception as error:  # noqa: BLE001 - an annotation is any expression of the user's
        fail(
            f"{quoted(name)}: cannot resolve its annotations: {error}",
            place,
            "Import the types where the module is loaded, not under TYPE_CHECKING or inside a function.",
        )
    arguments = {
        parameter.name: Argument(parameter.name, hint, parameter.default, _port(hint))
        for parameter in inspect.signature(function).parameters.values()
        for hint in (hints[parameter.name],)
    }
    for output in outputs:
        if not re.fullmatch(NAME, output):
            fail(f"{quoted(name)}: output {output!r}: a name is letters, digits and `_`, a letter first", place)
    return Signature(arguments, returns, outputs, output_class, {k: _port(v) for k, v in outputs.items()})


def _port(annotation: Any) -> Port:
    return Port(type=readable(annotation), optional=accepts_none(annotation))


def _has_several_outputs(returns: Any) -> bool:
    if not isinstance(returns, type):
        return False
    if issubclass(returns, tuple) and hasattr(returns, "_fields"):
        return True
    return dataclasses.is_dataclass(returns) and not _is_one_value(returns) and not is_json_like(returns)


def _is_one_value(cls: type) -> bool:
    return readable(cls) == "firnflow.Model"


def _outputs(returns: Any, output_class: type | None) -> dict[str, Any]:
    if returns is None or returns is type(None):
        return {}
    if output_class is None:
        return {"result": returns}
    hints = typing.get_type_hints(output_class, include_extras=True)
    if dataclasses.is_dataclass(output_class):
        return {f.name: hints[f.name] for f in dataclasses.fields(output_class)}
    return {name: hints.get(name, Any) for name in output_class._fields}  # type: ignore[attr-defined]
