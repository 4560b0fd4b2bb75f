"""The operator: calls `firnflow exec` for a task, and tells Airflow what came of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from typing import Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.bases.skipmixin import SkipMixin
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from . import lineage, links, secrets
from .program import Program, environment

WRONG_CALL = 2
PARTITION = "partition"


class FirnflowTask(BaseOperator, SkipMixin):  # type: ignore[misc] # Airflow is not installed where this is checked
    """Calls `firnflow exec` for one task, or one element of a map, in the project's environment.

    Args:
        node: the task as it was compiled.
        call: how `firnflow exec` is called.
        element: of a map: its index and label.
    """

    custom_operator_name = "FirnflowTask"  # of those that have links too
    ui_color = "#e3f0f7"
    inherits_from_skipmixin = True  # so that a task which is cleared later is skipped again

    def __init__(
        self, *, node: dict[str, Any], call: dict[str, Any], element: dict[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.node, self.call, self.element = node, call, element
        self.links: dict[str, str] = {}
        self._program: Program | None = None
        self._refs: dict[str, Any] = {}

    def execute(self, context: Any) -> Any:
        """Return the refs of what the task has made, or the elements of the map that it has looked at."""
        answer, code = self._exec(self._command(context))
        self.links, self._refs = links.found(self.node, self.call, answer), answer.get("outputs") or {}
        self._tell(answer, code)
        if answer["state"] == "skipped" and self.node["id"] != "finalizer":
            raise AirflowSkipException("its case was not chosen, or what it reads was skipped")
        if "lists" in self.node:
            return answer["elements"]
        if "publishes" in self.node:
            self._publish(answer, context)
        if "cases" in self.node:
            self._branch(answer, context)
        return answer["outputs"]

    def on_kill(self) -> None:
        """End what was started: Airflow wants the task to stop."""
        if self._program is not None:
            self._program.end()

    def get_openlineage_facets_on_complete(self, _: Any) -> Any:
        """Return what OpenLineage is told: versions of named tables. Its provider asks, where it is installed."""
        return lineage.told(self.node, self._refs)

    # -- the call

    def _command(self, context: Any) -> list[str]:
        call, node = self.call, self.node
        task = ["--task", node.get("lists", node["id"]), "--run", run_id(call["pipeline"], context["run_id"])]
        command = [*program_of(call), "--graph", call["graph"], *task, "--env", call["env"]]
        command += assignments(call, context["params"])
        if call["partitioned"]:
            command += self._partition(context)
        if "memory" in node:
            command += ["--memory", str(node["memory"])]
        if "lists" in node:
            command.append("--elements")
        if "job" in node:
            command.append("--job")
        return command if self.element is None else [*command, "--element", str(self.element["element"])]

    def _partition(self, context: Any) -> list[str]:
        """Return the partition that was asked for; else those that its assets' events name, and the run's moment."""
        asked = context["params"].get(PARTITION) if PARTITION not in self.call["params"] else None
        if asked:
            return ["--partition", str(asked)]
        run = context["dag_run"]
        due = ["--due", (run.data_interval_end or run.logical_date or run.run_after).isoformat()]
        events = [event for each in context["triggering_asset_events"].values() for event in each]
        changed = {key for event in events if isinstance(key := (event.extra or {}).get(PARTITION), str)}
        return due + [word for key in sorted(changed) for word in ("--changed", key)]

    def _exec(self, command: list[str]) -> tuple[dict[str, Any], int]:
        """Return the answer of `firnflow exec` and its exit code; what it prints beside that goes into the log."""
        self.log.info("Calling %s", " ".join(command))
        variables = environment(os.environ) | secrets.variables(self.call["secrets"], self.log)
        try:
            self._program = Program(command, self.call["project"], variables)
        except OSError as error:
            raise AirflowException(
                f"{command[0]} cannot be called in {self.call['project']}: {error}. Mend: python and project in "
                f"[environments.{self.call['env']}.airflow] say where the project is on workers; then firnflow apply"
            ) from error
        said, code = self._program.wait(lambda line: self.log.info("%s", line))
        return _answer(said, code), code

    # -- what came of it

    def _tell(self, answer: dict[str, Any], code: int) -> None:
        """Raise what Airflow is to know of a call that has not done what it should."""
        if code == 0:
            return
        error = answer.get("error") or {}
        if code == WRONG_CALL:
            raise AirflowFailException("firnflow exec was called wrongly, which a retry does not mend: see above")
        if answer.get("status") in {"failed", "cancelled"} and answer["state"] in {"succeeded", "cached", "skipped"}:
            why = "has failed: a task before this one did" if answer["status"] == "failed" else "was cancelled"
            raise AirflowFailException(f"the run {why}")
        raise AirflowException(f"{error.get('type', 'firnflow exec')}: {error.get('message', f'exit code {code}')}")

    def _publish(self, answer: dict[str, Any], context: Any) -> None:
        """Say in the asset's event which version was published; without a new version there is no event."""
        ref: dict[str, Any] = next(iter(answer["outputs"].values()), {})
        meta = ref.get("meta") or {}
        if meta.get("run", answer["run"]) != answer["run"]:
            self.log.info("Version %s has these rows already: no event", meta.get("version"))
            self.outlets.clear()
            return
        extra = {"run": answer["run"], "version": meta.get("version"), "digest": ref.get("digest")}
        if answer.get("partition") is not None:
            extra[PARTITION] = answer["partition"]
        context["outlet_events"][asset_of(self.node["publishes"])].extra = extra

    def _branch(self, answer: dict[str, Any], context: Any) -> None:
        """Skip the tasks right below whose case was not chosen; the others ask `firnflow exec` when they start."""
        cases, outputs = self.node["cases"], answer["outputs"]

        def is_chosen(task: str) -> bool:
            values = [(outputs.get(output, {}).get("inline"), case) for output, case in cases.get(task, [])]
            return all(text is None or json.loads(text) == case for text, case in values)

        below = [task.task_id for task in self.downstream_list]
        chosen = [task for task in below if is_chosen(task)]
        if len(chosen) < len(below):
            self.skip_all_except(context["ti"], chosen)


class _WithReport(FirnflowTask):
    """Returns a page or a picture."""

    operator_extra_links = (links.ReportLink(),)


class _WithTable(FirnflowTask):
    """Reads or publishes a named table."""

    operator_extra_links = (links.TableLink(),)


class _WithRun(FirnflowTask):
    """Ends the run: then the tracker knows it."""

    operator_extra_links = (links.RunLink(), links.ReportLink())


def kind_of(node: dict[str, Any]) -> type[FirnflowTask]:
    """Return the operator of a task: Airflow keeps one entry for each link that its class may have."""
    if node["rule"] == "teardown":
        return _WithRun
    if "publishes" in node or "reads_table" in node:
        return _WithTable
    return _WithReport if node.get("shows") else FirnflowTask


def asset_of(data: dict[str, Any]) -> Asset:
    """Return a named table as Airflow calls it."""
    return Asset(name=data["name"], uri=data["uri"])


def program_of(call: dict[str, Any]) -> list[str]:
    """Return how `firnflow exec` begins."""
    return [call["python"], "-m", "firnflow", "exec"]


def assignments(call: dict[str, Any], params: Any) -> list[str]:
    """Return the parameters of a new run as options, as far as they are known.

    Those of a run that is under way stay, whatever the DAG's defaults are by now.
    """
    found = []
    for name in call["params"]:
        if name in params:
            value = params[name]
            found += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return [*found, "--keep"] if found else []


def run_id(pipeline: str, run: str) -> str:
    """Return the id of the run of Firnflow that belongs to a run of Airflow, which may be any text."""
    name = f"{pipeline}.{run}"
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,79}", name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_.:+-]', '-', name)[:66]}.{digest}"


def _answer(text: str, code: int) -> dict[str, Any]:
    """Return what `firnflow exec` has answered; one that was killed, or called wrongly, has said nothing."""
    with contextlib.suppress(ValueError):
        answer = json.loads(text)
        if isinstance(answer, dict):
            return answer
    message = f"ended with {code} and gave no answer"
    return {"state": "failed", "outputs": {}, "error": {"type": "firnflow exec", "message": message}}
