"""One attempt of one task, the one way to execute it: load inputs by ref, call the function, store outputs, commit.

A local worker calls this in its process; `firnflow exec` calls it for every other target.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from firnflow import context, values
from firnflow._crash import crash_point
from firnflow.engine import logs, peak
from firnflow.engine.binding import Bound, Value, from_json, stored, to_json
from firnflow.errors import (
    DamagedArtifactError,
    DataError,
    FirnflowError,
    RunConflictError,
    StoreError,
    TaskFailedError,
)
from firnflow.graph.model import Resources
from firnflow.status import TaskStatus
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.engine.memory import Memory
    from firnflow.engine.services import Services
    from firnflow.graph.signature import Signature
    from firnflow.graph.task import Task
    from firnflow.stores import Stores
    from firnflow.stores.state import State


_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt of one task: everything that a worker must know."""

    run: str
    task: str
    key: str
    element: int
    label: str | None
    number: int
    attempt: int
    arguments: dict[str, Bound]
    resources: Resources
    pipeline: str

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        bound = {name: to_json(value) for name, value in self.arguments.items()}
        resources = self.resources.model_dump(exclude_defaults=True)
        return {**{name: getattr(self, name) for name in self.__slots__}, "arguments": bound, "resources": resources}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Call:
        """Return what `to_json` wrote."""
        bound = {name: from_json(value) for name, value in data["arguments"].items()}
        return cls(**{**data, "arguments": bound, "resources": Resources(**data["resources"])})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: `succeeded` with outputs, or `failed` with an error as plain data."""

    status: TaskStatus
    outputs: dict[str, Ref] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    seconds: float = 0.0
    peak_memory: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        refs = {name: ref.to_json() for name, ref in self.outputs.items()}
        return {**{name: getattr(self, name) for name in self.__slots__}, "outputs": refs}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Outcome:
        """Return what `to_json` wrote."""
        outputs = {name: Ref.from_json(ref) for name, ref in data["outputs"].items()}
        return cls(**{**data, "status": TaskStatus(data["status"]), "outputs": outputs})


@dataclass(frozen=True, slots=True)
class Workplace:
    """What executing needs besides the call: the stores, the state, where logs go. Closed by `with`."""

    stores: Stores
    state: State
    logs: Path
    memory: Memory
    services: Services
    redact: Any = str
    echo: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stores.close()
        self.state.close()


def execute_attempt(call: Call, task: Task[...], place: Workplace) -> Outcome:
    """Run one attempt to its end and commit it; whatever goes wrong becomes a failed outcome.

    Raises:
        RunConflictError: the attempt was given up meanwhile (another process has taken over the run).
    """
    log = logs.AttemptLog(
        logs.attempt_file(place.logs, call.run, call.task, call.element, call.number), place.redact, place.echo
    )
    scratch = place.stores.scratch("dir")
    here = context.TaskContext(
        call.run,
        call.task,
        call.number,
        scratch,
        call.element,
        call.resources,
        {name: bound for name, bound in call.arguments.items() if isinstance(bound, Ref)},
        pipeline=call.pipeline,
        services=place.services,
    )
    began = time.perf_counter()
    peak.reset()
    with logs.capture(log):
        token = context.enter(here)
        try:
            outputs = _with_lineage(_outputs(call, task, place), here)
            for check in here.before_commit:
                check()
            taken = peak.read()
            crash_point("commit.before")
            refs = {name: ref.to_json() for name, ref in outputs.items()}
            place.state.commit(call.attempt, refs, here.metrics, taken, here.history, reusable=here.reusable)
            crash_point("commit.after")
        except RunConflictError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: a task may raise anything
            _set_aside(error, call, place)
            said = describe(error, place.redact)
            log.write("firnflow", said["traceback"] or said["message"], "error")
            place.state.fail(call.attempt, TaskStatus.FAILED, said, peak.read(), here.history)
            took = time.perf_counter() - began
            return Outcome(TaskStatus.FAILED, {}, here.metrics, said, took, peak.read())
        finally:
            context.leave(token)
            with contextlib.suppress(OSError):
                shutil.rmtree(scratch, ignore_errors=True)
    return Outcome(TaskStatus.SUCCEEDED, outputs, here.metrics, None, time.perf_counter() - began, taken)


def _set_aside(error: Exception, call: Call, place: Workplace) -> None:
    """Delete the inputs that are not what was committed, so that a resumed run makes them again."""
    if isinstance(error, DamagedArtifactError):
        stores = place.stores
        for ref in (ref for bound in call.arguments.values() for ref in stored(bound) if not _is_named(bound)):
            where = ref.where or ""
            # of a remote object, what is wrong may be the copy here: it is downloaded once more
            if _is_damaged(ref, place) and not (stores.drop_copy(ref) and not _is_damaged(ref, place)):
                stores.delete(where)


def _is_named(bound: Bound) -> bool:
    """Return whether this is a version of a named table: no run can make it again."""
    return isinstance(bound, Ref) and bound.kind == "table" and "version" in (bound.meta or {})


def _is_damaged(ref: Ref, place: Workplace) -> bool:
    try:
        values.verify(ref, place.stores)
    except DamagedArtifactError:
        return True
    except StoreError:  # it is away: nobody knows
        return False
    return False


def _outputs(call: Call, task: Task[...], place: Workplace) -> dict[str, Ref]:
    signature = task.signature
    arguments = {
        name: load(bound, signature.arguments[name].annotation, place) for name, bound in call.arguments.items()
    }
    try:
        returned = task.function(**arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's function may raise anything, and may call exit()
        # the frame of this function is ours: the traceback begins where the user's function does
        raise TaskFailedError(f"{type(error).__name__}: {error}") from error.with_traceback(
            error.__traceback__.tb_next if error.__traceback__ else None
        )
    crash_point("task.called")
    return _save(signature, returned, place)


def _with_lineage(outputs: dict[str, Ref], here: context.TaskContext) -> dict[str, Ref]:
    """Return the outputs, the tables among them with the feature views and the named tables that they are made of."""
    said = {name: about for name, about in (("features", here.features), ("read", here.read)) if about}
    if not said:
        return outputs
    told = {n: replace(r, meta={**(r.meta or {}), **said}) for n, r in outputs.items() if r.kind == "table"}
    return {**outputs, **told}


def _save(signature: Signature, returned: Any, place: Workplace) -> dict[str, Ref]:
    saved = {}
    for name, value in signature.split(returned).items():
        if isinstance(value, Ref):  # likewise
            saved[name] = value
            continue
        saved[name] = values.save(value, signature.outputs[name], place.stores)
        place.memory.keep(saved[name], value)
    return saved


def load(bound: Bound, annotation: Any, place: Workplace) -> Any:
    """Return the Python value of a bound argument, as the type that the function asks for."""
    if isinstance(bound, Value):
        return values.from_plain(bound.json, annotation)
    if isinstance(bound, Ref):
        if annotation is Ref:  # a task of ours that only hands it on
            return bound
        kept = place.memory.find(bound, annotation)
        return kept if kept is not None else values.load(bound, annotation, place.stores)
    inner = values.element_of(annotation)
    return [load(item, inner, place) for item in bound]


def describe(error: BaseException, redact: Callable[[str], str]) -> dict[str, Any]:
    """Return an error as plain data: kind, type, message, and the user's own traceback where there is one.

    Args:
        error: what was raised.
        redact: hides secrets in a text.
    """
    cause = error.__cause__ if isinstance(error, TaskFailedError) and error.__cause__ is not None else error
    ours = isinstance(cause, FirnflowError) and (cause is error or _raised_by_us(cause))
    shown = "" if ours else "".join(traceback.format_exception(type(cause), cause, cause.__traceback__))
    return {
        "kind": "exception",
        "type": type(cause).__name__,
        "message": redact(str(cause)),
        "traceback": redact(shown),
        "mendable": isinstance(error, FirnflowError) and not isinstance(error, TaskFailedError),
        **({"checks": _redacted(cause.checks, redact)} if isinstance(cause, DataError) and cause.checks else {}),
    }


def _redacted(plain: Any, redact: Callable[[str], str]) -> Any:
    """Return plain data whose texts hold no secret."""
    if isinstance(plain, dict):
        return {name: _redacted(value, redact) for name, value in plain.items()}
    if isinstance(plain, list):
        return [_redacted(value, redact) for value in plain]
    return redact(plain) if isinstance(plain, str) else plain


def _raised_by_us(error: BaseException) -> bool:
    """Whether the function that failed is one of ours, such as a source: its message says all, its frames nothing."""
    trace = error.__traceback__
    return trace is not None and Path(trace.tb_frame.f_code.co_filename).is_relative_to(_PACKAGE)
