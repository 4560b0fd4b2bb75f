"""What Airflow's process does for a task, with stand-ins for the classes of Airflow; a real one runs in conformance."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from firnflow.targets.airflow import files

NAMES = ["DAG", "Asset", "AssetAll", "AssetAny", "CronTriggerTimetable", "DeltaTriggerTimetable", "Param", "TaskGroup"]
NAMES += ["BaseOperatorLink"]
ERRORS = ("AirflowException", "AirflowFailException", "AirflowSkipException")


class Log:
    def __init__(self):
        self.lines = []

    def info(self, text, *values):
        self.lines.append(text % values)

    error = warning = info


class Operator:
    """As much of BaseOperator as a task needs."""

    def __init__(self, **_):
        self.log, self.downstream_list, self.outlets = Log(), [], ["orders"]


class Skips:
    skipped_all_but = None

    def skip_all_except(self, _, chosen):
        self.skipped_all_but = chosen


@pytest.fixture
def runtime(monkeypatch, tmp_path):
    """The modules as a DAG file loads them, beside stand-ins for Airflow, by name."""
    sdk = types.ModuleType("airflow.sdk")
    for name in NAMES:
        setattr(sdk, name, type(name, (), {"__init__": lambda self, **given: self.__dict__.update(given)}))
    sdk.BaseOperator = Operator
    exceptions, skipmixin = types.ModuleType("airflow.sdk.exceptions"), types.ModuleType("airflow.sdk.bases.skipmixin")
    for name in ERRORS:
        setattr(exceptions, name, type(name, (Exception,), {}))
    skipmixin.SkipMixin = Skips
    modules = {"airflow": types.ModuleType("airflow"), "airflow.sdk": sdk, "airflow.sdk.exceptions": exceptions}
    configuration = types.ModuleType("airflow.sdk.configuration")
    configuration.conf = types.SimpleNamespace(get=lambda *_, **__: "http://airflow/")
    modules |= {"airflow.sdk.configuration": configuration}
    modules |= {"airflow.sdk.bases": types.ModuleType("airflow.sdk.bases"), "airflow.sdk.bases.skipmixin": skipmixin}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    call = {"python": "python", "project": "/p", "env": "prod"}
    made = files.bundle({"pipeline": "sales", "dag_id": "sales"}, "{}", call, "mark")
    files.Folder(tmp_path / "dags").write(made)
    code = (tmp_path / "dags" / "sales.py").read_text().replace("dag = ", "build = lambda: ")
    found = {"__file__": str(tmp_path / "dags" / "sales.py")}
    try:
        exec(compile(code, "sales.py", "exec"), found)
        loaded = {
            name.rpartition(".")[2]: sys.modules[name] for name in sys.modules if name.startswith(found["NAME"] + ".")
        }
        monkeypatch.setattr(loaded["program"], "GRACE", 1.0)
        yield types.SimpleNamespace(**loaded, errors=exceptions)
    finally:
        for name in [name for name in sys.modules if name.startswith(found["NAME"])]:
            del sys.modules[name]


@pytest.fixture
def airflow_knows(runtime, monkeypatch):
    """Connections and variables of Airflow's; what is to be hidden in its logs is in the list."""
    hidden = []
    shop = types.SimpleNamespace(get_uri=lambda: "postgres://u:c4n4ry@h/d")
    sdk, log = sys.modules["airflow.sdk"], types.ModuleType("airflow.sdk.log")
    sdk.Connection = types.SimpleNamespace(get={"shop": shop}.__getitem__)
    sdk.Variable = types.SimpleNamespace(get={"slack": "slack://c4n4ry"}.__getitem__)
    log.mask_secret = hidden.append
    monkeypatch.setitem(sys.modules, "airflow.sdk.log", log)
    return hidden


@pytest.fixture
def task(runtime, tmp_path):
    """Makes a task whose `python` is a script."""

    def make(script, **node):
        python = tmp_path / "python"
        python.write_text(f"#!{sys.executable}\n{script}")
        python.chmod(0o755)
        call = {"python": str(python), "project": str(tmp_path), "graph": "g.json", "env": "prod", "pipeline": "sales"}
        call |= {"params": ["rows", "word"], "partitioned": False, "secrets": [], "files": "https://files.example/"}
        made = runtime.task.FirnflowTask(node={"id": "train", **node}, call=call)
        made.context = {"run_id": "manual__1", "params": {"rows": [1, None], "word": "$(ls) 'ü\""}, "ti": None}
        return made

    return make


def answers(code=0, **answer):
    answer = {"run": "r", "state": "succeeded", "outputs": {}, "error": None, **answer}
    return f"import sys; print({json.dumps(answer)!r}); print('a word', file=sys.stderr); sys.exit({code})"


def test_a_task_is_one_call_whose_refs_are_returned_and_whose_words_are_logged(task):
    made = task(answers(outputs={"result": {"digest": "d"}}))
    assert made.execute(made.context) == {"result": {"digest": "d"}}
    assert made.log.lines[-1] == "a word"
    made = task(
        "import json, sys; print(json.dumps({'state': 'succeeded', 'outputs': {'said': {'inline': sys.argv[1:]}}}))"
    )
    assert made.execute(made.context)["said"]["inline"] == [
        *(
            "-m",
            "firnflow",
            "exec",
            "--graph",
            "g.json",
            "--task",
            "train",
            "--run",
            "sales.manual__1",
            "--env",
            "prod",
        ),
        *("--set", "rows=[1, null]", "--set", "word=$(ls) 'ü\"", "--keep"),
    ]


def test_a_task_that_runs_in_a_job_elsewhere_says_so(task):
    made = task("")
    assert "--job" not in made._command(made.context)
    made.node |= {"job": True}
    assert made._command(made.context)[-1] == "--job"


def test_a_run_is_for_the_partition_that_was_asked_for_or_for_that_of_its_moment(task):
    made = task("")
    made.call |= {"partitioned": True}
    day, night = dt.datetime(2026, 1, 5, tzinfo=dt.UTC), dt.datetime(2026, 1, 6, tzinfo=dt.UTC)
    run = types.SimpleNamespace(data_interval_end=None, logical_date=day, run_after=night)
    made.context |= {"dag_run": run, "triggering_asset_events": {}}
    assert made._command(made.context)[-2:] == ["--due", "2026-01-05T00:00:00+00:00"]
    run.data_interval_end = night
    assert made._command(made.context)[-2:] == ["--due", "2026-01-06T00:00:00+00:00"]
    run.data_interval_end = run.logical_date = None  # an asset has started it
    assert made._command(made.context)[-2:] == ["--due", "2026-01-06T00:00:00+00:00"]
    extras = ({"partition": "2026-01-04"}, None, {"partition": "2026-01-03"}, {"partition": 7})
    events = [types.SimpleNamespace(extra=extra) for extra in extras]
    made.context["triggering_asset_events"] = {"orders": events[:2], "users": events[2:]}
    assert made._command(made.context)[-4:] == ["--changed", "2026-01-03", "--changed", "2026-01-04"]
    made.context["params"]["partition"] = "2026-01-01"
    assert made._command(made.context)[-2:] == ["--partition", "2026-01-01"]


ORDERS = {"name": "p_orders", "uri": "firnflow://tables/p_orders"}


class Events:
    """Airflow's accessor: what it holds of an asset is made when one asks."""

    def __init__(self):
        self.extras = {}

    def __getitem__(self, asset):
        return self.extras.setdefault(asset.name, types.SimpleNamespace(extra=None))


def published(task, run):
    ref = {"digest": "d", "meta": {"version": 3, "run": run, "columns": {"x": "BIGINT"}, "rows": 4}, "size": 9}
    made = task(answers(outputs={"result": ref}), publishes=ORDERS)
    made.context["outlet_events"] = Events()
    made.execute(made.context)
    return made


def test_a_new_version_is_an_event_and_the_same_rows_again_are_none(task):
    new = published(task, "r")
    assert new.context["outlet_events"].extras["p_orders"].extra == {"run": "r", "version": 3, "digest": "d"}
    assert new.outlets == ["orders"]
    old = published(task, "an earlier one")
    assert (old.context["outlet_events"].extras, old.outlets) == ({}, [])
    assert old.log.lines[-1] == "Version 3 has these rows already: no event"


def test_a_task_links_to_its_report_and_to_its_table(runtime, task):
    page = {"where": "objects/4 1/a.html", "digest": "d", "meta": {"media_type": "text/html"}}
    made = task(
        answers(outputs={"result": page, "other": {"digest": "e", "inline": "1"}}), shows=True, rule="all_success"
    )
    made.execute(made.context)
    (link,) = runtime.task.kind_of(made.node).operator_extra_links
    assert link.get_link(made, ti_key=None) == "https://files.example/objects/4%201/a.html"
    made = published(task, "r")
    (link,) = runtime.task.kind_of({**made.node, "rule": "all_success"}).operator_extra_links
    assert link.get_link(made, ti_key=None) == "http://airflow/assets?name_pattern=p_orders"
    ended = task(answers(tracked="https://mlflow/#/runs/1"))
    ended.execute(ended.context)
    links = runtime.task.kind_of({"rule": "teardown"}).operator_extra_links
    assert [each.get_link(ended, ti_key=None) for each in links] == ["https://mlflow/#/runs/1", ""]
    assert len({each.xcom_key for each in links}) == 2


def test_what_airflow_knows_goes_to_the_task_in_its_environment_only(task, airflow_knows):
    made = task(
        "import json, os; print(json.dumps({'run': 'r', 'state': 'succeeded', 'outputs': {'env': dict(os.environ)}}))"
    )
    made.call |= {"secrets": ["conn/shop", "var/missing", "var/slack"]}
    given = made.execute(made.context)["env"]
    assert {name: given[name] for name in given if name.startswith("AIRFLOW")} == {
        "AIRFLOW_CONN_SHOP": "postgres://u:c4n4ry@h/d",
        "AIRFLOW_VAR_SLACK": "slack://c4n4ry",
    }
    assert airflow_knows == ["postgres://u:c4n4ry@h/d", "slack://c4n4ry"]  # hidden in Airflow's logs
    assert not any("c4n4ry" in line for line in made.log.lines)
    assert "airflow:var/missing is not known: KeyError" in made.log.lines


def test_a_run_that_airflow_gives_up_is_told_to_firnflow(runtime, task, tmp_path):
    made = task("import json, sys; open('said', 'w').write(json.dumps(sys.argv[1:])); print('{}')")
    last = types.SimpleNamespace(task_id="finalizer")
    runtime.failure.give_up(
        made.call, {"run_id": "manual__1", "reason": "task_failure", "ti": last, "params": {"rows": 1}}
    )
    said = json.loads((tmp_path / "said").read_text())
    why = "Airflow has given the run up: a task has failed, and the finalizer has not ended the run (task finalizer)"
    assert said[said.index("--task") :] == [
        *(
            "--task",
            "finalizer",
            "--run",
            "sales.manual__1",
            "--env",
            "prod",
            "--set",
            "rows=1",
            "--keep",
            "--given-up",
            why,
        )
    ]


def test_a_project_that_is_not_on_the_worker_is_named(runtime, task):
    for what, missing in (("python", "/nowhere/python"), ("project", "/nowhere")):
        made = task("")
        made.call |= {what: missing}
        with pytest.raises(
            runtime.errors.AirflowException, match=f"No such file.*{missing}.*environments.prod.airflow"
        ):
            made.execute(made.context)


def test_what_says_nothing_for_too_long_is_ended(runtime, tmp_path):
    program = runtime.program.Program([sys.executable, "-c", "import time; time.sleep(600)"], str(tmp_path), os.environ)
    assert program.wait(lambda _: None, 0.2) == ("", -15)


def test_a_pod_gets_what_the_task_asks_for(runtime, monkeypatch):
    wanted = {"image": "shop:3", "resources": {"cpu": "2", "memory": "5", "nvidia.com/gpu": "1"}}
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    assert runtime.pod.place_of(wanted) is None  # where no pod is started either
    client = types.ModuleType("kubernetes.client")
    classes = ("V1ResourceRequirements", "V1Container", "V1PodSpec", "V1Pod")
    client.models = types.SimpleNamespace(**dict.fromkeys(classes, types.SimpleNamespace))
    monkeypatch.setitem(sys.modules, "kubernetes", types.ModuleType("kubernetes"))
    monkeypatch.setitem(sys.modules, "kubernetes.client", client)
    (container,) = runtime.pod.place_of(wanted)["pod_override"].spec.containers
    assert (container.name, container.image) == ("base", "shop:3")
    assert container.resources.requests == wanted["resources"]
    assert container.resources.limits == {"memory": "5", "nvidia.com/gpu": "1"}  # free processors may be used too
    assert runtime.pod.place_of(None) is None


def test_openlineage_hears_of_versions(runtime, task, monkeypatch):
    """With stand-ins for the provider and its client, whose classes keep what they are given."""

    class Kept(types.SimpleNamespace):
        pass

    names = [f"airflow.providers.openlineage{end}" for end in ("", ".extractors")]
    for name in ("airflow.providers", *names, "openlineage", "openlineage.client"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules[names[-1]].OperatorLineage = Kept
    facets = {"schema_dataset": ("SchemaDatasetFacet", "SchemaDatasetFacetFields")}
    facets |= {"tags_dataset": ("TagsDatasetFacet", "TagsDatasetFacetFields")}
    facets |= {"dataset_version_dataset": ("DatasetVersionDatasetFacet",)}
    facets |= {"output_statistics_output_dataset": ("OutputStatisticsOutputDatasetFacet",)}
    client = sys.modules["openlineage.client"]
    client.facet_v2 = Kept(**{module: Kept(**dict.fromkeys(classes, Kept)) for module, classes in facets.items()})
    client.event_v2 = Kept(InputDataset=Kept, OutputDataset=Kept)
    (dataset,) = published(task, "r").get_openlineage_facets_on_complete(None).outputs
    assert (dataset.namespace, dataset.name) == ("firnflow://tables", "p_orders")
    assert dataset.facets["version"].datasetVersion == "3"
    assert [(tag.key, tag.value) for tag in dataset.facets["tags"].tags] == [("digest", "d")]
    assert dataset.outputFacets["outputStatistics"].rowCount == 4
    read = task(answers(outputs={"result": {"digest": "d", "meta": {"version": 3}}}), reads_table=ORDERS)
    read.execute(read.context)
    assert read.get_openlineage_facets_on_complete(None).inputs[0].name == "p_orders"
    assert vars(task("").get_openlineage_facets_on_complete(None)) == {}


@pytest.mark.parametrize(
    ("code", "answer", "error", "message"),
    [
        (0, {"state": "skipped"}, "AirflowSkipException", "its case was not chosen"),
        (
            1,
            {"state": "failed", "error": {"type": "ValueError", "message": "no"}},
            "AirflowException",
            "ValueError: no",
        ),
        (2, {"state": "failed"}, "AirflowFailException", "called wrongly"),
        (1, {"status": "failed"}, "AirflowFailException", "the run has failed"),
        (1, {"status": "cancelled"}, "AirflowFailException", "the run was cancelled"),
    ],
)
def test_what_airflow_is_told_of_a_call_that_did_not_succeed(runtime, task, code, answer, error, message):
    made = task(answers(code, **answer))
    with pytest.raises(getattr(runtime.errors, error), match=message):
        made.execute(made.context)


def test_a_call_that_dies_without_an_answer_is_a_failure(runtime, task):
    made = task("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(runtime.errors.AirflowException, match="ended with -9 and gave no answer"):
        made.execute(made.context)


def test_the_tasks_of_other_cases_are_skipped(task):
    made = task(
        answers(outputs={"result": {"inline": '"left"'}}), cases={"a": [["result", "left"]], "b": [["result", "right"]]}
    )
    made.downstream_list = [types.SimpleNamespace(task_id=name) for name in ("a", "b", "neither")]
    made.execute(made.context)
    assert made.skipped_all_but == ["a", "neither"]


def test_a_task_that_is_killed_ends_with_all_that_it_has_started(task, tmp_path):
    """A child that is deaf to SIGTERM, and what it prints into."""
    made = task(
        "import os, pathlib, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "pathlib.Path('pids').write_text(f'{os.getpid()} {child.pid}')\n"
        "os.rename('pids', 'ready')\n"
        "time.sleep(600)"
    )
    ended = []
    thread = threading.Thread(target=lambda: ended.append(made._exec(made._command(made.context))))
    thread.start()
    until = time.monotonic() + 20
    while not (tmp_path / "ready").exists() and time.monotonic() < until:
        time.sleep(0.02)
    pids = [int(pid) for pid in (tmp_path / "ready").read_text().split()]
    made.on_kill()
    thread.join(20)
    assert ended[0][1] == -9
    until = time.monotonic() + 5
    while any(is_there(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    assert [pid for pid in pids if is_there(pid)] == []


def is_there(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_any_id_of_a_run_becomes_one_of_ours_and_two_never_become_one(runtime):
    ours = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,79}")
    ids = ["manual__2026-01-01T00:00:00+00:00", "a b", "a-b", "x" * 300, "x" * 301, "../../etc", "ü", "~"]
    made = [runtime.task.run_id("sales", each) for each in ids]
    assert made[0] == f"sales.{ids[0]}"
    assert len(set(made)) == len(ids)
    assert all(ours.fullmatch(each) for each in made)


def test_airflows_settings_and_python_do_not_reach_the_project(runtime):
    given = {
        "AIRFLOW__CORE__FERNET_KEY": "k",
        "_AIRFLOW_X": "1",
        "PYTHONPATH": "/a",
        "VIRTUAL_ENV": "/v",
        "STATE_URL": "s",
    }
    assert runtime.program.environment({**given, "PATH": os.defpath}) == {"STATE_URL": "s", "PATH": os.defpath}
