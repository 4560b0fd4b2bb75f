"""Text files as the readers need them: UTF-8, not compressed, one kind of line end; and the lines of rows."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import zlib
from typing import IO, TYPE_CHECKING, Any

from firnflow._disk import writing
from firnflow.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_MARK = "\ufeff"
_SIGNATURES = {
    b"PAR1": "a Parquet file. Mend: format = 'parquet'",
    b"PK\x03\x04": "an Excel workbook or a zip archive. Mend: export it as CSV",
    b"\x1f\x8b": "compressed. Mend: give it a name that ends in .gz",
    b"\xff\xfe": "UTF-16 text. Mend: encoding = 'utf-16'",
    b"\xfe\xff": "UTF-16 text. Mend: encoding = 'utf-16'",
}


def plain_text(path: Path, shown: str, encoding: str, scratch: Path) -> Path:
    """Return a UTF-8 text without a mark, with one kind of line end: `path` itself, else a copy in `scratch`.

    Raises:
        DataError: the file is empty, or no text in this encoding.
    """
    is_utf8 = codecs.lookup(encoding).name in {"utf-8", "utf-8-sig", "ascii"}
    is_packed = shown.lower().endswith(".gz")
    with _opened(path, shown, packed=is_packed) as file:
        ends = _scan(file, shown, "utf-8" if is_utf8 else encoding, check_bytes=is_utf8)
    if is_utf8 and not is_packed and len(ends) <= 1:
        return path
    copy = scratch / f"text-{len(list(scratch.iterdir()))}.txt"
    with writing(copy), _opened(path, shown, packed=is_packed) as file, copy.open("wb") as out:
        for text in _decoded(file, encoding):
            out.write(text.encode())
    return copy


@contextlib.contextmanager
def _opened(path: Path, shown: str, *, packed: bool) -> Iterator[IO[bytes]]:
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            yield file  # type: ignore[misc]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{shown} is no whole gzip file: {error}") from error


def _scan(file: IO[bytes], shown: str, encoding: str, *, check_bytes: bool) -> set[str]:
    """Return the kinds of line end in a text, having read all of it."""
    decoder = codecs.getincrementaldecoder(encoding)()
    ends: set[str] = set()
    line, before, first = 1, "", True
    while True:
        chunk = file.read(_CHUNK)
        if first:
            _check_start(chunk, shown, check_bytes=check_bytes)
        try:
            text = before + decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            line += chunk[: error.start].count(b"\n")
            raise DataError(
                f"{shown}, line {line}: byte 0x{error.object[error.start]:02x} is no {encoding} text. "
                "Mend: name the file's encoding, e.g. encoding = 'cp1252' or 'latin-1'"
            ) from error
        if "\0" in text:
            raise DataError(
                f"{shown}, line {line + text[: text.index(chr(0))].count(chr(10))}: there is a NUL: this is no text"
            )
        if not chunk:
            return ends | _ends(text)
        before = "\r" if text.endswith("\r") else ""  # its line feed may begin the next chunk
        text = text.removesuffix("\r")
        ends |= _ends(text)
        if first and text.startswith(_MARK):
            ends |= {_MARK, ""}  # never the only one
        line, first = line + text.count("\n"), False


def _check_start(chunk: bytes, shown: str, *, check_bytes: bool) -> None:
    if not chunk:
        raise DataError(f"{shown} is empty")
    for signature, what in _SIGNATURES.items():
        if check_bytes and chunk.startswith(signature):
            raise DataError(f"{shown} is {what}")
    if check_bytes and b"\0" in chunk:
        raise DataError(f"{shown}, line {chunk[: chunk.index(0)].count(10) + 1}: there is a NUL: this is no text")


def _ends(text: str) -> set[str]:
    pairs = text.count("\r\n")
    ends = {"\r\n"} if pairs else set()
    if text.count("\n") > pairs:
        ends.add("\n")
    if text.count("\r") > pairs:
        ends.add("\r")
    return ends


def _decoded(file: IO[bytes], encoding: str) -> Iterator[str]:
    """Yield a text with all line ends made line feeds."""
    reader: Any = io.TextIOWrapper(file, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline=None)
    while text := reader.read(_CHUNK):
        yield text
    reader.detach()


def line_at(path: Path, offsets: list[int]) -> dict[int, int]:
    """Return the line, from 1, in which each byte offset lies."""
    found: dict[int, int] = {}
    waiting = sorted(set(offsets))
    line, position = 1, 0
    with path.open("rb") as file:
        while waiting and (chunk := file.read(_CHUNK)):
            while waiting and waiting[0] < position + len(chunk):
                offset = waiting.pop(0)
                found[offset] = line + _line_ends(chunk[: offset - position])
            line += _line_ends(chunk)
            position += len(chunk)
    return found | dict.fromkeys(waiting, line)


def _line_ends(chunk: bytes) -> int:
    return chunk.count(b"\n") or chunk.count(b"\r")
