"""What stands for parameters and results while a pipeline is built: they are passed on, never computed with."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NoReturn

from firnflow._text import nearest
from firnflow.graph.annotations import literals, plain, readable
from firnflow.graph.model import Condition, FromConstant, FromParam, FromPartition, FromTask
from firnflow.graph.params import section
from firnflow.graph.types import adapter
from firnflow.graph.where import fail, here

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from pydantic import BaseModel

    from firnflow.graph.builder import Builder
    from firnflow.graph.partitions import ByKey, Timed
    from firnflow.graph.rules import Checks
    from firnflow.graph.table import Mode

_INSIDE = "Do it inside a task: pass this as an argument."
_CASE = "To choose by it, let a task return a Literal or bool and write `with verdict.case(…):`."
_MAP = "To work on each element, write `task.map(…)`; else do it inside a task."


class Placeholder:
    """A value that is not there yet. Whatever would compute with it raises a GraphError that says what to do."""

    __slots__ = ()

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        fail(f"{self!r} is not there while the pipeline is built, so it cannot be {what}", here(), remedy)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse(f"asked for its attribute {name!r}", _INSIDE)


class Parameter(Placeholder):
    """`p.max_depth`: a parameter of the run, or a constant where a sub-pipeline is called with fixed parameters."""

    __slots__ = ("_annotation", "_input", "_name")

    def __init__(self, name: str, annotation: Any, source: FromParam | FromConstant | FromPartition) -> None:
        self._name, self._annotation, self._input = name, annotation, source

    def __repr__(self) -> str:
        return f"parameter {self._name!r}"

    def case(self, _: object) -> NoReturn:
        """Refuse: a branch is chosen by what a task returns."""
        self._refuse("branched on", "Let a task return it: branches are chosen by what a task returns.")


class PartitionPart(Parameter):
    """`partition.key`: what the run's partition is called, or when it begins and ends."""

    __slots__ = ()

    def __repr__(self) -> str:
        return self._name


class PartitionPlaceholder(Placeholder):
    """`partition`: what the run is for."""

    __slots__ = ("_partition",)
    _TYPES = {"key": str, "day": dt.date, "start": dt.datetime, "end": dt.datetime}  # noqa: RUF012 - never changed

    def __init__(self, partition: Timed | ByKey) -> None:
        self._partition = partition

    def __repr__(self) -> str:
        return "partition"

    def __getattr__(self, name: str) -> PartitionPart:
        if name.startswith("__"):
            raise AttributeError(name)
        fields = self._partition.fields
        if name not in fields:
            hint = nearest(name, fields) or f"It has {', '.join(fields)}."
            fail(f"a partition of {type(self._partition).__name__} has no {name!r}", here(), hint)
        return PartitionPart(f"partition.{name}", self._TYPES[name], FromPartition(field=name))  # type: ignore[arg-type]


class Section(Placeholder):
    """`p`, or a nested part of it."""

    __slots__ = ("_constant", "_model", "_path")

    def __init__(self, model: type[BaseModel], path: tuple[str, ...] = (), constant: BaseModel | None = None) -> None:
        self._model, self._path, self._constant = model, path, constant

    def __repr__(self) -> str:
        return f"parameters {'.'.join(self._path) or self._model.__name__!r}"

    def __getattr__(self, name: str) -> Any:
        fields = type.__getattribute__(self._model, "model_fields")
        if name not in fields:
            if name.startswith("__"):
                raise AttributeError(name)
            fail(f"{self._model.__name__} has no parameter {name!r}", here(), nearest(name, fields))
        annotation, path = fields[name].annotation, (*self._path, name)
        inner = section(annotation)
        if inner is not None:
            return Section(inner, path, getattr(self._constant, name) if self._constant is not None else None)
        return Parameter(".".join(path), annotation, self._source(annotation, path))

    def _source(self, annotation: Any, path: tuple[str, ...]) -> FromParam | FromConstant:
        if self._constant is None:
            return FromParam(path=path)
        value = self._constant if path == self._path else getattr(self._constant, path[-1])
        return FromConstant(value=adapter(annotation).dump_python(value, mode="json"))


def whole(part: Section) -> Parameter:
    """Return a section as one value."""
    path, model = part._path, part._model  # noqa: SLF001 - a method would hide a parameter of its name
    return Parameter(".".join(path) or "p", model, part._source(model, path))  # noqa: SLF001


class Output(Placeholder):
    """What a task returns, or one of its several outputs."""

    __slots__ = ("_annotation", "_builder", "_input", "_mapped")

    def __init__(self, builder: Builder, task: str, output: str | None, annotation: Any, *, mapped: bool) -> None:
        self._builder, self._annotation, self._mapped = builder, annotation, mapped
        self._input = FromTask(task=task, output=output)

    def __repr__(self) -> str:
        name = f"output {self._input.output!r}" if self._input.output else "the result"
        return f"{name} of task {self._input.task!r}"

    def case(self, value: str | bool | int) -> Case:
        """Return the branch that runs where the task returned `value`: `with verdict.case("promote"): …`."""
        cases = literals(self._annotation)
        if (type(value), value) not in [(type(known), known) for known in cases]:
            returns = f"{self!r} is {readable(self._annotation)}"
            if not cases:
                fail(f"{returns}, which has no cases", here(), 'Annotate its task `-> Literal["a", "b"]` or `-> bool`.')
            fail(f"{returns}, so it has no case {value!r}", here(), nearest(str(value), map(str, cases)))
        return self._builder.case(Condition(task=self._input.task, output=self._input.output, case=value))

    def publish(
        self,
        name: str,
        mode: Mode = "replace",
        *,
        key: str | Sequence[str] | None = None,
        partition: str | Sequence[str] | None = None,
        checks: Checks | None = None,
        moment: Any = None,
        references: Mapping[str, Any] | None = None,
    ) -> Any:
        """Publish this table as the next version of a named one, and return that version for tasks below.

        Args:
            name: of the named table; the first publication makes it.
            mode: `replace`: the version has just these rows. `append`: these besides those that are there.
                `partition`: these in place of those of the partitions that they are in.
            key: columns that no two rows may have in common; they are kept with the table, and checked from then on.
            partition: the columns of the partitions; set by the first publication.
            checks: what the rows must be; a task of its own, `check_NAME`, looks before anything is published.
            moment: by which the checks measure freshness: a day, which stands for its end, or a moment; default: when
                the run started.
            references: table → the table that stands for it in the rules' `references`; default: the named table as it
                is then.

        Raises:
            GraphError: this is no table, or an argument is wrong.
        """
        from firnflow.graph.table import check, publish

        output = self if checks is None else check(self, name, checks, moment, references)
        return publish(output, name, mode, key, partition)

    def __iter__(self) -> Iterator[Any]:
        remedy = _MAP
        if getattr(plain(self._annotation), "__origin__", None) is tuple and not self._mapped:
            remedy = "For several outputs, let the task return a NamedTuple: it names them."
        self._refuse("unpacked or looped over", remedy)


class Outputs(Placeholder):
    """The several outputs of a task: unpack them in order, or take one as an attribute."""

    __slots__ = ("_outputs", "_task")

    def __init__(self, task: str, outputs: dict[str, Output]) -> None:
        self._task, self._outputs = task, outputs

    def __repr__(self) -> str:
        return f"the outputs of task {self._task!r}"

    def __iter__(self) -> Iterator[Output]:
        return iter(self._outputs.values())

    def __len__(self) -> int:
        return len(self._outputs)

    def __bool__(self) -> bool:  # noqa: PLE0304 - it has a length, so without this `if outputs:` would pass
        self._refuse("used as a condition", _CASE)

    def __getattr__(self, name: str) -> Output:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._outputs:
            has = f"It has {', '.join(self._outputs)}." if self._outputs else "It returns None."
            fail(f"task {self._task!r} has no output {name!r}", here(), f"{has}{nearest(name, self._outputs)}")
        return self._outputs[name]


class Each:
    """An argument of `.map()` that is mapped whatever its type says."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def each(values: Any) -> Any:
    """Mark an argument of `task.map(…)` as mapped, where its annotation leaves that open (`list`, `Any`)."""
    return Each(values)


class Case:
    """A branch: what is called inside `with` runs only in this case."""

    __slots__ = ("_builder", "condition", "entered", "place")

    def __init__(self, builder: Builder, condition: Condition) -> None:
        self._builder, self.condition, self.entered, self.place = builder, condition, False, here()

    def __enter__(self) -> None:
        self.entered = True
        self._builder.conditions.append(self.condition)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._builder.conditions.pop()


_TRAPS = {
    ("used as a condition", _CASE): ("bool",),
    ("compared", _CASE): ("eq", "ne", "lt", "le", "gt", "ge", "contains"),
    ("unpacked or looped over", _MAP): ("iter", "len", "getitem", "reversed"),
    ("turned into text", _INSIDE): ("str", "format"),
    ("turned into a number", _INSIDE): ("int", "float", "complex", "index", "round"),
    ("called", _INSIDE): ("call",),
    ("changed", _INSIDE): ("setitem", "delitem"),
    ("computed with", _INSIDE): (
        *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift"),
        *("radd", "rsub", "rmul", "rtruediv", "rfloordiv", "rmod", "rpow", "rmatmul", "rand", "ror", "rxor"),
        *("neg", "pos", "abs", "invert", "enter", "exit"),
    ),
}


def _trap(what: str, remedy: str) -> Any:
    def refuse(self: Placeholder, *_: object) -> NoReturn:
        self._refuse(what, remedy)

    return refuse


for (_what, _remedy), _names in _TRAPS.items():
    for _name in _names:
        setattr(Placeholder, f"__{_name}__", _trap(_what, _remedy))
