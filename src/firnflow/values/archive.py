"""Zip files as models are stored in: uncompressed, the same bytes for the same content, and read with suspicion."""

from __future__ import annotations

import stat
import zipfile
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

MEMBERS = 100_000
_EPOCH = (1980, 1, 1, 0, 0, 0)


class UnsafeArchiveError(ValueError):
    """The archive is not one that `write` makes."""


def write(target: Path | BinaryIO, members: dict[str, bytes]) -> None:
    """Write the members in their order, uncompressed, without dates."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, whatever system this is
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content)


def read(source: Path | BinaryIO) -> dict[str, bytes]:
    """Return the members of an archive that `write` made. Nothing is unpacked to disk.

    Raises:
        UnsafeArchiveError: links, folders, paths, members that stand twice, that are compressed or encrypted.
        zipfile.BadZipFile, OSError, EOFError: the file is damaged.
    """
    with zipfile.ZipFile(source) as archive:
        infos = archive.infolist()
        if len(infos) > MEMBERS:
            raise UnsafeArchiveError(f"it has {len(infos):,} members")
        seen: set[str] = set()
        for info in infos:
            _check(info, seen)
        size = sum(info.file_size for info in infos)
        if size > _length(archive):
            raise UnsafeArchiveError(f"its members share bytes: {size:,} bytes are declared")
        return {info.filename: archive.read(info) for info in infos}


def _length(archive: zipfile.ZipFile) -> int:
    file = archive.fp
    return file.seek(0, 2) if file is not None else 0


def _check(info: zipfile.ZipInfo, seen: set[str]) -> None:
    name = info.filename
    mode = info.external_attr >> 16
    if name in seen:
        raise UnsafeArchiveError(f"the member {name!r} stands twice")
    seen.add(name)
    if "/" in name or "\\" in name or "\0" in name or name in ("", ".", ".."):
        raise UnsafeArchiveError(f"the member {name!r} is a path")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise UnsafeArchiveError(f"the member {name!r} is no plain file")
    if info.flag_bits & 0x1:
        raise UnsafeArchiveError(f"the member {name!r} is encrypted")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise UnsafeArchiveError(f"the member {name!r} is compressed: {info.file_size:,} bytes are declared")
