"""Parses the DAG files of a folder as Airflow does: each in a fork of a process that has loaded Airflow.

python airflow_parse.py FOLDER [FILE]: prints the seconds and the memory that it took, and what was found.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil


def parse(file: Path, folder: Path) -> dict[str, Any]:
    """Return what a file took: seconds, bytes of memory of its own, tasks, and bytes of the serialized DAGs."""
    import structlog
    from airflow.dag_processing.processor import DagFileParseRequest, _parse_file

    process = psutil.Process()
    before, began = process.memory_full_info().uss, time.perf_counter()
    wanted = DagFileParseRequest(file=str(file), bundle_path=folder, bundle_name="b", callback_requests=[])
    found = _parse_file(wanted, structlog.get_logger())
    seconds = time.perf_counter() - began
    memory = process.memory_full_info().uss - before
    assert not found.import_errors, found.import_errors
    dags = [dag.data["dag"] for dag in found.serialized_dags]
    written = sum(len(json.dumps(dag.data, default=str)) for dag in found.serialized_dags)
    return {"seconds": seconds, "memory": memory, "found": sum(len(dag["tasks"]) for dag in dags), "bytes": written}


def forked(file: Path, folder: Path) -> dict[str, Any]:
    """Return what `parse` says in a fork."""
    reads, writes = os.pipe()
    if (child := os.fork()) == 0:
        with os.fdopen(writes, "w") as pipe:
            json.dump(parse(file, folder), pipe)
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def main(folder: Path, name: str = "*.py") -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Airflow's log goes to stdout
    import airflow.dag_processing.manager  # noqa: F401 - what the DAG processor has loaded when it forks

    found = [forked(file, folder) for file in sorted(folder.rglob(name))]
    said = {name: sum(each[name] for each in found) for name in ("seconds", "found", "bytes")}
    said["slowest"] = max(each["seconds"] for each in found)
    said["memory"] = max(each["memory"] for each in found)
    with answers:
        print(json.dumps({"inside": said.pop("seconds"), "files": len(found), **said}), file=answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
