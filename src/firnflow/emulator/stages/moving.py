"""PUT, GET, LIST, REMOVE and COPY FILES.

The client moves the files itself: the server says from where and to where. As both are on one machine, a stage is a
folder to it (`LOCAL_FS` in the connector's file_transfer_agent.py).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.objects.given import parsed
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, rows
from firnflow.emulator.stages.places import File, place

if TYPE_CHECKING:
    from firnflow.emulator.session import Session
    from firnflow.emulator.stages.places import Place
    from firnflow.emulator.statement import Statement

_PARALLEL = 4


@statement("PUT", "sql-reference/sql/put", partly="a file that is there is always written again")
def _put(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    where = place(session, asked.stage, "WRITE")
    target = where.inside()
    target.mkdir(parents=True, exist_ok=True)
    compression = asked.get("SOURCE_COMPRESSION", "AUTO_DETECT")
    return _transfer(
        where,
        str(target),
        command="UPLOAD",
        src_locations=[_local(asked.file.text)],
        autoCompress=asked.get("AUTO_COMPRESS", True),
        overwrite=asked.get("OVERWRITE", False),
        sourceCompression=getattr(compression, "text", compression).lower(),
        parallel=asked.get("PARALLEL", _PARALLEL),
    )


@statement("GET", "sql-reference/sql/get")
def _get(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    where = place(session, asked.stage, "READ")
    files = where.files(asked.get("PATTERN"))
    return _transfer(
        where,
        str(where.folder),
        command="DOWNLOAD",
        src_locations=[file.name for file in files],
        localLocation=_local(asked.file.text),
        parallel=asked.get("PARALLEL", _PARALLEL),
    )


def _transfer(where: Place, location: str, **more: Any) -> Result:
    """Return what the client is to do."""
    info: dict[str, Any] = {
        "locationType": "LOCAL_FS",
        "location": location,
        "path": where.path,
        "region": None,
        "creds": {},
    }
    told = {"stageInfo": info, "encryptionMaterial": None, "presignedUrls": None, "threshold": 209_715_200, **more}
    return Result(rows([("status", "text")], []).table, ("text",), transfer=told)


def _local(uri: str) -> str:
    """Return the path of a `file://`; the client knows what it means."""
    return uri[len("file://") :]


@statement("LIST", "sql-reference/sql/list")
def _list(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    found = place(session, asked.stage, "READ", "USAGE").files(asked.pattern)
    head = [("name", "text"), ("size", "fixed"), ("md5", "text"), ("last_modified", "text")]
    return rows(head, [file.row() for file in found])


@statement("REMOVE", "sql-reference/sql/remove")
def _remove(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    found = place(session, asked.stage, "WRITE").files(asked.pattern)
    for file in found:
        file.path.unlink(missing_ok=True)
    return rows([("name", "text"), ("result", "text")], [(file.shown, "removed") for file in found])


@statement("COPY FILES", "sql-reference/sql/copy-files", partly="no SELECT as the source")
def _copy_files(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    source, target = place(session, asked.source, "READ"), place(session, asked.into, "WRITE")
    named = asked.get("FILES")
    files = source.files(asked.get("PATTERN"))
    if named is not None:
        files = [_of(source, name) for name in named]
    made = []
    for file in files:
        to = target.inside(file.name[len(source.path) :].lstrip("/") or Path(file.name).name)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, to)
        made.append(target.prefix + to.relative_to(target.folder).as_posix())
    return rows([("file", "text")], [(name,) for name in made])


def _of(source: Place, name: str) -> File:
    """Return a file that a statement names.

    Raises:
        SnowflakeError: it is not there.
    """
    path = source.inside(name)
    if not path.is_file():
        raise errors.SnowflakeError(253006, "22000", f"Remote file '{source.prefix}{name}' was not found.")
    below = path.relative_to(source.folder).as_posix()
    return File(path, below, source.prefix + below)
