"""NumPy arrays, as npy files. A loaded array is read-only and mapped from its file: `.copy()` makes it one's own."""

from __future__ import annotations

import errno
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.errors import DataError, UnsafeFormatError
from firnflow.graph.annotations import class_name
from firnflow.values import digest
from firnflow.values.base import Saved, ValueType

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.values.base import Storage
    from firnflow.values.ref import Ref

PLAIN = ("numpy.ndarray", "numpy.memmap")


class ArrayType(ValueType):
    """`numpy.ndarray`."""

    kind = "array"
    name = "numpy"
    suffix = "npy"
    types: ClassVar = {"numpy.ndarray": ("numpy",)}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Write the array.

        Raises:
            UnsafeFormatError: its elements are Python objects, which npy can only pickle.
            DataError: a subclass whose additions npy has not (masked arrays, matrices).
        """
        import numpy as np

        if class_name(type(value)) not in PLAIN:
            raise DataError(
                f"A {class_name(type(value))} cannot be stored without loss. "
                "Mend: return a plain array, e.g. by `np.asarray`, and a mask as a second one"
            )
        if value.dtype.hasobject:
            raise UnsafeFormatError(
                f"The array holds Python objects (dtype {value.dtype}), which would have to be pickled. "
                "Mend: convert it by `astype` (float, 'U20', 'datetime64[us]'), or return a list or a table"
            )
        with path.open("wb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that names of fields in Unicode need a NumPy of this decade
            try:
                np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)
            except OSError as error:
                # of a write that ends early NumPy says "20000 requested and 9200 written", not why
                raise OSError(error.errno or errno.ENOSPC, error.strerror or str(error)) from error
        return Saved({"shape": list(value.shape), "dtype": str(value.dtype)})

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the array, read-only."""
        import numpy as np

        try:
            return np.lib.format.open_memmap(path, mode="r").view(np.ndarray)
        except Exception as error:  # a hostile header can make NumPy raise anything
            raise digest.damaged(ref, error) from error

    def describe(self, ref: Ref) -> str:
        """Return e.g. `array 1000 × 3 float64`."""
        meta = ref.meta or {}
        return f"array {' × '.join(map(str, meta.get('shape', [])))} {meta.get('dtype', '')}"
