"""Task graphs by Snowflake's own Python client, with nothing of ours between."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def operation(server, sql):
    """The client's operations on the graphs of a schema of the test's own."""
    from snowflake.core import Root
    from snowflake.core.task.dagv1 import DAGOperation

    home = sql("SELECT CURRENT_DATABASE()")[0][0]
    with server.connect(database=home, schema="PUBLIC", warehouse="COMPUTE_WH") as connection:
        yield DAGOperation(Root(connection).databases[home].schemas["PUBLIC"])


def runs(operation, count: int, **more):
    until = time.monotonic() + 30
    while len(found := operation.get_complete_dag_runs("g", error_only=False, **more)) < count:
        assert time.monotonic() < until
        time.sleep(0.2)
    return found


def test_a_graph_with_branch_and_finalizer_is_deployed_run_retried_and_dropped(operation, sql):
    from snowflake.core import CreateMode
    from snowflake.core.exceptions import APIError, ConflictError, NotFoundError
    from snowflake.core.task import Cron, StoredProcedureCall
    from snowflake.core.task.dagv1 import DAG, DAGTask, DAGTaskBranch
    from snowflake.snowpark.types import StringType

    sql("CREATE TABLE T (A VARCHAR)")
    sql("CREATE STAGE S")

    def choose(session):
        from snowflake.core.task.context import TaskContext

        return TaskContext(session).get_task_graph_config_property("go")

    packages = ["snowflake-snowpark-python", "snowflake.core"]
    more = {"stage_location": "S", "packages": packages, "use_func_return_value": True}
    with DAG("g", warehouse="COMPUTE_WH", config={"go": "left"}, **more) as dag:
        call = StoredProcedureCall(
            choose, return_type=StringType(), input_types=[], stage_location="@S", packages=packages
        )
        branch = DAGTaskBranch("branch", call)
        left = DAGTask("left", "INSERT INTO T VALUES ('left')")
        right = DAGTask("right", "INSERT INTO T VALUES ('right')")
        late = DAGTask("late", "INSERT INTO LATER VALUES ('late')")
        DAGTask("end", "CREATE TABLE IF NOT EXISTS LATER (A VARCHAR)", is_finalizer=True)
        branch >> [left, right]
        left >> late
    operation.deploy(dag)
    with pytest.raises(ConflictError):
        operation.deploy(dag)
    assert operation.iter_dags(like="g") == ["G"]
    operation.run(dag)
    (first,) = runs(operation, 1)
    assert (first.dag_name, first.state, first.first_error_task_name) == ("G", "FAILED", "G$LATE")
    assert [run.run_id for run in operation.get_complete_dag_runs(dag)] == [first.run_id]
    operation.run(dag, retry_last=True)
    assert [run.state for run in runs(operation, 2)] == ["SUCCEEDED", "FAILED"]
    assert sql("SELECT A FROM T") == [("left",)]
    assert sql("SELECT A FROM LATER") == [("late",)]
    with pytest.raises(APIError, match="FAILED or CANCELLED"):
        operation.run(dag, retry_last=True)
    dag.schedule = Cron("0 6 * * *", "Europe/Zurich")
    operation.deploy(dag, CreateMode.or_replace)
    task = operation.schema.tasks["g"].fetch()
    assert (task.state, task.schedule, task.config) == ("started", dag.schedule, {"go": "left"})
    (due,) = operation.get_current_dag_runs(dag)
    assert due.state == "SCHEDULED"
    operation.drop(dag, drop_finalizer=True)
    assert operation.iter_dags(like="%") == []
    with pytest.raises(NotFoundError):
        operation.schema.tasks["g"].fetch()


def test_a_task_is_made_altered_listed_and_refused(operation):
    from snowflake.core.exceptions import APIError
    from snowflake.core.task import Task

    tasks = operation.schema.tasks
    tasks.create(Task("t", "SELECT 1", warehouse="COMPUTE_WH", schedule=timedelta(minutes=5), comment="it's"))
    tasks["t"].resume()
    task = tasks["t"].fetch()
    assert (task.state, task.schedule, task.comment) == ("started", timedelta(minutes=5), "it's")
    tasks["t"].suspend()
    task.schedule, task.comment = None, None
    tasks["t"].create_or_alter(task)
    task = tasks["t"].fetch()
    assert (task.state, task.schedule, task.comment) == ("suspended", None, None)
    assert [each.name for each in tasks.iter(like="T%")] == ["T"]
    with pytest.raises(APIError, match="does not know it"):
        tasks.create(Task("u", "SELECT 1", warehouse="COMPUTE_WH", error_integration="N"))
    with pytest.raises(APIError, match="does not know it"):
        tasks.create(Task("u", "FLY TO THE MOON", warehouse="COMPUTE_WH"))
    tasks["t"].drop()
