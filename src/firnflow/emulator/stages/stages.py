"""CREATE, ALTER, DROP, DESCRIBE and SHOW of stages and file formats."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.objects import making
from firnflow.emulator.objects.show import NAMED, comment, constant, owner, shown
from firnflow.emulator.objects.topics import Topic, body
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, status
from firnflow.emulator.stages import formats, places

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement


def _internal(_: Session, path: FullName, given: dict[str, Any]) -> None:
    outside = {"URL", "STORAGE_INTEGRATION", "CREDENTIALS"} & set(given)
    if outside:
        raise errors.unknown(f"{min(outside)} of stage {path[-1]}", ["an internal stage"])
    if "FILE_FORMAT" in given:
        formats.checked({key: value for key, value in given["FILE_FORMAT"].items() if key != "FORMAT_NAME"})


def _clear(session: Session, stage: Object) -> None:
    """Delete the files of a stage that is dropped or replaced."""
    shutil.rmtree(places.folder(session.account, stage.path), ignore_errors=True)


def _type(_: Session, stage: Object) -> str:
    return "INTERNAL TEMPORARY" if "session" in stage.body else "INTERNAL"


def _directory(_: Session, stage: Object) -> str:
    return "Y" if stage.body.get("DIRECTORY", {}).get("ENABLE") else "N"


Topic(
    "STAGE",
    (
        *NAMED,
        ("url", "text", constant("")),
        ("has_credentials", "text", constant("N")),
        ("has_encryption_key", "text", constant("N")),
        ("owner", "text", owner),
        ("comment", "text", comment),
        ("region", "text", constant(None)),
        ("type", "text", _type),
        ("cloud", "text", constant(None)),
        ("notification_channel", "text", constant(None)),
        ("storage_integration", "text", constant(None)),
        ("endpoint", "text", constant(None)),
        ("owner_role_type", "text", constant("ROLE")),
        ("directory_enabled", "text", _directory),
    ),
    "Stage area",
    check=_internal,
    ended=_clear,
    partly="internal stages; a directory table is written down, not kept",
).register()

_FORMATS = (
    *NAMED,
    ("type", "text", body("TYPE")),
    ("owner", "text", owner),
    ("comment", "text", comment),
    ("format_options", "text", lambda _, thing: json.dumps(thing.body)),
    ("owner_role_type", "text", constant("ROLE")),
)
_PARTLY = "CSV, JSON and Parquet"


@statement("CREATE FILE FORMAT", "sql-reference/sql/create-file-format", partly=_PARTLY)
def _create_format(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "NOT", "EXISTS")
    path = session.path("FILE FORMAT", given.reader.name())
    settings = formats.checked(given.reader.settings((*formats.OPTIONS, "COMMENT"), "FILE FORMAT"))
    if given.temporary:
        settings["session"] = session.token
    if found := making.begin(session, "FILE FORMAT", path, replaces=given.replaces, optional=optional):
        return found
    making.made(session, "FILE FORMAT", path, settings)
    return status(f"File format {path[-1]} successfully created.")


@statement("DROP FILE FORMAT", "sql-reference/sql/drop-file-format")
def _drop_format(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "EXISTS")
    path = session.path("FILE FORMAT", given.reader.name())
    given.reader.end()
    if making.droppable(session, "FILE FORMAT", path, optional=optional) is None:
        return making.gone(path[-1])
    session.account.catalog.drop("FILE FORMAT", path)
    return status(f"{path[-1]} successfully dropped.")


@statement("SHOW FILE FORMATS", "sql-reference/sql/show-file-formats")
def _show_formats(session: Session, given: Statement) -> Result:
    return shown(session, given, "FILE FORMAT", _FORMATS)
