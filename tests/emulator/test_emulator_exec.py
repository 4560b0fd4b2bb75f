"""What Firnflow's task graphs call: its procedure, which runs a launcher as an ML Job and answers for it."""

from __future__ import annotations

import json
import time
from importlib.resources import files

import pytest

from firnflow.stores.snowflake.names import literal

pytestmark = pytest.mark.slow

LAUNCHER = """
import json, sys
job = json.loads(sys.argv[1])
code = 3 if job["task"] == "bad" else 0
said = {"run": job["run"], "task": job["task"], "code": code, "state": "x", "error": "it was me", "decided": "left"}
print("firnflow-answer: " + json.dumps(said))
sys.exit(code)
"""
PROCEDURE = """CREATE PROCEDURE EXEC(CALL VARCHAR) RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = '3.11'
PACKAGES = ('snowflake-snowpark-python', 'snowflake-ml-python') HANDLER = 'main' EXECUTE AS CALLER AS """


def test_the_procedure_runs_ml_jobs_whose_decision_branches_and_whose_failure_fails_the_task(sql, tmp_path):
    home = sql("SELECT CURRENT_DATABASE()")[0][0]
    job = {
        "version": 1,
        "payload": f"@{home}.PUBLIC.S/code",
        "schema": f"{home}.PUBLIC",
        "env": "prod",
        "warehouse": "COMPUTE_WH",
        "pipeline": "shop",
        "params": [],
        "pool": f"CP_{home}",
    }
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    source = (files("firnflow.targets.snowflake") / "beside" / "procedure.py").read_text(encoding="utf-8")
    made = f"CREATE TASK {{}} WAREHOUSE = COMPUTE_WH {{}} AS CALL {home}.PUBLIC.EXEC({{}})"
    for statement in (
        "CREATE STAGE S",
        f"PUT file://{tmp_path}/launcher.py @S/code AUTO_COMPRESS = FALSE",
        f"CREATE COMPUTE POOL CP_{home} MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_S",
        PROCEDURE + literal(source),
        "CREATE TASK R WAREHOUSE = COMPUTE_WH AS SELECT 1",
        made.format("A", "AFTER R", literal(json.dumps({**job, "task": "good"}))),
        made.format(
            "B",
            "AFTER A WHEN SYSTEM$GET_PREDECESSOR_RETURN_VALUE('A') = 'left'",
            literal(json.dumps({**job, "task": "bad"})),
        ),
        "ALTER TASK A RESUME",
        "ALTER TASK B RESUME",
        "EXECUTE TASK R",
    ):
        sql(statement)
    until = time.monotonic() + 90
    mine = "WHERE DATABASE_NAME = CURRENT_DATABASE()"
    while not sql(f"SELECT STATE FROM TABLE(INFORMATION_SCHEMA.COMPLETE_TASK_GRAPHS()) {mine}"):
        assert time.monotonic() < until
        time.sleep(0.2)
    history = "TABLE(INFORMATION_SCHEMA.TASK_HISTORY())"
    found = sql(f"SELECT NAME, STATE, RETURN_VALUE, ERROR_MESSAGE FROM {history} {mine} ORDER BY NAME")
    assert [row[:3] for row in found] == [("A", "SUCCEEDED", "left"), ("B", "FAILED", None), ("R", "SUCCEEDED", None)]
    assert "has failed: it was me" in found[1][3]
    sql(f"DROP COMPUTE POOL CP_{home}")
