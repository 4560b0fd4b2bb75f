"""What task graphs need beside tasks: the stage and the code on it, compute pools, and the procedure."""

from __future__ import annotations

import datetime as dt
import email.utils
import hashlib
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Any

from firnflow.errors import UsageError
from firnflow.targets.snowflake.compile import packages
from firnflow.targets.snowflake.compile.payload import MANIFEST
from firnflow.targets.snowflake.grammar import render, render_name
from firnflow.targets.snowflake.grammar.statements import Alter, Create, Drop, RemoveFiles
from firnflow.targets.snowflake.grammar.values import Code, Column, Location, Name, Options, Property, Word
from firnflow.targets.snowflake.tags import set_tags, told

if TYPE_CHECKING:
    from firnflow.project.snowflake import Pool
    from firnflow.targets.snowflake.account import Account
    from firnflow.targets.snowflake.compile.payload import Payload
    from firnflow.targets.snowflake.compile.place import Place

PYTHON = "3.11"
"""Of the procedure: https://docs.snowflake.com/en/developer-guide/stored-procedure/python/procedures-python-overview"""

_TAKES = "VARCHAR"
"""What the procedure is called with."""

KEPT = dt.timedelta(days=8)
"""How long a payload stays that no task names any more."""


class Stage:
    """The stage that the code goes to; its files are encrypted by Snowflake alone, so that containers can mount it.

    https://docs.snowflake.com/en/developer-guide/snowpark-container-services/snowflake-stage-volume
    """

    def __init__(self, account: Account, place: Place) -> None:
        self._account, self._place = account, place
        self.text = self._text(place.mark, place.tag_text())

    def found(self) -> tuple[str, bool] | None:
        """Return what is there, and whether it is ours."""
        row = _row(self._account, "STAGES", self._place.stage)
        if row is None:
            return None
        (tags,) = told(self._account, self._place, "STAGE", [render_name(self._place.stage)])
        return self._text(row["comment"], tags), self._place.is_marked(row["comment"])

    def put(self) -> None:
        """Make it."""
        encryption = Property("ENCRYPTION", Options((("TYPE", "SNOWFLAKE_SSE"),)))
        comment = Property("COMMENT", self._place.mark)
        self._account.do(Create("STAGE", self._place.stage, (encryption, comment), if_not_exists=True))
        set_tags(self._account, self._place, "STAGE", self._place.stage)

    def drop(self) -> None:
        """Drop it, with all that is on it."""
        self._account.do(Drop("STAGE", self._place.stage, if_exists=True))

    def _text(self, comment: object, tags: str) -> str:
        return f"stage {render_name(self._place.stage)}\n  comment {comment}{_line(tags)}"


class Files:
    """The code on the stage: one folder for each payload, which stays while a run may need it."""

    def __init__(self, account: Account, place: Place, payload: Payload | None) -> None:
        self._account, self._place, self._payload = account, place, payload
        self.text = "" if payload is None else _files_text(payload.digest, payload.files)

    def found(self) -> str | None:
        """Return the payload that should be there, if it is there whole; else the newest one that is."""
        folders = self._folders()
        whole = {digest: names for digest, names in folders.items() if MANIFEST in names} or folders
        if not whole:
            return None
        newest = max(whole, key=lambda digest: max(map(_moment, whole[digest].values())))
        digest = self._payload.digest if self._payload is not None and self._payload.digest in whole else newest
        return _files_text(digest, whole[digest])

    def put(self) -> None:
        """Write the payload; the manifest last, so that what has it is whole. Remove those that nobody needs."""
        assert self._payload is not None  # noqa: S101 - only what is wanted is put
        self._sweep()
        for name, data in self._payload.files.items():
            self._account.upload(name, data, self._place.payload(self._payload.digest))

    def drop(self) -> None:
        """Remove all payloads, and what tasks have said."""
        for folder in (self._place.logs, self._place.folder):
            self._account.looked(RemoveFiles(Location(self._place.stage, f"{folder}/")))

    def _folders(self) -> dict[str, dict[str, str]]:
        """Return digest → name → when it was written, of payloads."""
        found: dict[str, dict[str, str]] = {}
        for path, at in self._account.files(Location(self._place.stage, f"{self._place.folder}/")).items():
            folder, _, name = path.rpartition("/")
            found.setdefault(folder.partition(f"/{self._place.folder}/")[2], {})[name] = at
        return found

    def _sweep(self) -> None:
        """Remove payloads that no task names, and that no run can have begun with (7 days at most)."""
        until = dt.datetime.now(dt.UTC) - KEPT
        old = [digest for digest, names in self._folders().items() if all(_moment(at) < until for at in names.values())]
        tasks = self._account.show("TASKS", self._place.schema_name) if old else []
        named = " ".join(str(row.get("definition")) for row in tasks)
        for folder in (self._place.payload(digest) for digest in old if digest not in named):
            self._account.do(RemoveFiles(Location(folder.stage, f"{folder.path}/")))


class ComputePool:
    """A compute pool that we make. https://docs.snowflake.com/en/sql-reference/sql/create-compute-pool ."""

    def __init__(self, account: Account, place: Place, name: Name, pool: Pool) -> None:
        self._account, self._place, self._name, self._pool = account, place, name, pool
        values = [str(pool.family), str(pool.min_nodes), str(pool.max_nodes), str(pool.suspend), place.mark]
        self.text = self._text(values, place.tag_text())

    def found(self) -> tuple[str, bool] | None:
        """Return what is there, and whether it is ours."""
        row = _row(self._account, "COMPUTE POOLS", self._name)
        if row is None:
            return None
        names = ("instance_family", "min_nodes", "max_nodes", "auto_suspend_secs", "comment")
        (tags,) = told(self._account, self._place, "COMPUTE POOL", [render_name(self._name)])
        return self._text([str(row[name]) for name in names], tags), self._place.is_marked(row["comment"])

    def put(self, before: str | None) -> None:
        """Make it, or alter it. Raises UsageError where its family would have to change, which Snowflake cannot."""
        family, pool = str(self._pool.family), self._pool
        sizes = [("MIN_NODES", pool.min_nodes), ("MAX_NODES", pool.max_nodes), ("AUTO_SUSPEND_SECS", pool.suspend)]
        settings = [*(Property(*each) for each in sizes), Property("COMMENT", self._place.mark)]
        if before is None:
            fixed = [Property("INSTANCE_FAMILY", Word(family)), Property("INITIALLY_SUSPENDED", value=True)]
            self._account.do(Create("COMPUTE POOL", self._name, (*fixed, *settings), if_not_exists=True))
        elif f"  family {family}\n" not in before:
            raise UsageError(
                f"compute pool {render_name(self._name)} cannot become one of {family}. Mend: another name for it"
            )
        else:
            self._account.do(Alter("COMPUTE POOL", self._name, "SET", properties=tuple(settings)))
        set_tags(self._account, self._place, "COMPUTE POOL", self._name)

    def drop(self) -> None:
        """Drop it; jobs in it are stopped before."""
        self._account.do(Alter("COMPUTE POOL", self._name, "STOP ALL", if_exists=True))
        self._account.do(Drop("COMPUTE POOL", self._name, if_exists=True))

    def _text(self, values: list[str], tags: str) -> str:
        names = ("family", "min_nodes", "max_nodes", "suspend", "comment")
        lines = [f"  {name} {value}" for name, value in zip(names, values, strict=True)]
        return "\n".join([f"compute pool {render_name(self._name)}", *lines]) + _line(tags)


class Procedure:
    """A procedure that tasks call, with the rights of the role that owns them: it starts jobs, or executes tasks.

    Args:
        account: where it is.
        place: in which schema.
        name: its own name there.
        has_image: whether the jobs have an image.
    """

    def __init__(self, account: Account, place: Place, name: str, *, has_image: bool) -> None:
        self._account, self._place = account, place
        source = package_files("firnflow.targets.snowflake") / "beside" / "procedure.py"
        self._made = Create(
            "PROCEDURE",
            place.named(name),
            (
                Property("RETURNS", Word("VARCHAR")),
                Property("LANGUAGE", Word("PYTHON")),
                *(_python_here() if name == place.procedure_here else _python(has_image=has_image)),
                Property("HANDLER", "main"),
                Property("EXECUTE AS", Word("CALLER")),
                Property("AS", Code(source.read_text(encoding="utf-8"))),
            ),
            ("OR REPLACE",),
            columns=(Column("CALL", _TAKES),),
        )
        self._comment = f"{place.mark} {hashlib.sha256(render(self._made).encode()).hexdigest()[:16]}"
        self.text = self._text(self._comment, place.tag_text())

    def found(self) -> tuple[str, bool] | None:
        """Return what is there, and whether it is ours."""
        row = _row(self._account, "PROCEDURES", self._made.name)
        if row is None:
            return None
        (tags,) = told(self._account, self._place, "PROCEDURE", [f"{render_name(self._made.name)}({_TAKES})"])
        return self._text(row["description"], tags), self._place.is_marked(row["description"])

    def put(self) -> None:
        """Make it, or replace it: a call that is under way goes on with the one that it began with."""
        comment, (*settings, body) = Property("COMMENT", self._comment), self._made.properties
        made, row = self._made, _row(self._account, "PROCEDURES", self._made.name)
        if row is None or row["description"] != self._comment:
            whole = (*settings, comment, body)
            self._account.do(Create(made.kind, made.name, whole, made.variants, columns=made.columns))
        set_tags(self._account, self._place, "PROCEDURE", made.name, (_TAKES,))  # a new one has none

    def drop(self) -> None:
        """Drop it."""
        self._account.do(Drop("PROCEDURE", self._made.name, if_exists=True, arguments=(_TAKES,)))

    def _text(self, comment: object, tags: str) -> str:
        return f"procedure {render_name(self._made.name)}\n  comment {comment}{_line(tags)}"


def _line(tags: str) -> str:
    return f"\n  tags {tags}" if tags else ""


def _python(*, has_image: bool) -> list[Property]:
    """Return the Python of the procedure that starts jobs."""
    packages = ("snowflake-snowpark-python", *(() if has_image else ("snowflake-ml-python",)))
    return [Property("RUNTIME_VERSION", PYTHON), Property("PACKAGES", packages)]


def _python_here() -> list[Property]:
    """Return the Python of the procedure that executes tasks itself."""
    repository = Property("ARTIFACT_REPOSITORY", Name(packages.REPOSITORY))
    return [
        Property("RUNTIME_VERSION", packages.python()),
        repository,
        Property("PACKAGES", packages.packages()),
    ]


def _row(account: Account, what: str, name: Name) -> dict[str, Any] | None:
    """Return the row of SHOW of just this name; a backslash in a pattern is no backslash, so that any letter stands."""
    scope = Name(name.parts[:-1]) if len(name.parts) > 1 else None
    rows = account.show(what, scope, like=name.last.replace("\\", "_"))
    return next((row for row in rows if row["name"] == name.last), None)


def _moment(text: str) -> dt.datetime:
    """Return when a file was written, which LIST tells as mails do; what tells no time was written just now."""
    try:
        return email.utils.parsedate_to_datetime(text)
    except ValueError:
        return dt.datetime.now(dt.UTC)


def _files_text(digest: str, names: Any) -> str:
    return "\n".join([f"code {digest}", *(f"  {name}" for name in sorted(names))])
