"""Names that would break out of their quotes, through every statement that deploys: quoted right, or refused.

`test_snowflake_run.py` has them in a run.
"""

from __future__ import annotations

import json

import pytest

import firnflow as ff
from firnflow.errors import FirnflowError
from firnflow.project import Project, load_settings
from firnflow.stores.snowflake.names import identifier, literal
from firnflow.targets.snowflake import grants
from firnflow.targets.snowflake.compile.place import place_of
from firnflow.targets.snowflake.grammar.values import Name
from firnflow.targets.snowflake.needs import needs_of

HOSTILE = {
    "breaks out": """a"b'c;--d /*e*/ $$f$$ \\ \\n \\' {{g}} ${h} %_ @~/i :1 ? &j .""",
    "not ascii": "Zürich 北京 💥 \u202e\u0301 ß İ",
    "as long as can be": "x" * 254 + '"',
    "a word of SQL": "select",
}
TEXT = "it's $$ \\ \" \n ; 💥 -- {{x}} ${x} %s"

TOML = """
[project]
name = "shop"
[environments.prod]
orchestrator = "snowflake"
warehouse = "duckdb"
[environments.prod.snowflake]
prefix = "select_"
pool = "own"
image = "/ml/hostile/images/shop:1"
"""


class Params(ff.Params):
    text: str = TEXT


@ff.task
def echo(text: str) -> str:
    return text


@ff.pipeline(params=Params, schedule=ff.Cron("0 6 * * *"))
def flow(p):
    echo(p.text)


def toml(text):
    return json.dumps(text, ensure_ascii=False)


def section(tmp_path, name):
    """Return TOML in which every name of Snowflake is the same hostile one."""
    quoted = toml(identifier(name))
    given = {"FIRNFLOW_STATE": f"sqlite:///{tmp_path}/there.db", "FIRNFLOW_ARTIFACTS": str(tmp_path / "there")}
    lines = [f"{key} = {quoted}" for key in ("database", "schema", "warehouse", "role", "stage")]
    lines += [f"integrations = [{quoted}]"]
    lines += [f'pools.own = {{ name = {quoted}, family = "CPU_X64_S" }}', f"secrets = {{ SECRET = {quoted} }}"]
    pairs = ", ".join(f"{key} = {toml(value)}" for key, value in {**given, "TEXT": TEXT}.items())
    return TOML + "\n".join([*lines, f"variables = {{ {pairs} }}"])


@pytest.fixture
def hostile(ground, connect, tmp_path):
    """Return what makes a ground where everything has a hostile name, and the role just what the script grants it."""
    admin, made = connect().cursor(), []

    def make(name):
        own = identifier(name)
        for kind, path in ("DATABASE", own), ("SCHEMA", f"{own}.{own}"), ("WAREHOUSE", own), ("ROLE", own):
            admin.execute(f"CREATE {kind} {path}")
        admin.execute(f"CREATE SECRET {own}.{own}.{own} TYPE = GENERIC_STRING SECRET_STRING = {literal(TEXT)}")
        admin.execute(
            f"CREATE NETWORK RULE {own}.{own}.{own} TYPE = HOST_PORT MODE = EGRESS VALUE_LIST = ('a.example')"
        )
        rules = f"ALLOWED_NETWORK_RULES = ({own}.{own}.{own})"
        admin.execute(f"CREATE EXTERNAL ACCESS INTEGRATION {own} {rules} ENABLED = TRUE")
        for each in "DATABASE {} ML", "SCHEMA {} ML.HOSTILE", "IMAGE REPOSITORY {} ML.HOSTILE.IMAGES":
            admin.execute(f"CREATE {each.format('IF NOT EXISTS')}")
        here = ground(f"{own}.{own}", section(tmp_path, name))
        made.append(own)
        project = here.project()
        for statement in grants.script(needs_of(project, place_of(project)), Name((name,))):
            admin.execute(statement)
        for whom in "USER EMULATOR", "ROLE SYSADMIN":
            admin.execute(f"GRANT ROLE {own} TO {whom}")
        return here

    yield make
    for own in made:
        for each in (
            f"EXTERNAL ACCESS INTEGRATION {own}",
            f"DATABASE {own}",
            f"WAREHOUSE {own}",
            f"ROLE {own}",
            f"COMPUTE POOL IF EXISTS {own}",
        ):
            admin.execute(f"DROP {each}")


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_quoted_right_in_all_that_is_executed(hostile, name):
    here = hostile(name)
    here.apply(flow)
    assert here.apply(flow).actions == ()
    tasks = {row["name"]: row for row in here.shown("TASKS")}
    assert set(tasks) == {"SELECT_FLOW", "SELECT_FLOW$ECHO", "SELECT_FLOW$FINALIZER"}
    assert json.loads(tasks["SELECT_FLOW"]["config"]) == {"text": TEXT}
    assert {row["owner"] for row in tasks.values()} == {name}
    here.apply()
    assert here.shown("TASKS") == here.shown("PROCEDURES") == here.shown("STAGES") == []


@pytest.mark.parametrize(
    ("key", "name", "said"),
    [
        ("database", 'a"; DROP DATABASE x', "is no name of Snowflake"),
        ("warehouse", "x" * 256, "is no name of Snowflake"),
        ("stage", 'a."b', "is no name of Snowflake"),
        ("role", "a\nb", "role is not written rightly"),
        ("database", '"a"."b"', "one name"),
        ("prefix", "a;b", "prefix"),
        ("pool", "a'b", "pool"),
    ],
)
def test_what_is_no_name_is_refused_before_anything_is_sent(tmp_path, key, name, said):
    lines = {"database": "d", "schema": "s", "warehouse": "w", "pools.own.name": "p"} | {key: name}
    text = TOML.replace('prefix = "select_"\npool = "own"\n', "") + "\n".join(
        f"{each} = {toml(value)}" for each, value in lines.items()
    )
    (tmp_path / "firnflow.toml").write_text(text)
    with pytest.raises(FirnflowError, match=said):
        place_of(Project(tmp_path, load_settings(tmp_path, "prod"), {}, {}))
