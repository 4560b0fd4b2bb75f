"""`@task`: a typed Python function that a pipeline can wire."""

from __future__ import annotations

import dataclasses
import inspect
import re
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, overload

from pydantic import ValidationError

from firnflow._text import nearest
from firnflow.errors import GraphError
from firnflow.graph.annotations import readable
from firnflow.graph.builder import current
from firnflow.graph.model import Options
from firnflow.graph.names import NAME
from firnflow.graph.signature import Signature, check_shape, read_signature
from firnflow.graph.where import Place, fail, here, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")


@dataclass(frozen=True, eq=False)
class Task(Generic[P]):
    """A task. Called while a pipeline is built it joins the graph; called anywhere else it is the function.

    Attributes:
        function: the user's function.
        name: what the task is called in a graph, unless a sub-pipeline's name comes before it.
        options_: how it is run.
        watches: see `watching`.
    """

    function: Callable[P, Any]
    name: str
    options_: Options = field(default_factory=Options)
    watches: Callable[[Any, dict[str, str], Callable[[str], Any]], str] | None = None

    def __post_init__(self) -> None:
        names = ("__module__", "__name__", "__qualname__", "__doc__")
        self.__dict__.update({name: getattr(self.function, name) for name in names}, __wrapped__=self.function)

    def __repr__(self) -> str:
        return f"<task {self.key}>"

    @property
    def key(self) -> str:
        """`module:function`: the name under which a graph refers to the task."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    @property
    def doc(self) -> str:
        """The first line of the function's docstring."""
        return inspect.cleandoc(self.function.__doc__ or "").partition("\n")[0]

    @cached_property
    def signature(self) -> Signature:
        """The function's arguments and outputs. Raises GraphError for an annotation that cannot be resolved."""
        return read_signature(self.function)

    def describe(self) -> str:
        """Return the call as one writes it: `train(train_set: ibis.Table, max_depth: int)`."""
        arguments = [
            f"{name}: {readable(argument.annotation)}" + ("" if argument.required else " = …")
            for name, argument in self.signature.arguments.items()
        ]
        return f"{self.name}({', '.join(arguments)})"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Join the pipeline that is being built and return a placeholder; outside one, call the function."""
        builder = current()
        if builder is None:
            return self.function(*args, **kwargs)
        return builder.call(self, args, kwargs)

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Run once per element of each argument that is a list of what it takes; several lists go in step.

        Raises:
            GraphError: no argument is mapped, or written lists are not equally long.
        """
        return self._map("zip", args, kwargs)

    def cross_map(self, *args: Any, **kwargs: Any) -> Any:
        """Run once per combination of the elements of the mapped arguments, the last one fastest."""
        return self._map("cross", args, kwargs)

    def _map(self, how: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        builder = current()
        if builder is None:
            raise GraphError(f"{quoted(self.name)}: `.map()` belongs in a pipeline. Outside one, loop over calls.")
        return builder.map(self, args, kwargs, how)

    def options(self, **changes: Any) -> Task[P]:
        """Return a copy with other options, as `task` takes them: `train.options(timeout="4h")(…)`."""
        return _with_options(self, changes, here())

    def watching(self, read: Callable[[Any, dict[str, str], Callable[[str], Any]], str]) -> Task[P]:
        """Return a copy whose result counts only while something outside its arguments stays as it is.

        For tasks of ours that read what the environment keeps, such as who is champion.

        Args:
            read: returns as a text what the task depends on; it gets the state, the digest of each argument, and a
                function that returns an argument that is JSON.
        """
        return dataclasses.replace(self, watches=read)


def _with_options(task: Task[P], changes: dict[str, Any], place: Place) -> Task[P]:
    name = changes.pop("name", task.name)
    for unknown in changes.keys() - Options.model_fields.keys():
        known = ["name", *Options.model_fields]
        fail(f"{quoted(task.name)}: has no option {unknown!r}", place, nearest(unknown, known))
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        fail(f"{quoted(str(name))}: a name is letters, digits and `_`, a letter first", place, "Give it one: `name=…`.")
    try:
        options = Options.model_validate({**{k: getattr(task.options_, k) for k in Options.model_fields}, **changes})
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        fail(f"{quoted(task.name)}: option {first['loc'][0]!r}: {said}", place)
    return dataclasses.replace(task, name=name, options_=options)


@overload
def task(function: Callable[P, Any], /) -> Task[P]: ...
@overload
def task(**options: Any) -> Callable[[Callable[P, Any]], Task[P]]: ...
def task(function: Callable[P, Any] | None = None, /, **options: Any) -> Any:
    """Make a task of a function whose arguments and return are all annotated.

    Args:
        function: the function, where the decorator stands without parentheses.
        options: the fields of `graph.model.Options` (times and amounts also as `"1h30m"`, `"8Gi"`), and `name`: what
            the task is called in a graph, where that is not the function's name.

    Raises:
        GraphError: what is decorated cannot be a task; the message says why and where.
    """
    place = here()
    if function is None:
        return lambda found: make_task(found, dict(options), place)
    return make_task(function, {}, place)


def make_task(function: Callable[P, Any], options: dict[str, Any], place: Place) -> Task[P]:
    """Return the task of a function, with options. Raises GraphError."""
    if not isinstance(function, FunctionType):
        fail(f"{function!r} cannot be a task", place, "Decorate a function that is written with `def`.")
    check_shape(function, function.__name__)
    return _with_options(Task(function, function.__name__), options, place)
