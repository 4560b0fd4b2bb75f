"""What a person reads when something has gone wrong: one message on stderr, without a traceback."""

from __future__ import annotations

import errno
import platform
import sys
import traceback

import firnflow
from firnflow.errors import FirnflowError
from firnflow.project.secrets import redact

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
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
        _say(_user_first(str(error)))
        return error.exit_code
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


def _user_first(message: str) -> str:
    """Return a message with the traceback that it quotes, of the user's own code, before it."""
    said, colon, quoted = message.partition(":\n")
    return f"Traceback (most recent call last):\n{quoted}\n\nError: {said}" if colon and '  File "' in quoted else f"Error: {message}"


def of_the_system(error: Exception) -> str | None:
    """Return the message for what a disk, a folder or a database did not allow; None for anything else."""
    if isinstance(error, OSError):
        return _of_a_file(error)
    if not (type(error).__module__.startswith("sqlalchemy") and hasattr(error, "orig")):
        return None
    said = str(error.orig).strip().partition("\n")[0]
    mend = "Mend: firnflow doctor"
    if "disk is full" in said or "disk I/O error" in said:
        mend = _ROOM
    elif "readonly" in said or "unable to open" in said:
        mend = _WRITABLE
    return f"the state database cannot be used: {said}. {mend}"


def _of_a_file(error: OSError) -> str | None:
    place = str(error.filename) if error.filename else "a file"
    if error.errno in _DISK_FULL:
        return f"the disk is full: {place}. {_ROOM}"
    if error.errno in _READ_ONLY:
        return f"{place} cannot be written ({error.strerror}). {_WRITABLE}"
    return f"{place}: {error.strerror}" if error.filename and error.strerror else None


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(redact(text) + "\n")
    sys.stderr.flush()
