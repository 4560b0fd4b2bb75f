"""MLflow as a tracker: a database of its own (SQLite, PostgreSQL) with local files, or a server by URL.

A run becomes a run, an element of a map a run nested in it; both carry the tag `firnflow.key`, by which they are found
again where a sender died before it had written down what MLflow calls them. Everything else is told by calls that
change nothing the second time: equal points, parameters, tags, inputs and files are the same to MLflow.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from firnflow._disk import beside
from firnflow.errors import MissingExtraError, NotFoundError, StoreError
from firnflow.models.tracking import flavor, mlflow_registry
from firnflow.models.tracking.base import PAGE
from firnflow.models.tracking.reach import check_database, check_server, shown
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from firnflow.context import Point
    from firnflow.models.tracking.base import Dataset, File, Model, Place, Story

KEY = "firnflow.key"
_RUN = "firnflow.run"
_STATUS: dict[str, str] = {
    RunStatus.RUNNING: "RUNNING",
    RunStatus.SUCCEEDED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.CANCELLED: "KILLED",
    RunStatus.CRASHED: "FAILED",
}
_TYPES = {  # of columns, as MLflow's page reads them; anything else is shown as a string
    "bool": "boolean",
    "boolean": "boolean",
    "int64": "long",
    "int32": "integer",
    "int16": "integer",
    "int8": "integer",
    "float64": "double",
    "double": "double",
    "float32": "float",
    "float": "float",
    "date": "datetime",
    "binary": "binary",
}
_MOST_POINTS, _MOST_TEXTS = 800, 100  # in one call, which takes 1,000 of all
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # the sender comes again by itself
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


class MLflowTracker:
    """MLflow at one place.

    Args:
        place: `url`: `sqlite:///PATH`, `postgresql://…`, `http(s)://…`; default: a SQLite database in the project.
            `artifacts`: folder or URL for files, where `url` is a database.
    """

    live = True
    stores_models = False

    def __init__(self, place: Place) -> None:
        self._url = _with_schema(place.url, place.schema) or f"sqlite:///{place.root}/.firnflow/mlflow.db"
        self._schema = place.schema
        self._files = place.artifacts or str(place.root / ".firnflow" / "mlflow-artifacts")
        self.place = shown(self._url, place.root)
        self._client_: Any = None
        self._experiments: dict[str, str] = {}
        self._searched: set[str] = set()

    @property
    def _is_server(self) -> bool:
        return self._url.startswith(("http://", "https://"))

    def check(self) -> None:
        """Raise StoreError where the server does not answer, or the database cannot be opened."""
        if self._is_server:
            check_server(f"{self._url.rstrip('/')}/health", self.place)
        elif self._url.startswith("postgresql"):
            check_database(self._url, self.place)

    def close(self) -> None:
        """Do nothing: MLflow keeps nothing open that must be closed."""

    # -- runs ---------------------------------------------------------------------------------------------------------

    def tell(self, story: Story, known: dict[str, str]) -> dict[str, str]:
        """Take a run in."""
        known = dict(known)
        if story.key not in self._searched and any(each.key not in known for each in (story, *story.parts)):
            known |= self._find(story)
        self._searched.discard(story.key)
        if self._tell(story, known, None):
            for part in story.parts:
                self._tell(part, known, known[story.key])
            if self._is_server and not urlsplit(self._url).path.strip("/"):  # a path may be a key
                known[PAGE] = f"{self.place}/#/runs/{known[story.key]}"
        self._searched.add(story.key)  # of what is there now nothing is unknown to whoever keeps `known`
        return known

    def _tell(self, story: Story, known: dict[str, str], parent: str | None) -> bool:
        """Tell one run; return False where somebody has deleted it there."""
        run = known.get(story.key)
        if run is None:
            run = known[story.key] = self._create(story, parent)
        elif not self._is_active(run):
            return False
        for points, params, tags in itertools.zip_longest(
            _batches([_metric(each) for each in story.points], _MOST_POINTS),
            _batches([_param(*each) for each in story.params.items()], _MOST_TEXTS),
            _batches([_tag(*each) for each in story.tags.items()], _MOST_TEXTS),
            fillvalue=(),
        ):
            self._client.log_batch(run, points, params, tags)
        if story.datasets:
            self._client.log_inputs(run, datasets=[_input(each) for each in story.datasets])
        for file in story.files:
            self._log_file(run, file, known)
        if story.ended_at is None:
            self._client.update_run(run, status=_STATUS[story.status])
        else:
            self._client.set_terminated(run, _STATUS[story.status], _milliseconds(story.ended_at))
        return True

    def _create(self, story: Story, parent: str | None) -> str:
        tags = {
            KEY: story.key,
            _RUN: story.tags[_RUN],  # with the run itself: by it a run is found whose sender died right after this
            "mlflow.note.content": story.description,
            "mlflow.source.type": "PROJECT",
            "mlflow.source.name": story.tags.get("firnflow.pipeline", ""),
            "mlflow.user": story.tags.get("firnflow.user", ""),
            "mlflow.source.git.commit": story.tags.get("firnflow.commit", "").rstrip("+"),
            "mlflow.parentRunId": parent or "",
        }
        run = self._client.create_run(
            self._experiment(story.experiment),
            start_time=_milliseconds(story.started_at),
            tags={name: text for name, text in tags.items() if text},
            run_name=story.name,
        )
        return str(run.info.run_id)

    def _find(self, story: Story) -> dict[str, str]:
        """Return what MLflow calls the run and its parts, as far as it has them; of doubles the first."""
        from mlflow.entities import ViewType

        found: dict[str, str] = {}
        query = f"tags.`{_RUN}` = '{story.tags[_RUN]}'"  # an id: no quotes in it
        experiment, token = self._experiment(story.experiment), None
        while True:
            page = self._client.search_runs(
                [experiment], query, ViewType.ALL, 1000, ["attributes.start_time ASC"], page_token=token
            )
            for run in page:
                found.setdefault(run.data.tags.get(KEY, ""), run.info.run_id)
            token = page.token
            if not token:
                return found

    def _is_active(self, run: str) -> bool:
        """Return whether a run is not deleted; one that was deleted for good is a NotFoundError."""
        from mlflow import MlflowException

        try:
            return bool(self._client.get_run(run).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise NotFoundError(f"MLflow at {self.place} has no run {run}") from error
            raise

    def _log_file(self, run: str, file: File, known: dict[str, str]) -> None:
        folder, name = os.path.split(file.name)
        model = f"model:{file.path.stem}"
        if file.kind == "model" and model in known:
            return  # of several tasks that hand a model on, the first is enough
        with tempfile.TemporaryDirectory(prefix="firnflow-") as scratch:
            if file.kind == "model":  # a folder of its own, which mlflow.pyfunc can load
                folder, name = file.name.removesuffix(file.path.suffix), file.path.name
                flavor.write(Path(scratch), run, folder, name)
            copy = Path(scratch) / name
            shutil.copyfile(file.path, copy)  # a link would keep the name, and the mode, of the stored file
            for each in sorted(Path(scratch).iterdir()):
                self._client.log_artifact(run, str(each), folder)
        if file.kind == "model":
            known[model] = f"runs:/{run}/{folder}"

    def mirror(self, model: Model, known: dict[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
        """Make the model registry say the same."""
        return mlflow_registry.mirror(self._client, model, known, self.place)

    # -- what it needs ------------------------------------------------------------------------------------------------

    @property
    def _client(self) -> Any:
        if self._client_ is None:
            for name, value in _QUIET.items():
                os.environ.setdefault(name, value)
            try:
                from mlflow import MlflowClient
            except ModuleNotFoundError as error:
                raise MissingExtraError("mlflow", "track") from error
            logging.getLogger("mlflow").setLevel(logging.WARNING)
            logging.getLogger("alembic").setLevel(logging.WARNING)
            self._prepare(MlflowClient)
            self._client_ = MlflowClient(self._url, self._url)
        return self._client_

    def _prepare(self, client: Any) -> None:
        """Make a database that is not there yet."""
        if self._url.startswith("sqlite:///"):
            path = Path(self._url.removeprefix("sqlite:///").partition("?")[0])
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                with beside(path) as new:
                    client(f"sqlite:///{new}").search_experiments(max_results=1)
        elif self._schema is not None:
            import sqlalchemy as sa

            engine = sa.create_engine(self._url)
            with engine.begin() as connection:
                connection.execute(sa.schema.CreateSchema(self._schema, if_not_exists=True))
            engine.dispose()

    def _experiment(self, name: str) -> str:
        """Return the id of an experiment, made if need be."""
        if name not in self._experiments:
            from mlflow import MlflowException

            found = self._client.get_experiment_by_name(name)
            if found is None:
                files = None if self._is_server else f"{self._files.rstrip('/')}/{_folder(name)}"
                with contextlib.suppress(MlflowException):  # somebody else was first
                    self._client.create_experiment(name, files, {"mlflow.experimentKind": "custom_model_development"})
                found = self._client.get_experiment_by_name(name)
            if found is None or found.lifecycle_stage != "active":
                raise StoreError(
                    f"MLflow at {self.place}: the experiment {name!r} was deleted there. Mend: restore it, or set "
                    "`experiment` in [environments.….tracking] of firnflow.toml"
                )
            self._experiments[name] = found.experiment_id
        return self._experiments[name]


def _with_schema(url: str | None, schema: str | None) -> str | None:
    """Return the URL of a PostgreSQL with our driver, and with the schema in which tables are made and looked for."""
    if url is None or not url.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
        return url
    import sqlalchemy as sa

    parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
    if schema is not None:
        parsed = parsed.update_query_dict({"options": f"-csearch_path={schema}"}, append=True)
    return parsed.render_as_string(hide_password=False)


def _folder(experiment: str) -> str:
    return re.sub(r"[^\w.-]", "_", experiment).strip(".") or "_"


def _batches(items: list[Any], most: int) -> list[list[Any]]:
    return [items[start : start + most] for start in range(0, len(items), most)]


def _milliseconds(seconds: float) -> int:
    return max(0, int(seconds * 1000))


def _metric(point: Point) -> Any:
    from mlflow.entities import Metric

    return Metric(_key(point.name), point.value, _milliseconds(point.at), point.step)


def _param(name: str, text: str) -> Any:
    from mlflow.entities import Param

    return Param(_key(name), text)


def _tag(name: str, text: str) -> Any:
    from mlflow.entities import RunTag

    return RunTag(_key(name), text)


def _key(name: str) -> str:
    """Return a name that MLflow takes: no other signs, and no path that leads elsewhere."""
    clean = re.sub(r"[^\w\-. :/]", "_", name)
    return "/".join(part if part.strip(".") else "_" for part in clean.split("/"))[:250]


def _input(dataset: Dataset) -> Any:
    from mlflow.entities import Dataset as Entity
    from mlflow.entities import DatasetInput, InputTag

    columns = [{"name": name, "type": _type(kind)} for name, kind in dataset.columns.items()]
    entity = Entity(
        name=dataset.name[:500],
        digest=dataset.digest[:36],
        source_type="firnflow",
        source=json.dumps({"origin": dataset.origin, "digest": dataset.digest}, ensure_ascii=False),
        schema=json.dumps({"mlflow_colspec": columns}, ensure_ascii=False) if columns else None,
        profile=json.dumps({"num_rows": dataset.rows}) if dataset.rows is not None else None,
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", dataset.role)])


def _type(kind: str) -> str:
    return "datetime" if kind.startswith("timestamp") else _TYPES.get(kind, "string")
