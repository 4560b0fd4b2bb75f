"""Models that are plain JSON, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.errors import DataError
from firnflow.values.json import unique
from firnflow.values.libraries import Packed
from firnflow.values.model import Document

if TYPE_CHECKING:
    from firnflow.values.base import Trust


class Documents:
    """`firnflow.values.model.Document`."""

    name: ClassVar[str] = "document"
    types: ClassVar[tuple[str, ...]] = ("firnflow.Document",)

    def pack(self, estimator: Any, trust: Trust) -> Packed:  # noqa: ARG002 - the protocol's
        """Return the text. Raises DataError where the data is no JSON object, or holds what JSON has not."""
        if not isinstance(estimator.data, dict):
            raise DataError(f"A Document holds a JSON object, not {type(estimator.data).__name__}")
        try:
            text = json.dumps(estimator.data, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise DataError(f"The model is no plain JSON: {error}") from error
        if json.loads(text) != estimator.data:
            raise DataError("The model is no plain JSON: use dicts with text keys, lists, texts, numbers")
        return Packed(text, "json", {"class": "Document"})

    def unpack(self, packed: Packed, trust: Trust) -> Any:  # noqa: ARG002 - the protocol's
        """Return the document."""
        data = json.loads(packed.content, object_pairs_hook=unique)
        if not isinstance(data, dict):
            raise TypeError("it is no JSON object")
        return Document(data)

    def version(self) -> str:
        """Return the version of the format."""
        return "1"
