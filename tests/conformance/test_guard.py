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
with Guard(grace=1) as guard:
    for text in ("", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"):
        command = [sys.executable, "-c", f"{text or 0}; import time; time.sleep(600)"]
        print(subprocess.Popen(command, env={**os.environ, **guard.variables}, start_new_session=True).pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_marked_processes_end_when_their_parent_is_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=DEMO, stdout=subprocess.PIPE, text=True) as parent:
        started = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
        stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        parent.kill()
    try:
        gone, left = psutil.wait_procs(started, 40)
        assert (len(gone), left) == (2, [])
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
