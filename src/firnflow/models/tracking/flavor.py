"""What lets `mlflow.pyfunc.load_model("models:/NAME@champion")` load a model of Firnflow's.

Beside the model's file lies an `MLmodel`, which names this module. MLflow imports it and calls `_load_pyfunc`. The file
is what was registered, under its digest as a name: it is read by `firnflow.models.load`, with all checks.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any


def write(folder: Path, run: str, name: str, file: str) -> None:
    """Write the file `MLmodel`; JSON is YAML.

    Args:
        folder: where.
        run: what MLflow calls the run that the model is of.
        name: the model's folder there.
        file: the name of the model's file.
    """
    about = {
        "artifact_path": name,
        "run_id": run,
        "flavors": {
            "python_function": {
                "loader_module": __name__,
                "data": file,
                "python_version": platform.python_version(),
            }
        },
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


def _load_pyfunc(path: str) -> Loaded:
    """Return the model in a file; MLflow calls it."""
    return Loaded(Path(path))
