"""Outside data: the sources of catalog.toml become tables of the warehouse, or an error that names the wrong rows.

What is read is copied first (Parquet files apart), typed and checked then: nothing of a wrong source is loaded.
"""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import json
import time
import uuid
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from firnflow._disk import disk_full, is_disk_full
from firnflow._sql import identifier
from firnflow._text import listing
from firnflow.context import scratch_dir
from firnflow.errors import DataError, NotFoundError
from firnflow.project.catalog import Source, format_of
from firnflow.stores.checks.judge import Circumstances, judge
from firnflow.stores.sources import checks, csv, dvc, jsonl, locate, parquet, postgres, types
from firnflow.stores.sources.declared import check_declared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import ibis

    from firnflow.stores import Stores
    from firnflow.stores.checks.judge import Judgement
    from firnflow.stores.sources.raw import Raw

_READERS = {"csv": csv.read, "jsonl": jsonl.read, "parquet": parquet.read}


def read_source(
    spec: Source | None,
    stores: Stores,
    root: Path,
    override: str | None = None,
    *,
    name: str = "",
    about: Circumstances | None = None,
    judged: Callable[[Judgement], Judgement] | None = None,
    fetch: Callable[[Any, Path], Raw] | None = None,
) -> ibis.Table:
    """Return a source as a table, in the order of its rows, each declared type and check fulfilled.

    The table reads files in the scratch folder of the task under way: it is to be used, or saved, before the task ends.

    Args:
        spec: the source, or None where the catalog has none and `override` is all there is.
        stores: where the table will live.
        root: the project's folder.
        override: a path or URL to read instead of what `spec` says, its types and checks kept.
        name: the source's name, where `spec` is None.
        about: what checks ask for besides the rows; without it the clock is looked at, and nothing else.
        judged: is told what the checks have found, before wrong rows are an error.
        fetch: reads what is in Snowflake, into a folder.

    Raises:
        NotFoundError: there is no such file, object or source.
        BadRowsError: rows are not what is declared; says how many, and shows the first.
        DataError: the data as a whole is not what is declared.
        StoreError: a store or database cannot be reached.
    """
    import duckdb

    spec = _overridden(spec, override, name)
    scratch = scratch_dir() / f"source-{uuid.uuid4().hex[:12]}"
    scratch.mkdir(parents=True)
    try:
        raw = (fetch or partial(_read, spec=spec, root=root))(stores.warehouse.embedded.connection, scratch)
        return _table(spec, stores, raw, about or Circumstances(at=time.time()), judged)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        if is_disk_full(error):
            raise disk_full(scratch) from error
        said = str(error).partition("\n")[0]
        raise DataError(f"{spec.name} cannot be read: {said}. Mend: see [{spec.name}] in catalog.toml") from error


def _table(
    spec: Source,
    stores: Stores,
    raw: Raw,
    about: Circumstances,
    judged: Callable[[Judgement], Judgement] | None,
) -> ibis.Table:
    connection = stores.warehouse.embedded.connection
    check_declared(spec, [column.name for column in raw.columns], raw.parts[0].shown)
    if raw.inferred:
        raw = types.inferred(connection, raw, spec.columns, spec.decimal)
    found = judge(connection, checks.subject_of(spec, raw), spec.rules, about)
    found = judged(found) if judged is not None else found
    if found.result.outcome == "stopped":
        found.refuse()
    columns = ", ".join(
        f"{types.value(column, spec.columns.get(column.name), spec.decimal, checked=True)} AS {identifier(column.name)}"
        for column in raw.columns
    )
    rows = found.good if found.result.outcome == "quarantined" else raw.relation
    return stores.warehouse.embedded.sql(f"SELECT {columns} FROM ({rows})", {})


def fingerprint(
    spec: Source | None, root: Path, override: str | None = None, *, name: str = "", content: Any = None
) -> str:
    """Return a text that changes when what `read_source` would return changes.

    Files: their names and the SHA-256 of their bytes; what DVC keeps: names and its MD5, without a look at the bytes.
    Objects: where they are, names, sizes and the store's tags. A
    query: where the database is, and the answer of `version` in the catalog; without that it differs at every call, so
    that the source is read in every run. What is in Snowflake: the `content` that is given.

    Raises:
        As `read_source`, where the source cannot be reached.
    """
    spec = _overridden(spec, override, name)
    declared = spec.model_dump(mode="json", exclude={"description", "path", "revision", "repo"}, exclude_defaults=True)
    return json.dumps([declared, _content(spec, root) if content is None else content], sort_keys=True)


def _content(spec: Source, root: Path) -> Any:
    if dvc.is_kept(spec):
        return [[PurePosixPath(each.path).name, each.md5] for each in dvc.kept(spec, root)]
    if spec.path is not None:
        return locate.digest_of_files(locate.local_files(spec, root))
    if spec.url is not None:
        _, objects = locate.remote_objects(spec)
        return [spec.url.place_digest(), [[each.name, each.size, each.etag or each.modified] for each in objects]]
    version = postgres.version(spec)
    if version is None or spec.connection is None:
        return uuid.uuid4().hex
    return [spec.connection.place_digest(), spec.query, version]


def _overridden(spec: Source | None, override: str | None, name: str) -> Source:
    if spec is not None:
        return spec.at(override) if override else spec
    if override is None:
        raise NotFoundError(f"There is no source {name!r} in catalog.toml. Mend: add [{name}], or --input {name}=PATH")
    return Source(name=name or "input", path=".").at(override)


def _read(connection: Any, scratch: Path, spec: Source, root: Path) -> Raw:
    if spec.query is not None:
        return postgres.read(connection, spec, scratch)
    files = _files(spec, root, scratch)
    kinds = {shown: format_of(shown, spec.format) for shown, _ in files}
    if len(set(kinds.values())) > 1:
        raise DataError(f"{spec.name}: the files are of several formats: {listing(kinds)}. Mend: a narrower pattern")
    return _READERS[next(iter(kinds.values()))](connection, spec, files, scratch)


def _files(spec: Source, root: Path, scratch: Path) -> list[tuple[str, Path]]:
    if dvc.is_kept(spec):
        return dvc.fetched(spec, root, scratch)
    return locate.local_files(spec, root) if spec.path is not None else locate.downloaded(spec, scratch)
