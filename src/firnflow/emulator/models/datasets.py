"""Data sets: each version is a folder of Parquet files, which never change.

https://docs.snowflake.com/en/sql-reference/commands-dataset
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
import time
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.engine import trees
from firnflow.emulator.objects import making
from firnflow.emulator.objects.selects import prepared
from firnflow.emulator.objects.show import NAMED, comment, like, owner, shown
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, done, rows, status
from firnflow.emulator.stages.places import URI_PLACES, Place, folder

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_URI = re.compile(r"snow://dataset/(.+?)/versions/([^/]+)/?(.*)", re.DOTALL)
_FILE = "data_0_0_0.snappy.parquet"


@statement("CREATE DATASET", "sql-reference/sql/create-dataset")
def _create(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "NOT", "EXISTS")
    path = session.path("DATASET", given.reader.name())
    given.reader.end()
    if found := making.begin(session, "DATASET", path, replaces=given.replaces, optional=optional):
        return found
    shutil.rmtree(_files(session, path), ignore_errors=True)
    making.made(session, "DATASET", path, {"versions": {}})
    return status(f"Dataset {path[2]} successfully created.")


@statement("ALTER DATASET", "sql-reference/sql/alter-dataset", partly="one file a version, whatever PARTITION BY says")
def _alter(session: Session, given: Statement) -> Result:
    reader = given.reader
    thing = session.need("DATASET", session.path("DATASET", reader.name()))
    if reader.take("DROP", "VERSION"):
        version = reader.string()
        reader.end()
        _need_version(thing, version)
        shutil.rmtree(_files(session, thing.path, version), ignore_errors=True)
        left = {each: held for each, held in thing.body["versions"].items() if each != version}
        session.account.catalog.put(thing.changed(versions=left))
        return done()
    reader.need("ADD", "VERSION")
    version = reader.string()
    reader.need("FROM")
    return _add(session, thing, version, reader.enclosed(), _options(reader))


def _options(reader: Reader) -> dict[str, Any]:
    """Read what stands behind the query of a new version."""
    if reader.take("PARTITION", "BY"):
        while not reader.ended and not reader.is_next("COMMENT") and not reader.is_next("METADATA"):
            reader.at += 1
    return reader.settings(("COMMENT", "METADATA"), "DATASET")


def _add(session: Session, thing: Object, version: str, query: str, options: dict[str, Any]) -> Result:
    """Write the rows of a query as a new version."""
    import pyarrow.parquet as pq

    if version in thing.body["versions"]:
        raise errors.SnowflakeError(399020, "42710", f"Version '{version}' of dataset '{thing.name}' already exists.")
    found = session.engine.run(prepared(session, trees.parsed(f"SELECT * FROM {query}"), []))  # noqa: S608 - their own
    target = _files(session, thing.path, version)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    pq.write_table(found.table, target / _FILE, compression="snappy")
    entry = {"created": time.time(), "comment": options.get("COMMENT"), "metadata": options.get("METADATA", "{}")}
    session.account.catalog.put(thing.changed(versions={**thing.body["versions"], version: entry}))
    return done()


@statement("DROP DATASET", "sql-reference/sql/drop-dataset")
def _drop(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "EXISTS")
    path = session.path("DATASET", given.reader.name())
    given.reader.end()
    if making.droppable(session, "DATASET", path, optional=optional) is None:
        return making.gone(path[2])
    shutil.rmtree(_files(session, path), ignore_errors=True)
    session.account.catalog.drop("DATASET", path)
    return status(f"{path[2]} successfully dropped.")


@statement("SHOW DATASETS", "sql-reference/sql/show-datasets")
def _show(session: Session, given: Statement) -> Result:
    return shown(session, given, "DATASET", (*NAMED, ("owner", "text", owner), ("comment", "text", comment)))


def versions(session: Session, reader: Reader, pattern: str) -> Result:
    """Return what SHOW VERSIONS … IN DATASET says; the name comes next.

    https://docs.snowflake.com/en/sql-reference/sql/show-versions-in-dataset
    """
    thing = session.find("DATASET", session.path("DATASET", reader.name()))
    reader.end()
    head = [("created_on", "timestamp_ltz"), *((each, "text") for each in _COLUMNS)]
    made = [
        (dt.datetime.fromtimestamp(held["created"], dt.UTC), version, thing.name, held["comment"], held["metadata"])
        for version, held in thing.body["versions"].items()
        if like(pattern, version)
    ]
    return rows(head, made, kind=0x4400)


_COLUMNS = ("version", "dataset_name", "comment", "metadata")


def _files(session: Session, dataset: FullName, *version: str) -> Path:
    """Return the folder of a data set's files, or of one version's."""
    return folder(session.account, (*dataset[:2], f"{dataset[2]}!datasets", *version))


def _need_version(thing: Object, version: str) -> None:
    if version not in thing.body["versions"]:
        raise errors.SnowflakeError(
            399012, "02000", f"Version '{version}' of dataset '{thing.name}' does not exist or not authorized."
        )


def _of_uri(session: Session, uri: str) -> Place:
    """Return the place that `snow://dataset/NAME/versions/VERSION/path` names."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise errors.unknown(uri, ["snow://dataset/NAME/versions/VERSION/path"])
    thing = session.need("DATASET", session.path("DATASET", Reader(found[1]).name()), "USAGE")
    _need_version(thing, found[2])
    return Place(_files(session, thing.path, found[2]), found[3], f"versions/{found[2]}/")


URI_PLACES["dataset"] = _of_uri
