"""Code for Snowflake as archives: the same bytes for the same code."""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import firnflow

if TYPE_CHECKING:
    from collections.abc import Mapping

_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive(entries: Mapping[str, bytes]) -> bytes:
    """Return a ZIP archive that depends on names and contents only: not on times, owners or the order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        for name, data in sorted(entries.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            file.writestr(info, data)
    return buffer.getvalue()


@functools.cache
def this_firnflow() -> bytes:
    """Return this Firnflow, packed: Python imports it from the archive as it is."""
    root = Path(firnflow.__file__).parent
    if root.parent.suffix == ".zip":  # it is imported from such an archive itself
        return root.parent.read_bytes()
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return archive({f"firnflow/{path.relative_to(root)}": path.read_bytes() for path in paths})
