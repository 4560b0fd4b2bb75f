"""What the shell offers after Tab."""

from __future__ import annotations

import subprocess
import sys

from firnflow.cli import _complete


def test_names_without_importing_the_project(shop):
    shop.module.write_text(shop.module.read_text() + "\nraise SystemExit('imported')\n")
    assert _complete.pipelines("") == ["broken", "flow", "sleepy", "sourced"]
    assert _complete.pipelines("fl") == ["flow"]
    assert _complete.tasks("make,co") == ["make,count"]
    assert _complete.environments("") == ["dev", "local"]
    assert _complete.sources("ord") == ["orders"]
    assert _complete.runs("") == []


def test_runs(shop):
    shop.call("run", "broken", "--inline")
    assert _complete.runs("bro") == [shop.newest().id]


def test_outside_a_project_there_is_nothing_and_no_error(empty):
    offered = (_complete.pipelines, _complete.tasks, _complete.environments, _complete.runs, _complete.sources)
    assert [each("") for each in offered] == [[]] * 5


def test_the_shell_gets_verbs_and_names(shop):
    def complete(line, word):
        environment = {"_FIRNFLOW_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(word), "PATH": ""}
        command = [sys.executable, "-c", "from firnflow.cli import main; main()"]
        done = subprocess.run(command, cwd=shop.root, env=environment, capture_output=True, text=True)
        return done.stdout.split()

    assert complete("firnflow r", 1) == ["run", "resume", "runs"]
    assert complete("firnflow run s", 2) == ["sleepy", "sourced"]
