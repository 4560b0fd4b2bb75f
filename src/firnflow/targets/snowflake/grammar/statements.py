"""The statements, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from firnflow.targets.snowflake.grammar.values import (
        Call,
        Column,
        Expression,
        Location,
        Method,
        Name,
        Property,
        Uri,
        Value,
    )

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _WithProperties:
    def get(self, name: str, default: T | None = None) -> Value | T | None:
        """Return the value of a setting or clause, or `default` where it is not there."""
        properties: tuple[Property, ...] = self.properties  # type: ignore[attr-defined]
        return next((each.value for each in properties if each.name == name), default)


@dataclass(frozen=True, slots=True)
class Create(_WithProperties):
    """CREATE.

    Attributes:
        kind: `TASK`, `COMPUTE POOL`, …
        name: of the object.
        properties: settings and clauses; `AS` of a task is a `Body`, of a procedure `Code`.
        variants: `OR REPLACE`, `OR ALTER`, `TRANSIENT` …
        if_not_exists: whether it stands there.
        columns: of a dynamic table, or the arguments of a procedure; None where there are no parentheses.
    """

    kind: str
    name: Name
    properties: tuple[Property, ...] = ()
    variants: tuple[str, ...] = ()
    if_not_exists: bool = False
    columns: tuple[Column, ...] | None = None


@dataclass(frozen=True, slots=True)
class Alter(_WithProperties):
    """ALTER.

    Attributes:
        kind: as of `Create`.
        name: of the object.
        action: `RESUME`, `SET`, `UNSET`, `ADD AFTER`, `MODIFY VERSION SET`, …
        value: what it takes: names, a body, a condition; None where it takes nothing, or properties.
        properties: of SET.
        unset: the names of UNSET.
        version: of a model.
        if_exists: whether it stands there.
        arguments: the types of a procedure's arguments.
    """

    kind: str
    name: Name
    action: str
    value: Value | None = None
    properties: tuple[Property, ...] = ()
    unset: tuple[str, ...] = ()
    version: Name | None = None
    if_exists: bool = False
    arguments: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """DROP; `arguments` are the types of a procedure's arguments, `how` is CASCADE or RESTRICT."""

    kind: str
    name: Name
    if_exists: bool = False
    arguments: tuple[str, ...] | None = None
    how: str | None = None


@dataclass(frozen=True, slots=True)
class Describe:
    """DESCRIBE."""

    kind: str
    name: Name
    arguments: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Show:
    """SHOW.

    Attributes:
        what: the plural of a kind, or GRANTS, PARAMETERS, VERSIONS, …
        like: a pattern, of any case.
        of: what it is asked of: (`IN SCHEMA`, name), (`TO ROLE`, name), (`IN ACCOUNT`, None), (`ON TASK`, name).
        starts_with: how names begin.
        limit: how many, at most.
        after: only names behind this one.
        flags: `TERSE`, `HISTORY`, `ROOT ONLY`.
    """

    what: str
    like: str | None = None
    of: tuple[str, Name | None] | None = None
    starts_with: str | None = None
    limit: int | None = None
    after: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecuteTask:
    """EXECUTE TASK.

    Attributes:
        name: of the root task.
        config: what USING CONFIG gives.
        retry_last: RETRY LAST.
        retry_group: the run of RETRY GRAPH RUN GROUP.
        awaits: AWAIT.
    """

    name: Name
    config: str | None = None
    retry_last: bool = False
    retry_group: str | None = None
    awaits: bool = False


@dataclass(frozen=True, slots=True)
class ExecuteJobService(_WithProperties):
    """EXECUTE JOB SERVICE; `source` is the stage of a specification's file, `specification` the file or the text."""

    pool: Name
    name: Name
    specification: str
    source: Location | Uri | None = None
    is_template: bool = False
    using: tuple[tuple[str, Expression], ...] = ()
    properties: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecuteImmediate:
    """EXECUTE IMMEDIATE of a text, a variable, or a file of a stage; `using` are its variables."""

    what: Expression | Location | Uri
    using: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class CallProcedure:
    """CALL."""

    call: Call | Method


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT of expressions that read no table: how system functions are called."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """GRANT and REVOKE of privileges.

    Attributes:
        privileges: in capitals; `ALL PRIVILEGES` is one.
        on: the kind that it is on: `ACCOUNT`, `COMPUTE POOL`, `FUTURE TASKS IN SCHEMA`, …
        name: of it; None for the account.
        role: who gets it.
        revokes: whether it is taken away.
        kind: of who gets it: ROLE or DATABASE ROLE.
        option: WITH GRANT OPTION, GRANT OPTION FOR.
        how: CASCADE or RESTRICT.
        arguments: the types of a procedure's arguments.
    """

    privileges: tuple[str, ...]
    on: str
    name: Name | None
    role: Name
    revokes: bool = False
    kind: str = "ROLE"
    option: bool = False
    how: str | None = None
    arguments: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class GrantRole:
    """GRANT ROLE r TO ROLE s (or USER u), and REVOKE."""

    role: Name
    to: Name
    kind: str = "ROLE"
    revokes: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """USE; `kind` is DATABASE, SCHEMA, WAREHOUSE, ROLE or SECONDARY ROLES; `name` then may be the word ALL or NONE."""

    kind: str
    name: Name | str


@dataclass(frozen=True, slots=True)
class AlterSession(_WithProperties):
    """ALTER SESSION SET or UNSET."""

    properties: tuple[Property, ...] = ()
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Put(_WithProperties):
    """PUT; `file` is a URI of the client's, `stage` may be `snow://…`."""

    file: Uri
    stage: Location | Uri
    properties: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True)
class Get(_WithProperties):
    """GET; `stage` may be `snow://…`."""

    stage: Location | Uri
    file: Uri
    properties: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True)
class ListFiles:
    """LIST."""

    stage: Location | Uri
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveFiles:
    """REMOVE."""

    stage: Location | Uri
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class CopyFiles(_WithProperties):
    """COPY FILES."""

    into: Location
    source: Location | Uri
    properties: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True)
class Comment:
    """COMMENT ON."""

    kind: str
    name: Name
    text: str
    if_exists: bool = False
    arguments: tuple[str, ...] | None = None


Statement: TypeAlias = (
    Create
    | Alter
    | Drop
    | Describe
    | Show
    | ExecuteTask
    | ExecuteJobService
    | ExecuteImmediate
    | CallProcedure
    | Select
    | Grant
    | GrantRole
    | Use
    | AlterSession
    | Put
    | Get
    | ListFiles
    | RemoveFiles
    | CopyFiles
    | Comment
)
