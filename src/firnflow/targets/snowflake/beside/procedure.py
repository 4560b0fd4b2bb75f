"""Executes one task of a pipeline, in a container or here: what the tasks of a task graph call.

This text is the body of two procedures, which Snowflake's own Python runs with the rights of the caller. One has a task
executed in a container, waits for its end, and reads the launcher's answer in the log: a task with an image is a job
service (https://docs.snowflake.com/en/sql-reference/sql/execute-job-service), another one an ML Job
(https://docs.snowflake.com/en/developer-guide/snowflake-ml/ml-jobs/overview). The other one has the packages that
Firnflow needs, and executes tasks of tables itself. Both fail where the task has failed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
import tempfile
import time
import uuid
import zipfile
from typing import Any

MARK = "firnflow-answer: "
FOLDER = "/opt/firnflow/code"
LINES = 200
MOST_RETURNED = 10_000
VERSION = 1
CONFIG = "firnflow"
"""In a run's config: what Firnflow itself says there, beside the parameters."""
LOGS = "logs"
"""On the stage, beside the payloads: what tasks have said that were in no container."""
LOG_FOLDERS = 3
"""Into which that goes by turns; the next one is emptied before its turn comes."""
FINALIZER = "finalizer"
_TURN = 8 * 86_400
"""Seconds."""
_WORDS = (
    *(
        "pipeline",
        "task",
        "element",
        "decides",
        "wakes",
        "steps",
        "share",
        "instances",
        "run",
        "env",
        "values",
        "partition",
        "partitioned",
        "due",
    ),
    *("memory", "retries", "retry_delay", "backoff", "timeout", "variables"),
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,79}")


def main(session: Any, call: str) -> str:
    """Execute what `call` says, as JSON; return the launcher's answer, as JSON."""
    job = json.loads(call)
    if job["version"] != VERSION:
        raise ValueError(f"this procedure reads version {VERSION}, not {job['version']}: firnflow apply")
    if "starts" in job:
        return start(session, *job["starts"])
    config = json.loads(ask(session, "SYSTEM$GET_TASK_GRAPH_CONFIG") or "{}")
    own = config.get(CONFIG) or {}
    group = own.get("run") or ask(session, "SYSTEM$TASK_RUNTIME_INFO", "CURRENT_TASK_GRAPH_RUN_GROUP_ID")
    job["run"] = run_id(job["pipeline"], group)
    job["values"] = {name: config[name] for name in job["params"] if name in config}
    if job.get("partitioned"):
        job["due"] = ask(session, "SYSTEM$TASK_RUNTIME_INFO", "CURRENT_TASK_GRAPH_ORIGINAL_SCHEDULED_TIMESTAMP")
        job["partition"] = config.get("partition") if "partition" not in job["params"] else None
    name, answer = run(session, job)
    if job["task"] == FINALIZER:
        sweep(session, job["payload"])
    if "decided" in answer:
        text = str(answer["decided"])
        if len(text.encode()) > MOST_RETURNED:
            raise RuntimeError(f"{job['task']} has decided for {text[:40]!r}…, longer than a return value can be")
        session.sql(f"CALL SYSTEM$SET_RETURN_VALUE({literal(text)})").collect()
    for root, given in answer.get("begins", ()):
        session.sql(f"EXECUTE TASK {root} USING CONFIG = {literal(json.dumps(given))}").collect()
    if answer["code"] != 0:  # what else the job has done counts
        where = f" (job {name})" if name else ""
        raise RuntimeError(f"{job['task']} of run {job['run']} has failed: {answer['error']}{where}")
    return json.dumps({**answer, "job": name})


def logs_folder(payload: str, turn: int) -> str:
    """Return where logs of the environment go to whose payload is given."""
    stage, folder, _ = payload.rsplit("/", 2)
    return f"{stage}/{LOGS}/{folder}/{turn % LOG_FOLDERS}"


def turn_now() -> int:
    """Return the number of the time in which logs go to one folder."""
    return int(time.time()) // _TURN


def sweep(session: Any, payload: str) -> None:
    """Empty the folder that is the next to get logs. To look at each file would take long where runs are many."""
    with contextlib.suppress(Exception):  # the run has ended as it has; the next one sweeps, too
        session.sql(f"REMOVE {literal(logs_folder(payload, turn_now() + 1) + '/')}").collect()


def start(session: Any, database: str, schema: str, root: str) -> str:
    """Start a graph whose streams have told of a change, unless a run of it waits that will read what has changed.

    A run that has a name may be one that goes on, and reads what it has read before; so does one that is repeated.
    """
    given = f"ROOT_TASK_NAME => {literal(root)}, RESULT_LIMIT => 1000"
    graphs = f"TABLE({identifier(database)}.INFORMATION_SCHEMA.CURRENT_TASK_GRAPHS({given}))"
    there = f"DATABASE_NAME = {literal(database)} AND SCHEMA_NAME = {literal(schema)}"
    new = "STATE = 'SCHEDULED' AND COALESCE(ATTEMPT_NUMBER, 1) = 1"
    waiting = session.sql(f"SELECT CONFIG FROM {graphs} WHERE {there} AND {new}").collect()  # noqa: S608 - quoted
    if any(CONFIG not in json.loads(row[0] or "{}") for row in waiting):
        return json.dumps({"waits": root})
    session.sql(f"EXECUTE TASK {'.'.join(map(identifier, (database, schema, root)))}").collect()
    return json.dumps({"started": root})


def run(session: Any, job: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Run a task's job to its end; return its name, which is empty where there is none, and the launcher's answer.

    A job that was lost with its container is run again as often as the task may be; other failures are the launcher's.
    """
    if "pool" not in job:
        return "", here(session, job)
    for left in range(job.get("retries", 0), -1, -1):
        name, logs, failure = (job_service if job.get("image") else ml_jobs)(session, {**job, "retries": left})
        answers = [answer for log in logs if (answer := answer_in(log)) is not None]
        if len(answers) == job.get("instances", 1):  # the first that has failed speaks for all
            return name, next((answer for answer in answers if answer["code"] != 0), answers[0])
    silent = next((log for log in logs if answer_in(log) is None), "")
    raise RuntimeError(f"job {name} of run {job['run']} has ended without an answer: {failure or silent[-1000:]}")


def here(session: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Execute a task in this process, by the Firnflow and the project of its payload; return the launcher's answer."""
    with tempfile.TemporaryDirectory(prefix="firnflow-") as folder:
        session.file.get(f"{job['payload']}/", folder)
        code = f"{folder}/code"
        with zipfile.ZipFile(f"{folder}/firnflow.zip") as file:
            file.extractall(code)
        forget("firnflow")
        before, modules = list(sys.path), set(sys.modules)
        sys.path.insert(0, code)
        try:
            from firnflow.targets.snowflake.beside import here as place

            return place.execute(session, job, folder)
        finally:  # whoever executes the next task in this process, if anybody does, has code of its own
            sys.path[:] = before
            for name in set(sys.modules) - modules:
                if str(getattr(sys.modules[name], "__file__", "") or "").startswith(folder):
                    del sys.modules[name]


def forget(package: str) -> None:
    """Have a package imported anew."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def job_service(session: Any, job: dict[str, Any]) -> tuple[str, list[str], str]:
    """Run a job service to its end; return its name, its instances' logs, and why the statement has failed, if so."""
    instances = job.get("instances", 1)
    name = f"{job['schema']}.FIRNFLOW_JOB_{uuid.uuid4().hex[:16].upper()}"
    parts = [
        f"EXECUTE JOB SERVICE IN COMPUTE POOL {job['pool']} FROM SPECIFICATION $${specification(job)}$$",
        f"NAME = {name}",
        *([f"REPLICAS = {instances}"] if instances > 1 else []),
        f"QUERY_WAREHOUSE = {job['warehouse']}",
        "COMMENT = " + literal(comment(job)),
    ]
    if job.get("integrations"):
        parts.append(f"EXTERNAL_ACCESS_INTEGRATIONS = ({', '.join(job['integrations'])})")
    failure = ""
    try:
        session.sql(" ".join(parts)).collect()
    except Exception as error:  # noqa: BLE001 - the log says why; where it says nothing, this does
        failure = str(error)
    logs = []
    for instance in range(instances):
        try:
            logs.append(ask(session, "SYSTEM$GET_SERVICE_LOGS", name, instance, "main", LINES) or "")
        except Exception as error:  # noqa: BLE001 - a job that was never made has no log
            logs.append("")
            failure = failure or str(error)
    return name, logs, failure


def specification(job: dict[str, Any]) -> str:
    """Return the specification of a job as JSON, which is YAML; no `$` stands in it.

    https://docs.snowflake.com/en/developer-guide/snowpark-container-services/specification-reference
    """
    container: dict[str, Any] = {
        "name": "main",
        "image": job["image"],
        "command": ["python", f"{FOLDER}/launcher.py"],
        "args": [words(job)],
        "volumeMounts": [{"name": "code", "mountPath": FOLDER}],
    }
    memory = f"{job['memory'] // 2**20}Mi" if job.get("memory") else None
    wanted = {"cpu": job.get("cpu"), "memory": memory, "nvidia.com/gpu": job.get("gpu")}
    if resources := {name: value for name, value in wanted.items() if value}:
        container["resources"] = {"requests": resources, "limits": resources}
    container["secrets"] = [
        {"snowflakeSecret": {"objectName": secret}, "envVarName": variable, "secretKeyRef": "secret_string"}
        for variable, secret in job.get("secrets", {}).items()
    ]
    volume = {"name": "code", "source": "stage", "stageConfig": {"name": job["payload"]}}
    text = json.dumps({"spec": {"containers": [container], "volumes": [volume]}})
    return text.replace("$", "\\u0024")


def ml_jobs(session: Any, job: dict[str, Any]) -> tuple[str, list[str], str]:
    """Run an ML Job to its end; return its id, its log, and how it has ended, if not well.

    Of an ML Job of several instances only the first runs our code, the others are its Ray cluster. So what is dealt
    among several is several jobs.
    """
    instances, started = job.get("instances", 1), list[Any]()
    shares = [{"share": f"{at}/{instances}"} for at in range(instances)] if instances > 1 else [{}]
    try:
        started += [ml_job(session, {**job, **share}) for share in shares]
        ends = [each.wait() for each in started]
    except BaseException:
        for each in started:
            each.cancel()
        raise
    bad = [f"{each.id} is {end}" for each, end in zip(started, ends, strict=True) if end != "DONE"]
    return ", ".join(each.id for each in started), [each.get_logs() for each in started], "; ".join(bad)


def ml_job(session: Any, job: dict[str, Any]) -> Any:
    """Start an ML Job."""
    from snowflake.ml import jobs

    return jobs.submit_from_stage(
        job["payload"],
        job["pool"],
        entrypoint="launcher.py",
        stage_name=job["payload"].partition("/")[0],
        args=[words(job)],
        target_instances=job.get("nodes", 1),
        pip_requirements=job.get("requirements"),
        external_access_integrations=job.get("integrations"),
        query_warehouse=job["warehouse"],
        comment=comment(job),
        session=session,
    )


def comment(job: dict[str, Any]) -> str:
    """Return what a job says of itself: by it the jobs of a run are found."""
    element = f" element={job['element']}" if "element" in job else ""
    return f"firnflow run={job['run']} task={job['task']}{element}"


def words(job: dict[str, Any]) -> str:
    """Return what the launcher is called with."""
    return json.dumps({name: job[name] for name in _WORDS if job.get(name) is not None})


def answer_in(log: str) -> dict[str, Any] | None:
    """Return the launcher's answer, which is the last in a log, or None."""
    lines = [line.partition(MARK)[2] for line in log.splitlines() if MARK in line]
    try:
        answer = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and "code" in answer else None


def run_id(pipeline: str, group: str) -> str:
    """Return the id of the run of Firnflow that belongs to a run of a task graph, by its group or the name it got."""
    name = f"{pipeline}.{group}"
    return name if _ID.fullmatch(name) else f"{pipeline[:40]}.{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def ask(session: Any, function: str, *arguments: str | int) -> Any:
    """Return what a system function answers."""
    given = ", ".join(str(each) if isinstance(each, int) else literal(each) for each in arguments)
    return session.sql(f"SELECT {function}({given})").collect()[0][0]


def identifier(name: str) -> str:
    """Return a name, as Snowflake keeps it, as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a string of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
