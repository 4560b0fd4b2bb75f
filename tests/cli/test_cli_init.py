"""`firnflow init`: the project that it writes is complete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def new(empty):
    """A new project, in the working directory."""
    assert empty.call("init").code == 0
    return empty


@pytest.mark.slow
def test_it_runs(new):
    called = new.process("run", "sales", "--json", "--workers", "1")
    assert called.code == 0
    assert called.json["tasks"]["alert"]["state"] == "skipped"
    page = Path(called.json["outputs"]["report"]["place"]).read_text()
    assert page.count("<tr>") == 4  # a head and the three countries that firnflow.toml asks for
    strict = new.process("run", "sales", "--json", "--workers", "1", "--env", "strict")
    assert strict.json["tasks"]["report"]["state"] == "skipped"
    assert strict.json["tasks"]["clean"]["cached"]


@pytest.mark.slow
def test_its_tests_pass(new):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(command, cwd=new.root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_what_it_writes_is_well_formed(new):
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "E,F,I,UP,B",
        "--line-length",
        "110",
        ".",
    ]
    done = subprocess.run(command, cwd=new.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_doctor_is_content_with_it(new):
    called = new.call("doctor", "--json")
    assert called.code == 0
    assert not [finding for finding in called.json if finding["state"] in {"warning", "broken"}]


def test_the_name_of_the_folder_becomes_that_of_the_project(empty):
    called = empty.call("init", "2024 über-Shop")
    assert called.code == 0
    assert 'name = "ber-Shop"' in (empty.root / "2024 über-Shop" / "firnflow.toml").read_text()


def test_nothing_is_overwritten(new):
    (new.root / "pipelines.py").write_text("mine")
    called = new.call("init")
    assert called.code == 2
    assert "pipelines.py" in called.err
    assert (new.root / "pipelines.py").read_text() == "mine"


def test_files_of_a_repository_are_left_alone(empty):
    (empty.root / "README.md").write_text("mine")
    (empty.root / ".gitignore").write_text("mine")
    called = empty.call("init")
    assert called.code == 0
    assert "add .firnflow/ to it" in called.out
    assert (empty.root / "README.md").read_text() == "mine"


def test_a_failure_leaves_nothing(empty, monkeypatch):
    write = Path.write_text

    def full(path, *arguments, **options):
        if path.name == "conftest.py":
            raise OSError(28, "No space left on device")
        return write(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    called = empty.call("init")
    assert called.code == 1
    assert "the disk is full" in called.err
    assert not [path for path in empty.root.rglob("*") if path.is_file()]
