from __future__ import annotations

import io
import json
import logging
import resource
import signal
import subprocess
import sys
import warnings

import pytest

from firnflow.engine.logs import AttemptLog, attempt_file, capture, read


def test_what_is_printed_logged_and_warned_is_kept_line_by_line(tmp_path):
    path = tmp_path / "a.jsonl"
    with capture(AttemptLog(path)):
        print("one\ntwo", end="")
        print(" and more")
        print("to stderr", file=sys.stderr)
        logging.getLogger("lib").info("logged %d", 7)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("careful", stacklevel=1)
        print("no line end", end="")
    lines, _ = read(path)
    said = [(line["source"], line["message"]) for line in lines]
    assert said[:4] == [("stdout", "one"), ("stdout", "two and more"), ("stderr", "to stderr"), ("lib", "logged 7")]
    assert said[4][0] == "py.warnings"
    assert "careful" in said[4][1]
    assert said[5] == ("stdout", "no line end")
    assert [line["level"] for line in lines] == ["info", "info", "warning", "info", "warning", "info"]


def test_streams_and_loggers_are_put_back(tmp_path):
    before = sys.stdout, sys.stderr, logging.getLogger().level, list(logging.getLogger().handlers)
    with capture(AttemptLog(tmp_path / "a.jsonl")):
        pass
    assert (sys.stdout, sys.stderr, logging.getLogger().level, list(logging.getLogger().handlers)) == before
    assert not (tmp_path / "a.jsonl").exists()


def test_a_progress_bar_leaves_its_last_state(tmp_path):
    with capture(AttemptLog(tmp_path / "a.jsonl")):
        print("10 %\r50 %\r100 %")
    assert [line["message"] for line in read(tmp_path / "a.jsonl")[0]] == ["100 %"]


def test_a_prompt_is_shown_before_its_line_ends(tmp_path):
    echo = io.StringIO()
    with capture(AttemptLog(tmp_path / "a.jsonl", echo=echo)):
        print("first")
        print("(Pdb) ", end="", flush=True)
        assert echo.getvalue() == "first\n(Pdb) "
        print("2")
        print("\r10 %", end="", flush=True)
        assert echo.getvalue() == "first\n(Pdb) 2\n"
        print("\r100 %")
    assert echo.getvalue() == "first\n(Pdb) 2\n100 %\n"
    assert [line["message"] for line in read(tmp_path / "a.jsonl")[0]] == ["first", "(Pdb) 2", "100 %"]


def test_a_torn_last_line_is_left_for_later(tmp_path):
    path = tmp_path / "a.jsonl"
    line = {"at": 1, "level": "info", "source": "x", "message": "whole"}
    path.write_text(json.dumps(line) + "\n" + json.dumps(line)[:30])
    lines, offset = read(path)
    assert [line["message"] for line in lines] == ["whole"]
    with path.open("ab") as file:
        file.write(json.dumps(line)[30:].encode() + b"\n")
    assert [line["message"] for line in read(path, offset)[0]] == ["whole"]
    assert read(tmp_path / "none", 5) == ([], 5)


def test_names_become_safe_file_names(tmp_path):
    path = attempt_file(tmp_path, "../run", "a/../../b", 3, 1)
    assert path.parent.parent == tmp_path
    assert "/" not in path.name
    assert attempt_file(tmp_path, "..", "..", -1, 1).resolve().is_relative_to(tmp_path.resolve())
    assert attempt_file(tmp_path, "..", "x", -1, 1).resolve().parent.parent == tmp_path.resolve()


def test_secrets_are_hidden(tmp_path):
    log = AttemptLog(tmp_path / "a.jsonl", lambda text: text.replace("hunter2", "***"))
    log.write("x", "password hunter2")
    log.close()
    assert "hunter2" not in (tmp_path / "a.jsonl").read_text()


def test_a_disk_that_takes_no_line_ends_nothing_and_is_told_of(tmp_path):
    log = AttemptLog(tmp_path / "a.jsonl")
    log.write("x", "one")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # what Linux sends with EFBIG
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "a.jsonl").stat().st_size + 20, limit[1]))
    try:
        log.write("x", "two, of which some letters are written")
        log.write("x", "three")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    log.write("x", "four")
    log.close()
    said = [line["message"] for line in read(tmp_path / "a.jsonl")[0]]
    assert said[1].startswith('a damaged line: {"at": ')
    assert said[:1] + said[2:] == ["one", "2 lines could not be written here", "four"]


@pytest.mark.parametrize(
    "spoilt",
    [
        b"\xff",
        b"[]",
        b'{"at": 1}',
        b"[" * 100_000,
        b'{"at": 1e300, "level": "info", "source": "x", "message": "y"}',
        b'{"at": "1", "level": "info", "source": "x", "message": "y"}',
        b'{"at": 1, "level": "", "source": "x"}',
    ],
    ids=lambda text: text[:40].decode("latin-1"),
)
def test_a_damaged_line_is_shown_and_hides_no_other(tmp_path, spoilt):
    log = AttemptLog(tmp_path / "a.jsonl")
    log.write("x", "one")
    log.close()
    one = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(one + spoilt + b"\n" + one)
    lines, _ = read(tmp_path / "a.jsonl")
    assert [line["message"][:15] for line in lines] == ["one", "a damaged line:", "one"]
    assert lines[1]["at"] == lines[0]["at"]


def test_libraries_and_children_that_write_to_the_descriptors_are_heard(lab):
    project = lab("""
        import os, subprocess

        @ff.task
        def loud() -> None:
            os.write(1, b"from a C library\\n")
            subprocess.run(["echo", "from a child"])

        @ff.pipeline
        def flow():
            loud()
    """)
    result = project.run()
    path = attempt_file(project.root / ".firnflow" / "logs", result.run, "loud", -1, 1)
    said = "\n".join(line["message"] for line in read(path)[0])
    assert "from a C library" in said
    assert "from a child" in said
    assert subprocess.run(["true"]).returncode == 0
