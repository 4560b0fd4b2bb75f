"""Stands before Ray in ML Jobs: Snowflake's launcher is told how many instances there are, all else gets Ray itself.

The launcher asks Ray how many have started before it runs a payload. The emulator starts all instances at once. A
cluster is started when somebody else imports Ray; then this module makes way.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_HERE = str(Path(__file__).parent)
_LAUNCHER = "mljob_launcher.py"


def _importer() -> str:
    """Return the name of the file that imports this module."""
    frame: Any = sys._getframe(1)  # noqa: SLF001 - there is no other way to know it
    while frame is not None and (frame.f_code.co_filename.startswith("<frozen") or frame.f_globals is globals()):
        frame = frame.f_back
    return Path(frame.f_code.co_filename).name if frame is not None else ""


def _make_way() -> None:
    sys.path[:] = [each for each in sys.path if each != _HERE]
    sys.modules.pop("ray", None)


def init(*_: Any, **__: Any) -> None:
    """Connect to nothing yet; the next import may be another one's."""
    sys.modules.pop("ray", None)


def is_initialized() -> bool:
    """Return that nothing has to be done before `nodes`."""
    return True


def nodes() -> list[dict[str, Any]]:
    """Return the instances of the job; the next import is another one's."""
    sys.modules.pop("ray", None)
    return [{"NodeID": str(at), "Alive": True} for at in range(int(os.environ.get("SNOWFLAKE_JOBS_COUNT", "1")))]


if _importer() != _LAUNCHER:
    _make_way()
    if find_spec("ray") is None:
        raise ModuleNotFoundError(
            "Ray is not installed beside the emulator. Mend: pip install 'firnflow[ray]'", name="ray"
        )
    from firnflow.emulator.jobs import cluster

    cluster.begin()
    cluster.connect(import_module("ray"))  # which stands in sys.modules then, and is what the importer gets
