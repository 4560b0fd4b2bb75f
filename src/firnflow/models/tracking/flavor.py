"""What lets `mlflow.pyfunc.load_model("models:/NAME@champion")` load a model of Firnflow's.

Beside the model's file lies an `MLmodel`, which names this module. MLflow imports it and calls `_load_pyfunc`. The file
is what was registered, under its digest as a name: it is read by `firnflow.models.load`, with all checks.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firnflow.models.prediction import Predictor


def write(
    folder: Path,
    run: str | None,
    name: str,
    file: str,
    *,
    code: str | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write the file `MLmodel`; JSON is YAML.

    Args:
        folder: where.
        run: what MLflow calls the run that the model is of; None: of none.
        name: the model's folder there.
        file: the name of the model's file.
        code: of an archive beside it, the name: Python imports this Firnflow from it where none is installed.
        metadata: name → text.
    """
    loading = {"loader_module": __name__, "data": file, "python_version": platform.python_version()}
    about = {
        "artifact_path": name,
        **({"run_id": run} if run is not None else {}),
        "flavors": {"python_function": {**loading, **({"code": code} if code is not None else {})}},
        **({"metadata": metadata} if metadata is not None else {}),
    }
    (folder / "MLmodel").write_text(json.dumps(about, indent=1) + "\n", "utf-8")


class Loaded:
    """What MLflow calls: a model that predicts from raw rows."""

    def __init__(self, path: Path) -> None:
        from firnflow.models import Predictor, load

        self._predictor = Predictor(load(path))

    def predict(self, rows: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002 - MLflow's signature
        """Return a pandas DataFrame for a pandas DataFrame of raw rows."""
        return self._predictor(rows).to_pandas()

    def get_raw_model(self) -> Predictor:
        """Return what predicts; MLflow hands it on under this name."""
        return self._predictor


def _load_pyfunc(path: str) -> Loaded:
    """Return the model in a file; MLflow calls it."""
    return Loaded(Path(path))
