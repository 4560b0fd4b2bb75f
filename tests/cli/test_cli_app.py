"""The program as a whole: verbs, exit codes, what is said when something goes wrong, what is loaded."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys

import pytest

import firnflow
from firnflow._install import how_to_install
from firnflow.cli import _app, _errors
from firnflow.errors import ConfigError, MissingExtraError, StateError

HEAVY = ("pandas", "numpy", "duckdb", "ibis", "pyarrow", "mlflow", "xgboost", "sklearn", "matplotlib")


def loaded(code, names=HEAVY):
    """The heavy libraries, or other modules, that a process has loaded after `code`."""
    check = f"import sys\n{code}\nprint('heavy:', [name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    return done.stdout.rpartition("heavy: ")[2].strip()


def test_help_names_every_verb(empty):
    called = empty.call("--help")
    assert called.code == 0
    assert all(f"  {verb} " in called.out for verb in _app.VERBS)


def test_without_a_verb_it_helps(empty):
    assert "Commands:" in empty.call().out


def test_version(empty):
    assert empty.call("--version").out == f"firnflow {firnflow.__version__}\n"


@pytest.mark.parametrize("verb", _app.VERBS)
def test_every_verb_helps(empty, verb):
    called = empty.call(verb, "--help")
    assert called.code == 0
    assert called.out.startswith(f"Usage: firnflow {verb}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rnu",), "There is no verb 'rnu'. Did you mean 'run'?"),
        (("run", "--onyl", "x"), "Did you mean '--only'? See: firnflow run --help"),
        (("--verison",), "Did you mean '--version'?"),
        (("runs", "--limit", "many"), "Invalid value for '--limit'"),
        (("show", "x", "--format", "pdf"), "'-f': 'pdf' is not one of 'text', 'svg'"),
        (("exec",), "Missing option '--graph'"),
    ],
)
def test_a_wrong_call_is_named_and_exits_with_2(empty, arguments, said):
    called = empty.call(*arguments)
    assert called.code == 2
    assert called.out == ""
    assert said in called.err
    assert called.err.startswith("Error: ")


def test_outside_a_project(empty):
    called = empty.call("run", "churn")
    assert called.code == 2
    assert "There is no firnflow.toml" in called.err
    assert "firnflow init" in called.err


def test_debug_shows_the_traceback(empty, monkeypatch):
    monkeypatch.setenv("FIRNFLOW_DEBUG", "")
    assert "Traceback" not in empty.call("runs").err
    assert "Traceback" in empty.call("--debug", "runs").err


def test_python_m_firnflow(empty):
    called = empty.process("rnu")
    assert called.code == 2
    assert "Did you mean 'run'?" in called.err


def explained(error, capsys):
    code = _errors.explain(error, debug=False)
    return code, capsys.readouterr().err


def test_a_mistake_of_ours_says_what_to_report(capsys):
    code, said = explained(ValueError("boom"), capsys)
    assert code == 1
    assert said.startswith("Error: this should not happen: ValueError: boom\n")
    assert f"firnflow {firnflow.__version__}" in said


def test_a_missing_extra(capsys):
    code, said = explained(MissingExtraError("psycopg", "postgres"), capsys)
    assert (code, said) == (2, f"Error: psycopg is not installed. Mend: {how_to_install('postgres')}\n")


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "Read-only"), (errno.EACCES, "Permission denied")],
)
def test_what_a_disk_does_not_allow(capsys, number, said):
    code, message = explained(
        OSError(number, "Read-only" if number == errno.EROFS else "Permission denied", "f"), capsys
    )
    assert code == 1
    assert said in message
    assert ": f. Mend:" in message


@pytest.mark.parametrize(
    ("driver", "mend"),
    [
        ("database or disk is full", "free space"),
        ("attempt to write a readonly database", "writable"),
        ("database disk image is malformed", "put a copy"),
    ],
)
def test_what_a_database_says_gets_its_mend(capsys, driver, mend):
    from sqlalchemy.exc import OperationalError

    cause = OperationalError("SELECT 1", {}, Exception(driver))
    assert mend in explained(cause, capsys)[1]
    error = StateError("the state database x cannot be used")
    error.__cause__ = cause
    code, said = explained(error, capsys)
    assert code == 1
    assert mend in said


def test_the_users_own_traceback_comes_first(capsys):
    error = ConfigError("The module 'm' cannot be imported:\n  File \"m.py\", line 1\n    x\nNameError: x")
    _, said = explained(error, capsys)
    assert said.startswith("Traceback (most recent call last):\n  File")
    assert said.endswith("\n\nError: The module 'm' cannot be imported\n")


def test_what_a_pipelines_function_raises_is_shown_without_our_lines(shop):
    lines = "import firnflow as ff", "def helper():", "    return 1 / 0", "@ff.pipeline", "def oops():", "    helper()"
    shop.module.write_text("\n".join(lines))
    said = shop.call("run", "oops")
    assert said.code == 2
    assert re.findall(r'File ".*?([^/]+)", line (\d+)', said.err) == [(shop.module.name, "6"), (shop.module.name, "3")]
    assert said.err.endswith(
        "ZeroDivisionError: division by zero\n\nError: the pipeline cannot be built: its function raised this\n"
    )


def test_secrets_do_not_appear_in_errors(capsys):
    from firnflow.project.secrets import hide

    hide("canary-cli-secret")
    assert "canary" not in explained(ConfigError("cannot log in with canary-cli-secret"), capsys)[1]


def test_secrets_do_not_appear_in_json_and_digests_stay_whole(capsys):
    from firnflow.cli._print import print_json
    from firnflow.project.secrets import hide

    hide("c0ffee99")
    print_json({"digest": "abc0ffee99", "error": {"message": "no c0ffee99"}, "loss": float("nan")})
    assert json.loads(capsys.readouterr().out) == {"digest": "abc0ffee99", "error": {"message": "no ***"}, "loss": None}


@pytest.mark.parametrize(
    "code",
    [
        "import firnflow",
        "from firnflow.cli import main; main(['--help'])",
        "from firnflow.cli import main; main(['runs'])",
    ],
)
def test_light_verbs_load_no_heavy_library(shop, code):
    shop.call("run", "broken", "--inline")
    assert loaded(code) == "[]"


def test_runs_loads_no_more_of_the_project_than_its_settings(shop):
    shop.call("run", "broken", "--inline")
    more = ("firnflow.graph.model", "firnflow.project.catalog", "firnflow.project.load", "firnflow.stores.artifacts")
    assert loaded("from firnflow.cli import main; main(['runs'])", more) == "[]"
