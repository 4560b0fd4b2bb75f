"""Every error that Firnflow raises on purpose.

::

    FirnflowError                    exit code 1
    ├── UsageError                   the call is wrong; nothing was done (exit code 2)
    │   ├── GraphError               a pipeline is wired wrongly
    │   ├── ConfigError              firnflow.toml, catalog.toml or the environment
    │   ├── ParameterError           a parameter's name, type or value
    │   ├── FeatureError             an entity or a feature view, or what they are to be joined to
    │   ├── NotFoundError            a pipeline, run, task, output or source that is not there
    │   └── MissingExtraError        an optional dependency is not installed
    ├── DataError                    outside data is not what was declared
    │   ├── BadRowsError             rows that break a schema or a check
    │   └── SignatureError           a table is not what a model reads, or a model is not what it says
    ├── StoreError                   a store cannot be reached, read or written
    │   ├── DamagedArtifactError     a stored value is missing or is not what was committed
    │   ├── UnsafeFormatError        a value or file whose loading could run code
    │   └── StateError               the state database
    ├── TargetError                  what runs pipelines elsewhere cannot be reached, or does not do what it is asked
    └── RunError                     a run did not do all that it was asked to do
        ├── TaskFailedError          the user's function raised
        ├── TaskTimeoutError         a task outran its timeout and was ended
        ├── MemoryLimitError         a task outgrew its memory limit and was ended
        ├── WorkerLostError          a task's process died (a signal, a segmentation fault)
        ├── RunCancelledError        somebody asked the run to stop
        ├── RunConflictError         another process holds the run, or has taken it over
        ├── ModelConflictError       an alias was moved meanwhile, or a version is still needed
        ├── TableConflictError       a named table got a version meanwhile that this one would undo
        └── DeployConflictError      somebody else deploys, or has changed what a plan has seen

A message says what is wrong, where, and the command or setting that mends it.
An exception raised by a user's function is never replaced: it is the ``__cause__`` of a TaskFailedError.
"""

from __future__ import annotations

from typing import Any, ClassVar

from firnflow._install import how_to_install


class FirnflowError(Exception):
    """The base of every error that Firnflow raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(FirnflowError):
    """The call is wrong; nothing was done."""

    exit_code: ClassVar[int] = 2


class GraphError(UsageError):
    """A pipeline is wired wrongly; the message names task, argument, file and line."""


class ConfigError(UsageError):
    """A configuration file or an environment variable is wrong."""


class ParameterError(UsageError):
    """A parameter has an unknown name, or a value of the wrong type."""


class FeatureError(UsageError):
    """An entity or a feature view is defined wrongly, or does not fit its source or the spine."""


class NotFoundError(UsageError):
    """A pipeline, run, task, output or source that is not there."""


class MissingExtraError(UsageError):
    """An optional dependency is not installed; `extra` brings it, or where that is "" the package of its own name."""

    def __init__(self, library: str, extra: str = "") -> None:
        mend = how_to_install(extra) if extra else f"pip install {library}"
        super().__init__(f"{library} is not installed. Mend: {mend}")
        self.library = library
        self.extra = extra


class DataError(FirnflowError):
    """Outside data is not what was declared.

    Attributes:
        checks: where checks have found that, their result as plain data.
    """

    checks: dict[str, Any] | None = None


class BadRowsError(DataError):
    """Rows that break a schema or a check; nothing of the table was loaded."""


class SignatureError(DataError):
    """A table is not what a model reads, or a model is not what its signature says.

    Attributes:
        column: the column, where it is one.
        expected: the type that the model expects.
        found: what is there; None: nothing.
    """

    def __init__(
        self, message: str, *, column: str | None = None, expected: str | None = None, found: str | None = None
    ) -> None:
        super().__init__(message)
        self.column = column
        self.expected = expected
        self.found = found


class StoreError(FirnflowError):
    """A store cannot be reached, read or written."""


class DamagedArtifactError(StoreError):
    """A stored value is missing, or is not what was committed."""


class UnsafeFormatError(StoreError):
    """A value or a file whose loading could run code."""


class StateError(StoreError):
    """The state database cannot be used."""


class TargetError(FirnflowError):
    """What runs pipelines elsewhere cannot be reached, or does not do what it is asked.

    Attributes:
        status: what its server has answered, as HTTP numbers it; None: it has not answered.
        is_passing: whether the same call may well succeed a little later.
        is_again: whether an earlier try of the same call may have been done.
    """

    def __init__(
        self, message: str, status: int | None = None, *, is_passing: bool = False, is_again: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.is_passing = is_passing
        self.is_again = is_again


class RunError(FirnflowError):
    """A run did not do all that it was asked to do."""


class TaskFailedError(RunError):
    """The user's function raised; ``__cause__`` is what it raised."""


class TaskTimeoutError(RunError):
    """A task outran its timeout and was ended."""


class MemoryLimitError(RunError):
    """A task outgrew its memory limit and was ended."""


class WorkerLostError(RunError):
    """A task's process died of a signal or by itself."""


class RunCancelledError(RunError):
    """Somebody asked the run to stop."""


class RunConflictError(RunError):
    """Another process holds the run, or has taken it over."""


class ModelConflictError(RunError):
    """An alias of a model was moved by somebody else meanwhile, or a version is needed as it is; nothing changed."""


class TableConflictError(RunError):
    """Somebody else has published a version of a named table meanwhile that this one would undo; nothing changed."""


class DeployConflictError(RunError):
    """Somebody else deploys to the environment, or has changed what the plan has seen; what is there stays so."""
