"""ONNX models, as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.errors import DataError
from firnflow.values.libraries import Packed

if TYPE_CHECKING:
    from firnflow.values.base import Trust


class Onnx:
    """`onnx.ModelProto`."""

    name: ClassVar[str] = "onnx"
    types: ClassVar[tuple[str, ...]] = ("onnx.ModelProto",)

    def pack(self, estimator: Any, trust: Trust) -> Packed:  # noqa: ARG002 - the protocol's
        """Return the model, which must hold all its weights."""
        if _is_external(estimator):
            raise DataError(
                "The ONNX model keeps weights in other files. Mend: load it by `onnx.load(path)`, "
                "which reads them, and return that"
            )
        return Packed(estimator.SerializeToString(deterministic=True), "onnx", {"class": "ModelProto"})

    def unpack(self, packed: Packed, trust: Trust) -> Any:  # noqa: ARG002 - the protocol's
        """Return the model, checked."""
        import onnx

        model = onnx.load_from_string(packed.content)
        if _is_external(model):
            raise ValueError("it refers to other files")
        onnx.checker.check_model(model)
        return model

    def version(self) -> str:
        """Return ONNX's version."""
        import onnx

        return str(onnx.__version__)


def _is_external(model: Any) -> bool:
    import onnx

    return any(
        onnx.external_data_helper.uses_external_data(tensor)
        for tensor in onnx.external_data_helper._get_all_tensors(model)  # noqa: SLF001 - walks subgraphs too
    )
