"""What a person reads when something has gone wrong: one message on stderr, without a traceback."""

from __future__ import annotations

import errno
import functools
import platform
import sys
import traceback
from pathlib import Path

import firnflow
from firnflow._disk import DISK_FULL
from firnflow._text import printable
from firnflow.errors import FirnflowError, StoreError, UsageError
from firnflow.project.secrets import redact

_OURS, _CALLING = Path(firnflow.__file__).parent, Path(functools.__file__)
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
_WRITABLE = "Mend: make the folder writable, or set `artifacts` and `state` in firnflow.toml to places that are"
_ROOM = "Mend: free space (`firnflow clean` removes what no run needs), or set `artifacts` and `state` in firnflow.toml"


def explain(error: Exception, *, debug: bool) -> int:
    """Write on stderr what went wrong, and return the exit code.

    Args:
        error: what was raised.
        debug: show the traceback too.
    """
    if debug:
        _say("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, FirnflowError):
        _say(_user_first(_mended(error)))
        return error.exit_code
    user = of_a_pipeline(error)
    if user is not None:
        _say(f"{user}\n\nError: the pipeline cannot be built: its function raised this")
        return UsageError.exit_code
    known = of_the_system(error)
    if known is not None:
        _say(f"Error: {known}")
        return 1
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f", {last[0].filename}:{last[0].lineno}" if last else ""
    _say(
        f"Error: this should not happen: {type(error).__name__}: {error}\n"
        f"It is a mistake in Firnflow. Please report it with these lines, and with what FIRNFLOW_DEBUG=1 adds: "
        f"firnflow {firnflow.__version__}, Python {platform.python_version()}, {platform.system()}{where}"
    )
    return 1


def _mended(error: FirnflowError) -> str:
    """Return an error's message, with what mends it where only the database's driver knew."""
    said = _of_the_database(error.__cause__) if isinstance(error, StoreError) else None
    message = str(error)
    return message if said is None or "Mend:" in message else f"{message}. {said.partition('. ')[2]}"


def _user_first(message: str) -> str:
    """Return a message with the traceback that it quotes, of the user's own code, before it."""
    said, colon, quoted = message.partition(":\n")
    return (
        f"Traceback (most recent call last):\n{quoted}\n\nError: {said}"
        if colon and '  File "' in quoted
        else f"Error: {message}"
    )


def of_a_pipeline(error: Exception) -> str | None:
    """Return the traceback, of the user's lines only, of what a pipeline's function raised; None for anything else."""
    frames = traceback.extract_tb(error.__traceback__)
    called = [index for index, frame in enumerate(frames) if Path(frame.filename) == _OURS / "graph" / "pipeline.py"]
    theirs = [
        frame for frame in (frames[called[0] :] if called else []) if not Path(frame.filename).is_relative_to(_OURS)
    ]
    own = [frame for frame in theirs if Path(frame.filename) != _CALLING]
    if not own or own[-1] != frames[-1]:
        return None
    lines = [*traceback.format_list(own), *traceback.format_exception_only(error)]
    return "".join(["Traceback (most recent call last):\n", *lines]).rstrip()


def of_the_system(error: BaseException) -> str | None:
    """Return the message for what a disk, a folder or a database did not allow; None for anything else."""
    if isinstance(error, OSError):
        return _of_a_file(error)
    said = _of_the_database(error)
    return f"the state database cannot be used: {said}" if said is not None else None


def _of_a_file(error: OSError) -> str | None:
    place = f": {error.filename}" if error.filename else ""
    if error.errno in DISK_FULL:
        return f"the disk is full{place}. {_ROOM}"
    if error.errno in _READ_ONLY:
        return f"{error.strerror}{place}. {_WRITABLE}"
    return f"{error.strerror}{place}" if error.filename and error.strerror else None


def _of_the_database(error: BaseException | None) -> str | None:
    """Return what a database's driver said, and what mends it; None where the error is none of a database."""
    if error is None or not type(error).__module__.startswith("sqlalchemy") or not hasattr(error, "orig"):
        return None
    said = str(error.orig).strip().partition("\n")[0]
    mend = "Mend: firnflow doctor"
    if "disk is full" in said or "disk I/O error" in said:
        mend = _ROOM
    elif "readonly" in said or "unable to open" in said:
        mend = _WRITABLE
    elif "malformed" in said or "not a database" in said:
        mend = "Mend: put a copy of the file back, or move it away: the next run makes a new one"
    return f"{said}. {mend}"


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(printable(redact(text)) + "\n")
    sys.stderr.flush()
