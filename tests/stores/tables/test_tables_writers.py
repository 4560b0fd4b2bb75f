"""Several processes publish to one table at once; embedded, and on PostgreSQL and S3."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import uuid
from collections import Counter

import pytest
import sqlalchemy as sa

from firnflow.stores.tables.versions import versions

TIMES = 40

WRITER = """
import sys
from pathlib import Path

import ibis

sys.path.insert(0, {tests!r})
from conftest import open_place
from firnflow.errors import TableConflictError

place = open_place(Path({folder!r}), {state!r}, {artifacts!r}, {schema!r})
me, mode, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
done = conflicts = 0
for n in range(times):
    sql = f"SELECT '{{me}}' AS who, {{n}}::INTEGER AS n"
    by = ("who",) if mode == "partition" else ()
    try:
        place.publish(sql, mode=mode, run=f"{{me}}-{{n}}", task="load", partition=by)
        done += 1
    except TableConflictError as error:
        assert "nothing was changed" in str(error), error
        conflicts += 1
print(done, conflicts)
"""


@pytest.fixture
def write(tmp_path, schema):
    """Let several processes publish so many times each, and return (versions, conflicts) of each."""

    def start(place, mode, times, writers=2):
        from pathlib import Path

        state = place.tables.state.engine.url.render_as_string(hide_password=False)
        given = {"tests": str(Path(__file__).parent), "folder": str(tmp_path), "state": state, "schema": schema}
        source = textwrap.dedent(WRITER).format(**given, artifacts=place.stores.artifacts.url)
        commands = [[sys.executable, "-c", source, f"w{at}", mode, str(times)] for at in range(writers)]
        running = [
            subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for each in commands
        ]
        ended = [each.communicate(timeout=280) for each in running]
        assert not any(each.returncode for each in running), [err for _, err in ended]
        return [tuple(map(int, out.split())) for out, _ in ended]

    return start


def check_appended(place, results, times):
    assert results == [(times, 0)] * len(results)
    table = place.tables.get("orders")
    found = versions(table)
    assert [version.number for version in found] == list(range(1, times * len(results) + 1))
    assert max(Counter((version.run, version.task) for version in found).values()) == 1
    rows = place.read()
    assert len(rows) == len(set(rows)) == times * len(results)


@pytest.mark.slow
def test_two_processes_append_again_and_again(place, write):
    check_appended(place, write(place, "append", TIMES), TIMES)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["snowflake"])
def test_two_processes_append_in_snowflake(place, write, kind):
    check_appended(place, write(place, "append", 4), 4)


@pytest.mark.slow
def test_two_processes_replace_or_lose(place, write):
    results = write(place, "replace", 8)
    table = place.tables.get("orders")
    assert [version.number for version in versions(table)] == list(range(1, sum(done for done, _ in results) + 1))
    assert all(done + lost == 8 for done, lost in results)
    assert len(place.read()) == 1


@pytest.mark.slow
def test_two_processes_replace_partitions_of_their_own(place, write):
    results = write(place, "partition", 5)
    assert results == [(5, 0), (5, 0)]
    assert sorted(place.read()) == [("w0", 4), ("w1", 4)]


@pytest.mark.server
def test_on_postgresql(opened, postgres_url, write):
    url = sa.make_url(postgres_url).set(drivername="postgresql+psycopg")
    name = f"tables_{uuid.uuid4().hex[:8]}"
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    admin.dispose()
    place = opened(url.set(database=name).render_as_string(hide_password=False))
    assert not place.tables.exists
    check_appended(place, write(place, "append", 4), 4)
    schemas = sa.inspect(place.tables.state.engine).get_schema_names()
    assert "firnflow_tables" in schemas


@pytest.mark.server
def test_on_s3(opened, s3_url):
    place = opened(artifacts=f"{s3_url}/artifacts")
    place.publish("SELECT 1 AS id", mode="append")
    place.publish("SELECT 2 AS id", mode="append", task="b")
    place.publish("SELECT 3 AS id, 'x' AS p", mode="append", task="c")
    assert place.read() == [(1, None), (2, None), (3, "x")]
    table = place.tables.get("orders")
    assert table.metadata_location.startswith(f"{s3_url}/artifacts/tables/orders-")
    assert table.scan().to_arrow().num_rows == 3
