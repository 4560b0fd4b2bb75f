"""What the emulator supports, shown by running it; called as a program, it writes the table into docs/emulator.md."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "emulator.md"
HEAD = "| statement | emulated | |\n|---|---|---|\n"
PACKAGES = tuple(f"firnflow.emulator.{each}." for each in ("objects", "stages", "tasks", "programs", "jobs"))
"""Whose statements stand in the table; those of models do not."""

SPECIFICATION = "spec: {containers: [{name: main, image: /support/s/r/i:1, command: [python, --version]}]}"
EXAMPLES = """
CREATE DATABASE support
ALTER DATABASE support SET COMMENT = 'c'
DESCRIBE DATABASE support
SHOW DATABASES LIKE 'support'
USE DATABASE support
CREATE SCHEMA s
ALTER SCHEMA s SET COMMENT = 'c'
DESCRIBE SCHEMA s
SHOW SCHEMAS LIKE 's'
USE SCHEMA support.s
USE support.s
CREATE TABLE t (id INT, n VARCHAR)
ALTER TABLE t ADD COLUMN more INT
COMMENT ON TABLE t IS 'c'
DESCRIBE TABLE t
SHOW TABLES
SHOW COLUMNS IN TABLE t
SHOW OBJECTS
INSERT INTO t VALUES (1, 'a', 2)
UPDATE t SET n = 'b'
MERGE INTO t USING (SELECT 1 AS k) s ON t.id = s.k WHEN MATCHED THEN DELETE
DELETE FROM t
TRUNCATE TABLE t
SELECT COUNT(*) FROM t
EXPLAIN SELECT COUNT(*) FROM t
DROP TABLE t
UNDROP TABLE t
CREATE HYBRID TABLE h (id INT PRIMARY KEY)
CREATE VIEW v AS SELECT id FROM t
ALTER VIEW v SET COMMENT = 'c'
DESCRIBE VIEW v
SHOW VIEWS
DROP VIEW v
CREATE DYNAMIC TABLE dt TARGET_LAG = '1 hour' WAREHOUSE = COMPUTE_WH AS SELECT id FROM t
ALTER DYNAMIC TABLE dt REFRESH
DESCRIBE DYNAMIC TABLE dt
SHOW DYNAMIC TABLES
DROP DYNAMIC TABLE dt
SHOW ONLINE FEATURE TABLES
DROP ONLINE FEATURE TABLE IF EXISTS o
BEGIN
COMMIT
ROLLBACK
SET x = 1
UNSET x
CREATE STAGE st
ALTER STAGE st SET COMMENT = 'c'
DESCRIBE STAGE st
SHOW STAGES
PUT 'file://{file}' @st
GET @st 'file://{folder}'
LIST @st
COPY FILES INTO @st/copy FROM @st
COPY INTO t FROM (SELECT $1, NULL, NULL FROM @st/copy)
REMOVE @st
DROP STAGE st
CREATE FILE FORMAT f TYPE = PARQUET
SHOW FILE FORMATS
DROP FILE FORMAT f
CREATE IMAGE REPOSITORY r
ALTER IMAGE REPOSITORY r SET COMMENT = 'c'
DESCRIBE IMAGE REPOSITORY r
SHOW IMAGE REPOSITORIES
DROP IMAGE REPOSITORY r
CREATE SECRET k TYPE = GENERIC_STRING SECRET_STRING = 'canary'
ALTER SECRET k SET COMMENT = 'c'
DESCRIBE SECRET k
SHOW SECRETS
DROP SECRET k
CREATE TAG g
ALTER TAG g SET COMMENT = 'c'
DESCRIBE TAG g
SHOW TAGS
DROP TAG g
CREATE WAREHOUSE support_wh
ALTER WAREHOUSE support_wh SUSPEND
DESCRIBE WAREHOUSE support_wh
SHOW WAREHOUSES
USE WAREHOUSE support_wh
DROP WAREHOUSE support_wh
USE WAREHOUSE COMPUTE_WH
CREATE COMPUTE POOL support_cp MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_S
ALTER COMPUTE POOL support_cp SUSPEND
DESCRIBE COMPUTE POOL support_cp
SHOW COMPUTE POOLS
CREATE TASK a WAREHOUSE = COMPUTE_WH AS SELECT 1
ALTER TASK a SET COMMENT = 'c'
DESCRIBE TASK a
SHOW TASKS
EXECUTE TASK a
DROP TASK a
CREATE PROCEDURE p() RETURNS VARCHAR LANGUAGE SQL AS 'BEGIN SELECT 1; END'
ALTER PROCEDURE p() SET COMMENT = 'c'
DESCRIBE PROCEDURE p()
SHOW PROCEDURES
CALL p()
DROP PROCEDURE p()
CREATE STREAM w ON TABLE t
SHOW STREAMS
DROP STREAM w
CREATE SEQUENCE q START = 5
SELECT q.NEXTVAL
SHOW SEQUENCES
DROP SEQUENCE q
CREATE FUNCTION u(a INT) RETURNS INT AS 'a + 1'
SHOW USER FUNCTIONS
DROP FUNCTION u(INT)
EXECUTE IMMEDIATE 'BEGIN SELECT 1; END'
DECLARE x INT DEFAULT 1; BEGIN RETURN x; END
WITH p AS PROCEDURE () RETURNS VARCHAR LANGUAGE SQL AS 'BEGIN SELECT 1; END' CALL p()
CREATE IMAGE REPOSITORY r
ALTER COMPUTE POOL support_cp RESUME
EXECUTE JOB SERVICE IN COMPUTE POOL support_cp FROM SPECIFICATION '{spec}' NAME = j
DESCRIBE SERVICE j
SHOW SERVICES
SHOW JOB SERVICES
SHOW SERVICE INSTANCES IN SERVICE j
DROP SERVICE j
DROP IMAGE REPOSITORY r
DROP COMPUTE POOL support_cp
CREATE NOTIFICATION INTEGRATION support_ni TYPE = EMAIL ENABLED = TRUE
ALTER NOTIFICATION INTEGRATION support_ni SET ENABLED = FALSE
DESCRIBE NOTIFICATION INTEGRATION support_ni
SHOW NOTIFICATION INTEGRATIONS
DROP NOTIFICATION INTEGRATION support_ni
CREATE NETWORK RULE support_nr TYPE = HOST_PORT MODE = EGRESS VALUE_LIST = ('a.example')
ALTER NETWORK RULE support_nr SET VALUE_LIST = ('a.example', 'b.example')
DESCRIBE NETWORK RULE support_nr
SHOW NETWORK RULES
CREATE EXTERNAL ACCESS INTEGRATION support_eai ALLOWED_NETWORK_RULES = (support_nr) ENABLED = TRUE
ALTER EXTERNAL ACCESS INTEGRATION support_eai SET ENABLED = FALSE
DESCRIBE EXTERNAL ACCESS INTEGRATION support_eai
SHOW EXTERNAL ACCESS INTEGRATIONS
DROP EXTERNAL ACCESS INTEGRATION support_eai
DROP NETWORK RULE support_nr
CREATE ROLE support_r
ALTER ROLE support_r SET COMMENT = 'c'
DESCRIBE ROLE support_r
SHOW ROLES
CREATE USER support_u
ALTER USER support_u SET COMMENT = 'c'
SHOW USERS
GRANT ROLE support_r TO USER support_u
GRANT SELECT ON TABLE t TO ROLE support_r
SHOW GRANTS ON TABLE t
SHOW FUTURE GRANTS IN SCHEMA support.s
REVOKE SELECT ON TABLE t FROM ROLE support_r
REVOKE ROLE support_r FROM USER support_u
GRANT OWNERSHIP ON TABLE t TO ROLE SYSADMIN
DROP USER support_u
DROP ROLE support_r
USE ROLE ACCOUNTADMIN
USE SECONDARY ROLES NONE
ALTER SESSION SET QUERY_TAG = 'x'
SHOW PARAMETERS
DROP SCHEMA s
DROP DATABASE support
"""
"""A statement of each kind, in an order in which they work."""

REFUSED = """
ALTER ACCOUNT SET TIMEZONE = 'UTC'
CREATE ALERT a IF (EXISTS (SELECT 1)) THEN SELECT 1
CREATE DATABASE ROLE r
CREATE EVENT TABLE e
CREATE EXTERNAL TABLE e LOCATION = @s
CREATE ICEBERG TABLE i (a INT)
CREATE MASKING POLICY m AS (v STRING) RETURNS STRING -> v
CREATE MATERIALIZED VIEW m AS SELECT 1
CREATE NETWORK POLICY p ALLOWED_IP_LIST = ('1.1.1.1')
CREATE PIPE p AS COPY INTO t FROM @s
CREATE RESOURCE MONITOR m
CREATE ROW ACCESS POLICY p AS (v STRING) RETURNS BOOLEAN -> TRUE
CREATE SHARE s
"""
"""A statement of each kind that is often met and is not emulated."""


def table(verdicts: dict[str, tuple[str, str]]) -> str:
    """Return verdicts as the table of the document."""
    return HEAD + "".join(f"| `{key}` | {said} | {more} |\n" for key, (said, more) in sorted(verdicts.items()))


def run(sql, file: Path, folder: Path) -> dict[str, tuple[str, str]]:
    """Run all examples, and return for each kind of statement: yes, partly or no, and what is not emulated."""
    from firnflow.emulator import registry
    from firnflow.emulator.statement import classify

    registry.load()
    statements = registry.STATEMENTS.items()
    known = {key: each for key, each in statements if each.run.__module__.startswith(PACKAGES) and " MODEL" not in key}
    found = {}
    for line in EXAMPLES.strip().splitlines():
        statement = line.format(file=file, folder=folder, spec=SPECIFICATION)
        key = classify(statement, (), registry.STATEMENTS).key
        sql(statement)
        found[key] = ("partly", known[key].partly) if known[key].partly else ("yes", "")
    assert set(known) == set(found), f"no example of {sorted(set(known) - set(found))}"
    for statement in REFUSED.strip().splitlines():
        error = sql.refused(statement)
        assert error.errno in (2, 1003, 1420), f"{statement}: {error}"
        found[" ".join(statement.split()[: _words(statement)])] = ("no", "")
    return found


def _words(statement: str) -> int:
    """Return how many words of a refused CREATE or ALTER name its kind: those in capitals."""
    words = statement.split()
    kinds = ("ALERT", "TABLE", "FUNCTION", "POLICY", "VIEW", "PIPE", "MONITOR", "SEQUENCE", "SHARE", "STREAM", "ROLE")
    return next(at for at, word in enumerate(words, start=1) if word in (*kinds, "ACCOUNT"))


def main() -> None:
    """Write the table into the document."""
    import tempfile

    from conftest import Server, Sql

    server = Server()
    try:
        with tempfile.TemporaryDirectory() as folder, server.connect() as connection:
            file = Path(folder) / "rows.csv"
            file.write_text("1\n")
            made = table(run(Sql(connection), file, Path(folder)))
    finally:
        server.stop()
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(text[: text.index(HEAD)] + made)


if __name__ == "__main__":
    main()
