"""Builds a DAG from what `firnflow apply` has compiled, and runs its tasks: this file is copied beside the DAGs.

It needs Airflow (3.1 or newer) and the standard library; Firnflow and the project are installed elsewhere, and called
as a program. Airflow reads it in every process that parses a DAG or runs a task, so it does no more than that takes.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetAll,
    AssetAny,
    BaseOperator,
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    Param,
    TaskGroup,
)
from airflow.sdk.bases.skipmixin import SkipMixin
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 1
START = datetime(2020, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - Airflow's Python may be 3.10
GRACE = 20.0
"""Seconds that a task has to write down that it was stopped."""
WRONG_CALL = 2
PARTITION = "partition"
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


# -- building ---------------------------------------------------------------------------------------------------------


def build(path: str | Path) -> DAG:
    """Return the DAG that a file describes."""
    path = Path(path)
    spec = json.loads(path.read_text(encoding="utf-8"))
    if spec["version"] != VERSION:
        raise ValueError(f"{path} has version {spec['version']}, this runtime reads {VERSION}: firnflow apply")
    call = {**spec["call"], "graph": str(path.with_name(spec["graph"])), "pipeline": spec["dag"]["pipeline"]}
    return _dag(spec["dag"], call)


def _dag(data: dict[str, Any], call: dict[str, Any]) -> DAG:
    dag = DAG(
        dag_id=data["dag_id"],
        description=data["doc"].strip().partition("\n")[0] or None,
        doc_md=data["doc"] or None,
        schedule=_schedule(data["schedule"]),
        start_date=START,
        catchup=False,
        max_active_runs=16 if data["overlap"] else 1,
        params=_params(data),
        tags=data["tags"],
    )
    with dag:
        groups = _groups(data["groups"])
        tasks: dict[str, Any] = {}
        for each in data["tasks"]:
            tasks[each["id"]] = _operator(each, data, call, groups, tasks)
            for other in each["reads"]:
                tasks[other] >> tasks[each["id"]]
    return dag


def _schedule(data: dict[str, Any] | None) -> Any:
    if data is None:
        return None
    if data["kind"] == "cron":
        return CronTriggerTimetable(data["expression"], timezone=data["timezone"])
    if data["kind"] == "every":
        return DeltaTriggerTimetable(timedelta(seconds=data["seconds"]))
    if data["kind"] == "asset":
        return _asset(data)
    return (AssetAll if data["kind"] == "all" else AssetAny)(*map(_schedule, data["of"]))


def _asset(data: dict[str, Any]) -> Asset:
    return Asset(name=data["name"], uri=data["uri"])


def _params(data: dict[str, Any]) -> dict[str, Param]:
    found = {}
    for name, each in data["params"].items():
        given = {"default": each["default"]} if "default" in each else {}
        found[name] = Param(**given, **each["schema"])
    if data["partitioned"] and PARTITION not in found:
        what = "The key of the partition; empty: the newest that was complete when the run was due."
        found[PARTITION] = Param(None, type=["null", "string"], description=what)
    return found


def _groups(data: dict[str, str]) -> dict[str, TaskGroup | None]:
    groups: dict[str, TaskGroup | None] = {"": None}
    for path, doc in sorted(data.items()):
        above, _, name = path.rpartition(".")
        groups[path] = TaskGroup(name, parent_group=groups[above], tooltip=doc)
    return groups


def _operator(
    each: dict[str, Any],
    data: dict[str, Any],
    call: dict[str, Any],
    groups: dict[str, TaskGroup | None],
    before: dict[str, Any],
) -> Any:
    """Return the operator of a task; `before` has those of the tasks that it reads."""
    group, _, name = each["id"].rpartition(".")
    options: dict[str, Any] = {
        "task_id": name,
        "task_group": groups[group],
        "doc_md": each["doc"] or None,
        "trigger_rule": each["rule"],
        "retries": each.get("retries", 0),
        "retry_delay": timedelta(seconds=each.get("retry_delay", 1.0)),
        "retry_exponential_backoff": each["backoff"] if each.get("backoff", 1.0) > 1 else 0,
        "execution_timeout": timedelta(seconds=each["timeout"]) if each.get("timeout") else None,
        "outlets": [_asset(each["publishes"])] if "publishes" in each else None,
        **{name: each[name] for name in ("queue", "pool") if name in each},
    }
    options = {name: value for name, value in options.items() if value is not None}  # a map takes no None
    own = {"node": each, "call": {**call, "params": sorted(data["params"]), "partitioned": data["partitioned"]}}
    if each["rule"] == "teardown":
        del options["trigger_rule"]  # a teardown has its own: it runs whatever has happened, and hides no failure
        return FirnflowTask(**options, **own).as_teardown(on_failure_fail_dagrun=True)
    if "elements" not in each:
        return FirnflowTask(**options, **own)
    options["map_index_template"] = "{{ task.element['label'] }}"
    if each["at_once"] is not None:
        options["max_active_tis_per_dagrun"] = each["at_once"]
    elements = each["elements"]
    if elements is None:
        elements = before[each["reads"][0]].output
    return FirnflowTask.partial(**options, **own).expand(element=elements)


# -- running ----------------------------------------------------------------------------------------------------------


class FirnflowTask(BaseOperator, SkipMixin):  # type: ignore[misc] # Airflow is not installed where this is checked
    """Calls `firnflow exec` for one task, or one element of a map, in the project's environment.

    Args:
        node: the task as it was compiled.
        call: how `firnflow exec` is called.
        element: of a map: its index and label.
    """

    ui_color = "#e3f0f7"
    inherits_from_skipmixin = True  # so that a task which is cleared later is skipped again

    def __init__(
        self, *, node: dict[str, Any], call: dict[str, Any], element: dict[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.node, self.call, self.element = node, call, element
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> Any:
        """Return the refs of what the task has made, or the elements of the map that it has looked at."""
        answer, code = self._exec(self._command(context))
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
        if self._process is not None:
            _end(self._process)

    # -- the call

    def _command(self, context: Any) -> list[str]:
        call, node = self.call, self.node
        task = ["--task", node.get("lists", node["id"]), "--run", run_id(call["pipeline"], context["run_id"])]
        command = [call["python"], "-m", "firnflow", "exec", "--graph", call["graph"], *task, "--env", call["env"]]
        for name in call["params"]:
            value = context["params"][name]
            command += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
        if call["partitioned"]:
            command += self._partition(context)
        if "lists" in node:
            command.append("--elements")
        return command if self.element is None else [*command, "--element", str(self.element["element"])]

    def _partition(self, context: Any) -> list[str]:
        """Return the partition that was asked for, or the moment that the run is for, which says the partition."""
        asked = context["params"].get(PARTITION) if PARTITION not in self.call["params"] else None
        if asked:
            return ["--partition", str(asked)]
        run = context["dag_run"]
        return ["--due", (run.data_interval_end or run.logical_date or run.run_after).isoformat()]

    def _exec(self, command: list[str]) -> tuple[dict[str, Any], int]:
        """Return the answer of `firnflow exec` and its exit code; what it prints beside that goes into the log."""
        self.log.info("Calling %s", " ".join(command))
        process = subprocess.Popen(  # noqa: S603 - no shell; the words are ours and the run's parameters
            command,
            cwd=self.call["project"],
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with_parent if _LIBC is not None else None,  # noqa: PLW1509 - one system call
        )
        self._process = process
        said: list[str] = []
        readers = [
            threading.Thread(target=_read, args=(process.stdout, said.append), daemon=True),
            threading.Thread(target=_read, args=(process.stderr, self._log_line), daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            code = process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            _kill_group(process)
            for reader in readers:
                reader.join(5)
        return _answer("".join(said), code), code

    def _log_line(self, line: str) -> None:
        self.log.info("%s", line.rstrip("\n"))

    # -- what came of it

    def _tell(self, answer: dict[str, Any], code: int) -> None:
        """Raise what Airflow is to know of a call that has not done what it should."""
        if code == 0:
            return
        error = answer.get("error") or {}
        for line in str(error.get("traceback") or "").splitlines():
            self.log.error("%s", line)
        if code == WRONG_CALL:
            raise AirflowFailException("firnflow exec was called wrongly, which a retry does not mend: see above")
        if answer.get("status") in {"failed", "cancelled"} and answer["state"] in {"succeeded", "cached", "skipped"}:
            why = "has failed: a task before this one did" if answer["status"] == "failed" else "was cancelled"
            raise AirflowFailException(f"the run {why}")
        raise AirflowException(f"{error.get('type', 'firnflow exec')}: {error.get('message', f'exit code {code}')}")

    def _publish(self, answer: dict[str, Any], context: Any) -> None:
        """Say in the asset's event which version was published."""
        ref: dict[str, Any] = next(iter(answer["outputs"].values()), {})
        extra = {"run": answer["run"], "version": (ref.get("meta") or {}).get("version"), "digest": ref.get("digest")}
        context["outlet_events"][_asset(self.node["publishes"])].extra = extra

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


def _read(stream: Any, take: Callable[[str], None]) -> None:
    """Give each line of a stream to `take`, as it comes."""
    with stream:
        for line in stream:
            take(line)


def _answer(text: str, code: int) -> dict[str, Any]:
    """Return what `firnflow exec` has answered; one that was killed, or called wrongly, has said nothing."""
    with contextlib.suppress(ValueError):
        answer = json.loads(text)
        if isinstance(answer, dict):
            return answer
    return {"state": "failed", "error": {"type": "firnflow exec", "message": f"ended with {code} and gave no answer"}}


def run_id(pipeline: str, run: str) -> str:
    """Return the id of the run of Firnflow that belongs to a run of Airflow, which may be any text."""
    name = f"{pipeline}.{run}"
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,79}", name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_.:+-]', '-', name)[:66]}.{digest}"


def environment(given: Any) -> dict[str, str]:
    """Return the variables for a task: without those by which Airflow's Python and settings would reach the project."""
    ours = ("AIRFLOW_", "_AIRFLOW_", "__AIRFLOW_")
    python = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP"}
    return {name: value for name, value in given.items() if not name.startswith(ours) and name not in python}


def _die_with_parent() -> None:
    """Let the kernel end the task when the process of Airflow that waits for it dies."""
    _LIBC.prctl(_DIE_WITH_PARENT, signal.SIGTERM)  # type: ignore[union-attr] # only called where it is there


def _end(process: subprocess.Popen[str]) -> None:
    """Ask a task to stop, and end its whole group after a grace.

    This may be called by a signal's handler that has interrupted `process.wait`, so it must not wait in that way.
    """
    until = time.monotonic() + GRACE
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < until:
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                break
            time.sleep(0.05)
    _kill_group(process)


def _kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
