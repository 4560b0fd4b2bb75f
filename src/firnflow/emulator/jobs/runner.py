"""Runs jobs: as many instances at once as a compute pool has nodes.

A job that was under way when the server ended is an INTERNAL_ERROR when it starts again.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firnflow.emulator.programs.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.account import Account
    from firnflow.emulator.catalog import FullName

PENDING, RUNNING, DONE, FAILED, CANCELLED = "PENDING", "RUNNING", "DONE", "FAILED", "CANCELLED"
INTERNAL_ERROR = "INTERNAL_ERROR"
ENDED = (DONE, FAILED, CANCELLED, INTERNAL_ERROR)
_LOOK = 0.05


@dataclass(eq=False)
class Job:
    """A job.

    Attributes:
        path: its full name.
        pool: where it runs.
        words: what each instance runs; the ones behind the first run `others`, if that is there.
        variables: the environment of all.
        folder: of the job; the instances' logs lie there.
        instances: how many.
        waits_for_first: whether the first instance alone decides: the others are ended with it.
        nodes: those that it has now.
        scratch: a folder outside that is to go with its processes, if it is made.
    """

    path: FullName
    pool: str
    words: list[str]
    variables: dict[str, str]
    folder: Path
    instances: int = 1
    others: list[str] | None = None
    waits_for_first: bool = False
    nodes: int = 0
    scratch: Path | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class Jobs:
    """The jobs of an account that are under way.

    Args:
        account: whose.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._running: dict[FullName, Job] = {}
        self._lock = threading.Condition()
        for thing in account.catalog.all("SERVICE"):
            if thing.body["state"] not in ENDED:
                account.catalog.put(thing.changed(state=INTERNAL_ERROR))

    def start(self, job: Job) -> None:
        """Start a job; it waits for nodes by itself."""
        job.folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._running[job.path] = job
        job.thread = threading.Thread(target=self._run, args=(job,), name=f"job {job.path[-1]}")
        job.thread.start()

    def get(self, path: FullName) -> Job | None:
        """Return a job that is under way, or None."""
        with self._lock:
            return self._running.get(path)

    def cancel(self, path: FullName) -> None:
        """End a job, and wait until no process of it is left."""
        job = self.get(path)
        if job is not None:
            job.cancelled.set()
            with self._lock:
                self._lock.notify_all()
            job.ended.wait()

    def in_pool(self, pool: str) -> list[FullName]:
        """Return the jobs in a pool."""
        with self._lock:
            return [job.path for job in self._running.values() if job.pool == pool]

    def _run(self, job: Job) -> None:
        state, codes = INTERNAL_ERROR, list[Any]()
        try:
            if self._has_nodes(job):
                self._note(job, state=RUNNING, started=time.time())
                state, codes = self._instances(job)
            else:
                state = CANCELLED
        finally:
            self._account.forget_token(job.variables["SNOWFLAKE_TOKEN"])
            if job.scratch is not None:
                self.forget(job.scratch)
            self._note(job, state=state, codes=codes, ended=time.time())
            with self._lock:
                self._running.pop(job.path, None)
                self._lock.notify_all()
            job.ended.set()

    def _has_nodes(self, job: Job) -> bool:
        """Wait until the pool has nodes for all instances; return whether it has, before the job was cancelled."""
        with self._lock:
            while not job.cancelled.is_set():
                pool = self._account.catalog.get("COMPUTE POOL", (job.pool,))
                taken = sum(each.nodes for each in self._running.values() if each.pool == job.pool)
                if pool is not None and taken + job.instances <= int(pool.body["MAX_NODES"]):
                    job.nodes = job.instances
                    return True
                self._lock.wait(1.0)
        return False

    def _instances(self, job: Job) -> tuple[str, list[Any]]:
        """Run the instances to their end; return the job's state and their exit codes."""
        processes: list[Process] = []
        try:
            processes.extend(self._instance(job, at) for at in range(job.instances))
            while not job.cancelled.is_set() and not _is_over(job, processes):
                job.cancelled.wait(_LOOK)
        except OSError as error:  # there is no such program
            self._log(job, 0).write_text(f"{error}\n", encoding="utf-8")
            return FAILED, [127] * job.instances
        finally:
            for at, process in enumerate(processes):
                process.end(*([0.0] if at and job.waits_for_first else []))
        codes = [process.popen.returncode for process in processes]
        if job.cancelled.is_set():
            return CANCELLED, codes
        deciding = codes[:1] if job.waits_for_first else codes
        return (DONE if not any(deciding) else FAILED), codes

    def _instance(self, job: Job, at: int) -> Process:
        variables = {**job.variables, "SNOWFLAKE_JOB_INDEX": str(at), "SNOWFLAKE_CONTAINER_NAME": "main"}
        words = job.words if at == 0 or job.others is None else job.others
        folder = job.folder / f"instance{at}"
        folder.mkdir(exist_ok=True)
        with self._log(job, at).open("wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
            return Process(words, folder, variables, **streams)

    def _log(self, job: Job, at: int) -> Path:
        return job.folder / f"{at}.log"

    def _note(self, job: Job, **told: Any) -> None:
        thing = self._account.catalog.get("SERVICE", job.path)
        if thing is not None:  # not dropped
            self._account.catalog.put(thing.changed(**told))

    def forget(self, folder: Path) -> None:
        """Delete what a job has left."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End all jobs."""
        with self._lock:
            left = list(self._running)
        for path in left:
            with contextlib.suppress(RuntimeError):
                self.cancel(path)


def _is_over(job: Job, processes: list[Process]) -> bool:
    asked = processes[:1] if job.waits_for_first else processes
    return all(each.popen.poll() is not None for each in asked)
