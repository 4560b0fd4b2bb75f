"""Jobs on compute pools: job services by SQL, and ML Jobs by Snowflake's own client."""

from __future__ import annotations

import contextlib
import json
import time

import psutil
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def pool(sql):
    """A compute pool of the test's own, an image repository and a stage."""
    name = f"CP_{sql('SELECT CURRENT_DATABASE()')[0][0]}"
    sql(
        f"CREATE COMPUTE POOL {name} MIN_NODES = 1 MAX_NODES = 2 INSTANCE_FAMILY = CPU_X64_S INITIALLY_SUSPENDED = TRUE"
    )
    sql("CREATE IMAGE REPOSITORY REPO")
    sql("CREATE STAGE S")
    yield name
    sql(f"DROP COMPUTE POOL {name}")


def environments():
    """Yield the id and the variables of each process."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            yield process.pid, process.environ()


def specification(sql, code: str, **container) -> str:
    home = sql("SELECT CURRENT_DATABASE()")[0][0].lower()
    given = {
        "name": "main",
        "image": f"/{home}/public/repo/any:1",
        "command": ["python", "-c", code],
        "volumeMounts": [{"name": "files", "mountPath": "/mnt/files"}],
        **container,
    }
    volume = {"name": "files", "source": "stage", "stageConfig": {"name": "@S/out"}}
    return json.dumps({"spec": {"containers": [given], "volumes": [volume]}})


def test_a_job_logs_in_reads_a_secret_and_writes_to_its_stage(sql, pool, tmp_path):
    sql("CREATE SECRET KEY_OF_MINE TYPE = GENERIC_STRING SECRET_STRING = 'it''s $ecret'")
    code = """
import os, sys, snowflake.connector as s
names = ("account", "host", "port", "protocol", "database", "schema", "warehouse")
place = {name: os.environ["SNOWFLAKE_" + name.upper()] for name in names}
with s.connect(**place, authenticator="oauth", token=os.environ["SNOWFLAKE_TOKEN"]) as c:
    print("role", *c.cursor().execute("SELECT CURRENT_ROLE()").fetchone(), os.environ["MINE"])
open(os.environ["OUT"] + "/" + os.environ["SNOWFLAKE_JOB_INDEX"] + ".txt", "w").write(sys.argv[1])
"""
    secret = {"snowflakeSecret": {"objectName": "KEY_OF_MINE"}, "envVarName": "MINE", "secretKeyRef": "secret_string"}
    spec = specification(sql, code, args=["/mnt/files/x"], env={"OUT": "/mnt/files"}, secrets=[secret])
    sql(
        f"EXECUTE JOB SERVICE IN COMPUTE POOL {pool} FROM SPECIFICATION $${spec.replace('$', chr(92) + 'u0024')}$$ "
        "NAME = J REPLICAS = 2 QUERY_WAREHOUSE = COMPUTE_WH"
    )
    assert sql("SELECT SYSTEM$GET_SERVICE_LOGS('J', 1, 'main')") == [("role ACCOUNTADMIN it's $ecret\n",)]
    assert sorted(row[0] for row in sql("LIST @S")) == ["s/out/0.txt", "s/out/1.txt"]
    assert [row["status"] for row in json.loads(sql("SELECT SYSTEM$GET_SERVICE_STATUS('J')")[0][0])] == ["DONE", "DONE"]
    (row,) = sql.maps("DESCRIBE SERVICE J")
    assert (row["status"], row["target_instances"], row["is_job"]) == ("DONE", 2, "true")
    assert "already exists" in str(
        sql.refused(f"EXECUTE JOB SERVICE IN COMPUTE POOL {pool} FROM SPECIFICATION $${spec}$$ NAME = J")
    )
    sql("DROP SERVICE J")
    assert "does not exist" in str(sql.refused("DESCRIBE SERVICE J"))


def test_a_job_that_fails_fails_its_task_and_one_that_is_cancelled_leaves_no_process(sql, pool):
    spec = specification(sql, "import sys; print('it was me'); sys.exit(3)")
    run = f"EXECUTE JOB SERVICE IN COMPUTE POOL {pool} FROM SPECIFICATION $${spec}$$ NAME = J"
    sql(f"CREATE TASK R WAREHOUSE = COMPUTE_WH AS {run}")
    sql("EXECUTE TASK R")
    until = time.monotonic() + 20
    history = (
        "SELECT STATE, ERROR_MESSAGE FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(TASK_NAME => 'R')) "
        "WHERE DATABASE_NAME = CURRENT_DATABASE()"
    )
    while (found := sql(history)) == [] or found[0][0] == "EXECUTING":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert found[0][0] == "FAILED"
    assert "it was me" in found[0][1]
    code = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(os.getpid(), child.pid, flush=True)
time.sleep(60)
"""
    spec = specification(sql, code)
    sql(f"EXECUTE JOB SERVICE IN COMPUTE POOL {pool} FROM SPECIFICATION $${spec}$$ NAME = K ASYNC = TRUE")
    while len(pids := sql("SELECT SYSTEM$GET_SERVICE_LOGS('K', 0, 'main')")[0][0].split()) < 2:
        assert time.monotonic() < until + 10
        time.sleep(0.1)
    assert all(psutil.pid_exists(int(pid)) for pid in pids)
    assert "it is RUNNING" in str(sql.refused("CALL K!SPCS_WAIT_FOR('DONE', 0)"))
    assert "still running" in str(sql.refused(f"DROP COMPUTE POOL {pool}"))
    sql("CALL K!SPCS_CANCEL_JOB()")
    until = time.monotonic() + 10
    while any(psutil.pid_exists(int(pid)) for pid in pids):  # killed, and soon forgotten by the system
        assert time.monotonic() < until
        time.sleep(0.02)
    assert sql.maps("DESCRIBE SERVICE K")[0]["status"] == "CANCELLED"


def test_what_cannot_be_or_may_not_be_used_is_refused(sql, pool):
    home = sql("SELECT CURRENT_DATABASE()")[0][0]
    role = f"R_{home}"
    good = specification(sql, "print(1)")

    def run(spec: str = good, more: str = "") -> str:
        return f"EXECUTE JOB SERVICE IN COMPUTE POOL {pool} FROM SPECIFICATION $${spec}$$ NAME = J {more}"

    for statement, said in {
        run("a: ["): "no YAML",
        run(specification(sql, "1", command=[])): "without command",
        run(specification(sql, "1", readinessProbe={})): "does not know it",
        run(specification(sql, "1", image="/x/y/z/i:1")): "does not exist",
        run(more="REPLICAS = 3"): "1 to 2 nodes",
        run(more="EXTERNAL_ACCESS_INTEGRATIONS = (E)"): "Integration 'E' does not exist",
    }.items():
        assert said in str(sql.refused(statement)), statement
    sql(f"CREATE ROLE {role}")
    sql(f"GRANT ROLE {role} TO USER EMULATOR")
    sql(f"GRANT USAGE ON DATABASE {home} TO ROLE {role}")
    sql(f"GRANT USAGE, CREATE SERVICE ON SCHEMA PUBLIC TO ROLE {role}")
    sql(f"GRANT READ ON IMAGE REPOSITORY REPO TO ROLE {role}")
    sql("USE SECONDARY ROLES NONE")
    sql(f"USE ROLE {role}")
    assert f"Compute pool '{pool}' does not exist or not authorized" in str(sql.refused(run()))
    sql("USE ROLE ACCOUNTADMIN")
    sql(f"ALTER COMPUTE POOL {pool} SET AUTO_RESUME = FALSE")
    sql(f"ALTER COMPUTE POOL {pool} SUSPEND")
    assert "is suspended" in str(sql.refused(run()))


def test_snowflakes_own_client_runs_a_function_on_two_instances(server, sql, pool):
    from snowflake.ml.jobs import delete_job, get_job, list_jobs, remote
    from snowflake.snowpark import Session

    place = {"host": "127.0.0.1", "port": server.port, "protocol": "http", "account": "emulator", "password": "any"}
    home = sql("SELECT CURRENT_DATABASE()")[0][0]
    session = Session.builder.configs({**place, "user": "EMULATOR", "database": home, "schema": "PUBLIC"}).create()
    try:

        @remote(pool, stage_name="PAYLOAD", target_instances=2, session=session)
        def add(left: int, right: int) -> object:
            import os

            import pandas as pd
            import ray  # whose cluster the instances are, and to which this one is connected

            print("at work")
            total = ray.get(ray.remote(lambda: left + right).remote())
            nodes = sum(each["Alive"] for each in ray.nodes())
            return pd.DataFrame({"sum": [total], "count": [os.environ["SNOWFLAKE_JOBS_COUNT"]], "nodes": [nodes]})

        job = add(40, right=2)
        assert job.wait(100) == "DONE", job.get_logs(verbose=True)
        assert job.result().to_dict("records") == [{"sum": 42, "count": "2", "nodes": 2}]
        assert job.get_logs().startswith("at work")
        assert not [pid for pid, of in environments() if of.get("SNOWFLAKE_SERVICE_NAME") == job.id]  # Ray's neither

        @remote(pool, stage_name="PAYLOAD", session=session)
        def fail() -> None:
            raise ValueError("no")

        failed = fail()
        assert failed.wait(60) == "FAILED"
        with pytest.raises(RuntimeError, match=r"ValueError\('no'\)"):
            failed.result()
        assert list(list_jobs(session=session)["name"]) == [failed.name, job.name]
        assert get_job(job.id, session=session).result().to_dict("records")[0]["sum"] == 42
        delete_job(job.id, session=session)
        assert list(list_jobs(session=session)["name"]) == [failed.name]
        assert get_job(job.id, session=session).status == "DONE"  # the history knows it
        assert [row["name"] for row in sql.maps("SHOW JOB SERVICES")] == [failed.name]
        assert sql("SHOW SERVICES EXCLUDE JOBS") == []
    finally:
        session.connection.close()
