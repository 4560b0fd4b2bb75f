"""Named points at which tests can make a process die.

`FIRNFLOW_CRASH="commit.after_rename:kill"` makes the first process that reaches the point die of SIGKILL; `term` sends
SIGTERM, `raise` raises, `stop` waits for ever. `name:kill@3` acts at the third pass. Without the variable a point costs
one dictionary look-up. The known points are listed in POINTS; a name outside it is a mistake in the code or the test.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

POINTS = frozenset(
    {
        "run.created",  # the run's row is there, nothing has started
        "run.leased",  # this process holds the run
        "attempt.started",  # the attempt's row says running
        "task.called",  # the user's function has returned, nothing is stored
        "warehouse.computed",  # a table of a run is in the warehouse, the state does not know of it
        "artifact.written",  # the temporary file is written, not yet synced
        "artifact.synced",  # synced, not yet renamed
        "artifact.renamed",  # renamed, the state does not know of it
        "commit.before",  # all outputs are stored, the state transaction has not begun
        "commit.inside",  # inside the state transaction
        "commit.after",  # committed, nobody has been told
        "driver.told",  # the driver knows of the commit
        "finalizer.before",  # all tasks are done
        "run.ending",  # the finalizer is done
        "run.ended",  # the run's row says how it ended
        "collect.marked",  # garbage is listed, nothing is deleted
        "collect.deleted",  # the first object is deleted
        "table.written",  # a data file is stored, the version is not begun
        "table.staged",  # metadata of a version is written, the catalog does not name it
        "table.committed",  # the version is there, the task that published it is under way
        "schedule.written",  # moments are in the ledger, none is taken
        "schedule.claimed",  # one is taken, its run has not begun
        "schedule.started",  # the process of its run is there
        "schedule.settled",  # the ledger says how it ended
        "online.written",  # a part of a view's values is in the online store, its mark is not
        "apply.locked",  # this process holds the deployment, nothing has changed
        "apply.begun",  # it is written down that an action begins
        "apply.done",  # it is done, the state does not know
        "apply.recorded",  # the state knows
        "snowflake.suspended",  # the root of a task graph is suspended, its tasks are as before
        "snowflake.made",  # one of its tasks is as it should be
        "snowflake.dropped",  # what is no task any more is gone, the root is still suspended
        "model.registered",  # a version of a model is written down, the task that did so is under way
        "model.promoted",  # likewise, an alias has moved
    }
)
_passes: Counter[str] = Counter()


class InjectedCrash(BaseException):
    """What the action `raise` raises; not an Exception, so that no handler swallows it."""


def crash_point(name: str) -> None:
    """Die here if the environment asks for it."""
    wish = os.environ.get("FIRNFLOW_CRASH")
    if wish is None:
        return
    assert name in POINTS, name  # noqa: S101 - a typing mistake in our own code, never reached without the variable
    wanted, _, action = wish.partition(":")
    if wanted != name:
        return
    action, _, nth = action.partition("@")
    _passes[name] += 1
    if _passes[name] != int(nth or 1):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    elif action == "stop":
        time.sleep(3600)
    else:
        raise InjectedCrash(name)
