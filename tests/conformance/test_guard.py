"""What demo and tests start is gone when they are, also where they were killed, and in whatever session it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

DEMO = Path(__file__).parents[2] / "demo"
PARENT = """
import os, subprocess, sys, time
from guard import Guard
LEAVES_ANOTHER = "import subprocess; subprocess.Popen(['sleep', '600'], env={}, close_fds=True)"
with Guard(grace=1) as guard:
    for text in ("", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)", LEAVES_ANOTHER):
        command = [sys.executable, "-c", f"{text or 0}; import time; time.sleep(600)"]
        print(subprocess.Popen(command, env={**os.environ, **guard.variables}, start_new_session=True).pid, flush=True)
    time.sleep(2)
    print("seen", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_marked_processes_end_when_their_parent_is_killed_and_so_does_who_was_in_their_sessions():
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=DEMO, stdout=subprocess.PIPE, text=True) as parent:
        started = [psutil.Process(int(parent.stdout.readline())) for _ in range(3)]
        assert parent.stdout.readline() == "seen\n"
        unmarked = started[2].children()
        assert len(unmarked) == 1
        started[2].kill()
        stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        parent.kill()
    try:
        gone, left = psutil.wait_procs([*started, *unmarked], 40)
        assert (len(gone), left) == (4, [])
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
