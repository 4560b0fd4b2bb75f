"""The files of a source, by the partition that they are for: what is new or has changed is told from them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow.errors import ConfigError, NotFoundError
from firnflow.project.partitioned import MARK, is_partitioned, of_all_partitions
from firnflow.stores.sources import dvc, locate, postgres
from firnflow.stores.sources.locate import SourceFile

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project.catalog import Source
    from firnflow.stores.snowflake.account import Account

_KEYS = {
    "daily": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "weekly": r"[0-9]{4}-W[0-9]{2}",
    "hourly": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}b?",
}
"""Kind of partition → what its keys look like."""
_ANY_KEY = r"[A-Za-z0-9][A-Za-z0-9_.-]*"


class Unit(NamedTuple):
    """The files of one partition, in order of name; or, with the key "", all of them."""

    key: str
    files: tuple[SourceFile, ...]


class Units(NamedTuple):
    """What there is of a source: key → unit.

    Attributes:
        partitioned: whether it has files of its own for each partition.
        strays: files whose names hold no key.
    """

    partitioned: bool
    found: dict[str, Unit]
    strays: tuple[str, ...] = ()


def of(spec: Source, root: Path, kind: str, account: Account | None = None) -> Units:
    """Return the files of a source, by the partition that they are for.

    Args:
        spec: the source.
        root: the project's folder.
        kind: of the pipeline's partition; "": it has none.
        account: of what is in Snowflake, where.

    Raises:
        As `locate.listed`, but where there is no file there is no unit.
    """
    if spec.query is not None or spec.in_snowflake:
        version = None if spec.query is not None and spec.version is None else _version(spec, account)
        if version is None:
            raise ConfigError(
                f"{spec.name}: nobody can tell when the answer of its query is another. "
                "Mend: `version` beside it in catalog.toml, a query whose answer changes when that of this one does"
            )
        return Units(partitioned=False, found={"": Unit("", (SourceFile(spec.place, 0, 0.0, version),))})
    partitioned = bool(kind) and is_partitioned(spec)
    try:
        files = locate.listed(of_all_partitions(spec), root)
    except NotFoundError:
        files = []
    if not partitioned:
        return Units(partitioned=False, found={"": Unit("", tuple(files))} if files else {})
    found: dict[str, list[SourceFile]] = {}
    strays = []
    pattern = _pattern(spec, root, _KEYS.get(kind, _ANY_KEY))
    for file in files:
        match = pattern.fullmatch(_place(spec, root, file))
        if match is not None:
            found.setdefault(match["key"], []).append(file)
        else:
            strays.append(file.shown)
    return Units(
        partitioned=True, found={key: Unit(key, tuple(each)) for key, each in found.items()}, strays=tuple(strays)
    )


def _version(spec: Source, account: Account | None) -> str | None:
    """Return a text that differs when what a source that is no file holds does."""
    if account is None or not spec.in_snowflake:
        return postgres.version(spec)
    from firnflow.stores.sources import snowflake

    found = snowflake.found(account, spec)
    if spec.query is None and not found.changed:
        raise ConfigError(
            f"{spec.name}: Snowflake does not tell when {found.shown} was changed. Mend: in catalog.toml `query`, with "
            "`version` beside it, a query whose answer changes when that of this one does"
        )
    return found.version


def content(spec: Source, root: Path, unit: Unit) -> Any:
    """Return what tells the content of a unit: of local files a digest of it, of others what their store says.

    Raises:
        OSError: a file cannot be read any more.
    """
    if spec.path is None or dvc.is_kept(spec):
        return [[each.shown, each.tag or each.modified] for each in unit.files]
    return locate.digest_of_files([(each.shown, root / each.shown) for each in unit.files])


def _pattern(spec: Source, root: Path, key: str) -> re.Pattern[str]:
    """Return what matches the places of files, and finds the key in them; it may stand there several times."""
    from fsspec.utils import glob_translate

    place = spec.url.reveal() if spec.url is not None else os.path.expanduser(spec.path or "")  # noqa: PTH111
    if spec.url is None and not dvc.is_kept(spec):
        place = str(root / place)
    stand_in = "firnflowpartition"
    first, *others = glob_translate(place.replace(MARK, stand_in)).split(stand_in)
    above = "(?:.*/)?" if dvc.is_kept(spec) else ""  # DVC counts from the top of the repository
    return re.compile(above + first + f"(?P<key>{key})" + "(?P=key)".join(others))


def _place(spec: Source, root: Path, file: SourceFile) -> str:
    return file.shown if spec.path is None or dvc.is_kept(spec) else str(root / file.shown)
