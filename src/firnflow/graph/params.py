"""The parameters of a pipeline, as the user declares them and as the graph records them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from firnflow.graph.annotations import members, plain
from firnflow.graph.model import ParamField
from firnflow.graph.types import adapter

if TYPE_CHECKING:
    from collections.abc import Iterator


class Params(BaseModel):
    """The base of a pipeline's parameters: validated, frozen, unknown names are an error.

    A field may be another such class, whose fields are then `p.section.field`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


def section(annotation: Any) -> type[BaseModel] | None:
    """Return the pydantic model of a nested section, or None for a plain parameter."""
    (first, *others) = members(annotation)
    return first if not others and isinstance(first, type) and issubclass(first, BaseModel) else None


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every parameter: `("model", "max_depth")`."""
    for name, field in model.model_fields.items():
        inner = section(field.annotation)
        if inner is None:
            yield (*path, name)
        else:
            yield from leaves(inner, (*path, name))


def describe(model: type[BaseModel]) -> tuple[dict[str, ParamField], dict[str, Any]]:
    """Return the parameters as data, and the JSON schemas that theirs refer to."""
    schema = model.model_json_schema(by_alias=False, ref_template="#/definitions/{model}")
    fields = {}
    for name, field in model.model_fields.items():
        own = {key: value for key, value in schema["properties"][name].items() if key != "default"}
        default = None
        if not field.is_required():
            default = field.get_default(call_default_factory=True, validated_data={})
            default = adapter(plain(field.annotation)).dump_python(default, mode="json")
        fields[name] = ParamField(json_schema=own, required=field.is_required(), default=default)
    return fields, schema.get("$defs", {})
