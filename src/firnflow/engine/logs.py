"""The log of an attempt: one JSON object a line, kept as long as the run.

Lines come from `print`, from `logging` and from warnings; a line of a C library or a child process that writes to the
file descriptors goes to the worker's own stream and is added when the attempt ends.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import logging
import os
import re
import sys
import time
from typing import IO, TYPE_CHECKING, Any, TextIO

from firnflow._text import counted, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LAST = 1e11  # seconds since 1970 that any clock of a system can show
_UNSAFE = re.compile(r"^\.+|[^A-Za-z0-9_.-]")  # no separators, and no `..`


def attempt_file(folder: Path, run: str, task: str, element: int, number: int) -> Path:
    """Return where the log of an attempt is kept."""
    name = task if element < 0 else f"{task}[{element}]"
    return folder / _UNSAFE.sub("_", run) / f"{_UNSAFE.sub('_', name)}.{number}.jsonl"


class AttemptLog:
    """Writes the lines of one attempt; the file is made with the first line.

    A line that cannot be written is left out, and the next one says so: a full disk of logs must not end the work.

    Args:
        path: where the lines go.
        redact: hides secrets in a text.
        echo: where each message is shown as well, or None.
    """

    def __init__(self, path: Path, redact: Callable[[str], str] = str, echo: TextIO | None = None) -> None:
        self.path = path
        self._redact = redact
        self._echo = echo
        self._file: IO[bytes] | None = None
        self._torn = False
        self._missing = 0

    def write(self, source: str, message: str, level: str = "info", shown: int = 0) -> None:
        """Append a message (one line or several) under the name of who said it; its first `shown` signs are echoed."""
        text = self._redact(message)
        try:
            if self._missing:
                self._append("firnflow", f"{counted(self._missing, 'line')} could not be written here", "warning")
                self._missing = 0
            self._append(source, text, level)
        except OSError:
            self._missing += 1
        self.echo(message[shown:] + "\n")

    def echo(self, text: str) -> None:
        """Show a text, of a line or of a part of one, where each message is shown as well."""
        if self._echo is not None:
            self._echo.write(printable(self._redact(text)))
            self._echo.flush()

    def _append(self, source: str, text: str, level: str) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        line = {"at": round(time.time(), 3), "level": level, "source": source, "message": text}
        data = b"\n" * self._torn + json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        written = self._file.write(data)
        self._torn = written < len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _Lines(io.TextIOBase):
    """A text stream that hands on whole lines; what is flushed before is only echoed, such as a debugger's prompt."""

    def __init__(self, log: AttemptLog, source: str, level: str) -> None:
        self._log, self._source, self._level, self._rest, self._shown = log, source, level, "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._hand_on(line)
        return len(text)

    def flush(self) -> None:
        if "\r" not in self._rest:  # of a line that is drawn again and again, the last counts
            self._log.echo(self._rest[self._shown :])
            self._shown = len(self._rest)

    def finish(self) -> None:
        if self._rest:
            self._hand_on(self._rest)
            self._rest = ""

    def _hand_on(self, line: str) -> None:
        self._log.write(self._source, line.rpartition("\r")[2], self._level, 0 if "\r" in line else self._shown)
        self._shown = 0


class _Handler(logging.Handler):
    def __init__(self, log: AttemptLog) -> None:
        super().__init__()
        self._log = log
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            self._log.write(record.name, self.format(record), record.levelname.lower())


@contextlib.contextmanager
def capture(log: AttemptLog) -> Iterator[None]:
    """Send what is printed and logged in this process to `log`."""
    out, err = _Lines(log, "stdout", "info"), _Lines(log, "stderr", "warning")
    handler, root = _Handler(log), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    if level > logging.INFO or level == logging.NOTSET:
        root.setLevel(logging.INFO)
    logging.captureWarnings(True)  # noqa: FBT003 - its only argument
    saved = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        sys.stdout, sys.stderr = saved
        out.finish()
        err.finish()
        logging.captureWarnings(False)  # noqa: FBT003 - its only argument
        root.removeHandler(handler)
        root.setLevel(level)
        log.close()


def read(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Return the whole lines from `offset` on, and the offset behind them; a torn last line is left for later.

    A line that is none of ours (a disk was full, a bit has flipped) is returned as it stands, in a warning.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    lines: list[dict[str, Any]] = []
    for text in filter(None, whole.split(b"\n")):
        line = _line(text)
        if line is None:
            at = lines[-1]["at"] if lines else 0.0
            said = f"a damaged line: {text.decode('utf-8', 'backslashreplace')}"
            line = {"at": at, "level": "warning", "source": "firnflow", "message": said}
        lines.append(line)
    return lines, offset + len(whole)


def _line(text: bytes) -> dict[str, Any] | None:
    """Return a line as it was written, or None where it is not what `AttemptLog` writes."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    texts = ("level", "source", "message")
    if not isinstance(line, dict) or not all(isinstance(line.get(name), str) for name in texts):
        return None
    at = line.get("at")
    return line if isinstance(at, int | float) and 0 <= at < _LAST else None
