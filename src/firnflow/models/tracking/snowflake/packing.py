"""Packs a model for Snowflake's registry without a pickle, so that its client, and functions there, load and predict.

Snowflake's client pickles most kinds of models: scikit-learn's, LightGBM's, and the class of each model of one's own. A
model of MLflow it takes as the folder that it is. So a version is such a folder: our file under its digest, the
`MLmodel` that names our loader, and this Firnflow as an archive, from which it is imported where none is installed.
https://docs.snowflake.com/en/developer-guide/snowflake-ml/model-registry/built-in-models/mlflow
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import shutil
import tempfile
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow import _sql
from firnflow.errors import (
    FirnflowError,
    MissingExtraError,
    SignatureError,
    StoreError,
    UnsafeFormatError,
    UsageError,
)
from firnflow.models.tracking import flavor
from firnflow.stores.snowflake.code import this_firnflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.models.prediction import Predictor
    from firnflow.stores.snowflake.account import Account

MARK = "firnflow_mark"
"""The key in a version's `model.yaml` under which stands what it was made from."""
_CODE = "firnflow.zip"
_NEEDED = (
    *("duckdb", "fsspec", "ibis-framework", "mlflow-skinny", "numpy", "packaging", "pandas", "pyarrow"),
    *("pyarrow-hotfix", "pydantic", "rich", "sqlglot"),
)
"""Distributions that loading and predicting import, beside those of the model's library."""
_LIBRARIES = {
    "lightgbm": ("lightgbm",),
    "onnx": ("onnx", "onnxruntime"),
    "sklearn": ("scikit-learn", "skops"),
    "xgboost": ("xgboost-cpu", "xgboost"),  # whichever is there
}
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
_TASKS = {"binary": "TABULAR_BINARY_CLASSIFICATION", "regression": "TABULAR_REGRESSION"}
_KINDS = {  # Ibis → Snowflake's DataType; what is none of them cannot be an argument there
    "boolean": "BOOL",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "string": "STRING",
    "binary": "BYTES",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


class NotPredictingError(UsageError):
    """A model says nothing of a row without its project's own code, or of a type that Snowflake's registry lacks."""


def log(account: Account, name: str, number: str, file: Path, mark: str) -> None:
    """Make a version of a model, with its signature; the model too, where there is none.

    Args:
        account: where.
        name: of the model, as Snowflake keeps it.
        number: of the version, likewise.
        file: the model's file, whose name is its digest.
        mark: is written into the version, in the same step as all of it.

    Raises:
        NotPredictingError: Snowflake's registry has no place for such a model.
        MissingExtraError: MLflow is not installed.
        FirnflowError: the file is not what was registered, or Snowflake does not take it.
    """
    for key, value in _QUIET.items():
        os.environ.setdefault(key, value)
    try:
        import mlflow.pyfunc
    except ModuleNotFoundError as error:
        raise MissingExtraError("mlflow", "track") from error
    from snowflake.ml.model.task import Task
    from snowflake.ml.registry import Registry

    database, schema = (_quoted(part) for part in account.schema)
    with _folder(file, name, mark) as folder, _quietly(), _told(account):
        model = _loaded(mlflow.pyfunc, folder)
        predictor = model.get_raw_model()
        registry = Registry(account.session, database_name=database, schema_name=schema)
        registry.log_model(
            model,
            model_name=_quoted(name),
            version_name=_quoted(number),
            signatures={"predict": _signature(predictor)},
            pip_requirements=requirements(predictor),
            task=Task[_TASKS[predictor.output.task]],  # without it no model monitor watches the version
            target_platforms=["SNOWPARK_CONTAINER_SERVICES"],  # a warehouse has not all of these packages
            options={"model_uri": str(folder), "ignore_mlflow_dependencies": True},
        )
    gc.collect()  # temporary folders that the client forgets


def requirements(predictor: Predictor) -> list[str]:
    """Return what has to be installed where a model is loaded: the versions of this process."""
    library = type(predictor.model.estimator).__module__.partition(".")[0]
    names = (*_NEEDED, *_LIBRARIES.get(library, ()))
    return [f"{name}=={found}" for name in names if (found := _installed(name)) is not None]


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep to itself what the clients show of their progress, and the warnings of Snowflake's about itself."""
    nothing = io.StringIO()
    with contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _told(account: Account) -> Iterator[None]:
    """Let errors of Snowflake's client be ours."""
    try:
        yield
    except FirnflowError:
        raise
    except Exception as error:
        said = " ".join(str(getattr(error, "original_exception", None) or error).split())
        schema = ".".join(account.schema)
        mend = f" Mend: GRANT CREATE MODEL ON SCHEMA {schema} TO ROLE …" if "access control" in said else ""
        raise StoreError(f"Snowflake's registry does not take it: {said[:400]}{mend}") from error


@contextlib.contextmanager
def _folder(file: Path, name: str, mark: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="firnflow-") as scratch:
        folder = Path(scratch) / "firnflow"
        folder.mkdir()
        shutil.copyfile(file, folder / file.name)
        (folder / _CODE).write_bytes(this_firnflow())
        flavor.write(folder, None, name, file.name, code=_CODE, metadata={MARK: mark})
        yield folder


def _loaded(pyfunc: Any, folder: Path) -> Any:
    """Return MLflow's model of a folder: that it loads is a check of the file, too."""
    try:
        return pyfunc.load_model(str(folder))
    except MissingExtraError:
        raise
    except (UsageError, SignatureError, UnsafeFormatError) as error:
        raise NotPredictingError(str(error).partition("\n")[0]) from error


def _signature(predictor: Predictor) -> Any:
    """Return what a model reads and says in Snowflake's words."""
    from snowflake.ml.model.model_signature import DataType, FeatureSpec, ModelSignature

    inputs = []
    for column in predictor.inputs:
        given = predictor.signature.inputs[column] if predictor.signature else None
        kind = _kind(column, given.type if given else "float64")
        inputs.append(FeatureSpec(column, DataType[kind], nullable=given.nullable if given else True))
    outputs = [FeatureSpec(column, DataType[_kind(column, kind)]) for column, kind in predictor.says.items()]
    return ModelSignature(inputs=inputs, outputs=outputs)


def _kind(column: str, kind: str) -> str:
    """Return the name of Snowflake's type for one of Ibis's."""
    found = _KINDS.get(kind.removeprefix("!"))
    if found is None and kind.startswith(("timestamp", "date")):
        found = "TIMESTAMP_NTZ"
    if found is None and kind.startswith("decimal"):  # models compute with doubles
        found = "DOUBLE"
    if found is None:
        raise NotPredictingError(f"its column {column!r} is a {kind}, which no model of Snowflake's registry reads")
    return found


def _quoted(name: str) -> str:
    """Return a name as Snowflake's clients want it: they read one without quotes as SQL does."""
    return _sql.identifier(name)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
