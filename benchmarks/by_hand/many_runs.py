"""Runs the pipeline `one` of a project many times, in this process.

python many_runs.py FOLDER COUNT
"""

from __future__ import annotations

import sys
from pathlib import Path

from firnflow.engine.request import RunRequest
from firnflow.engine.run import run
from firnflow.project import load_project


def main(folder: Path, count: int) -> None:
    project = load_project(folder)
    for _ in range(count):
        run(project, RunRequest("one", inline=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
