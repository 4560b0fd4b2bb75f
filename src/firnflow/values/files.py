"""Files: a `Path` that a task returns is copied into the store; a task that receives it gets a path to read from."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.errors import DataError, UnsafeFormatError
from firnflow.values.base import Saved, ValueType

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.values.base import Storage
    from firnflow.values.ref import Ref

PICKLES = frozenset({"pkl", "pickle", "joblib", "dill", "cloudpickle"})


class FileType(ValueType):
    """`pathlib.Path`."""

    kind = "file"
    name = "file"
    suffix = "bin"
    types: ClassVar = {"pathlib.Path": ()}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:
        """Copy the file.

        Raises:
            DataError: it is no file, or is not there.
            UnsafeFormatError: it is a pickle.
        """
        if value.is_dir():
            raise DataError(
                f"{value} is a folder; a value is one file. Mend: return the path that "
                "`shutil.make_archive(…, 'zip', folder)` gives, or a list of paths (`list[Path]`)"
            )
        if not value.is_file():
            raise DataError(f"{value} is not there, or is no plain file. Mend: write it before you return its path")
        meta: dict[str, Any] = {"name": value.name}
        if is_pickle(value):
            if "pathlib.Path" not in storage.pickle_allowed:
                raise UnsafeFormatError(
                    f"{value} is a pickle: whoever loads it runs what is in it. Mend: return the model itself "
                    'as `ff.Model`, or allow it in firnflow.toml: [models] pickle = ["pathlib.Path"]'
                )
            meta["pickle"] = "pathlib.Path"
        shutil.copyfile(value, path)
        return Saved(meta, suffix=clean_suffix(value.name) or self.suffix)

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the path of the stored file, which is not to be written to."""
        return path

    def describe(self, ref: Ref) -> str:
        """Return e.g. `file report.pdf 12,000 bytes`."""
        return f"file {(ref.meta or {}).get('name', '')} {ref.size:,} bytes"


def clean_suffix(name: str) -> str:
    """Return the suffix of a file name in small letters: `csv`, `tar.gz`; empty where it is no plain one."""
    found = re.search(r"\.([A-Za-z0-9]{1,16}(?:\.(?:gz|bz2|xz|zst|zip))?)$", name)
    return found[1].lower() if found else ""


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle by its name, or by its first two bytes and its last one."""
    if path.suffix.lower().lstrip(".") in PICKLES:
        return True
    with path.open("rb") as file:
        head = file.read(2)
        if len(head) < 2 or head[0] != 0x80 or not 2 <= head[1] <= 5:
            return False
        file.seek(-1, 2)
        return file.read(1) == b"."
