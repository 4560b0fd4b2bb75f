"""The base of the records that users write in their pipelines: schedules, partitions, resources."""

from __future__ import annotations

from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from firnflow._text import listing, nearest
from firnflow.errors import GraphError


class Written(BaseModel):
    """A record that users write in their pipelines: what is wrong with it is a GraphError that names file and line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            _fail(type(self), error.errors()[0])


def _fail(cls: type[BaseModel], problem: Any) -> NoReturn:
    from firnflow.graph.where import fail, here

    field = ".".join(str(part) for part in problem["loc"])
    message, _, hint = problem["msg"].removeprefix("Value error, ").replace("Input should", "it should").partition(". ")
    said = f"{cls.__name__}: {field}: {message}" if field else f"{cls.__name__}: {message}"
    if problem["type"] == "extra_forbidden":
        said = f"{cls.__name__}: has no argument {field!r}"
        known = cls.model_fields.keys() - {"kind"}
        hint = nearest(field, known) or f"It has: {listing(known)}."
    place = here()
    if place.module.startswith(("firnflow.", "pydantic.")):  # read from a file, not written by a user
        raise GraphError(f"{said}.")
    fail(said, place, hint)
