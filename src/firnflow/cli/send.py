"""`firnflow send`."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.stores.delivery import Deliverer, Delivery
    from firnflow.stores.state import State

_DRY = typer.Option(False, "--dry-run", help="Only say what would be sent.")  # noqa: FBT003 - Typer's way
_FOLLOW = typer.Option(None, "--follow", hidden=True, help="Send what a run writes down, until it has ended.")


def command(
    environment: str | None = _options.ENVIRONMENT,
    dry_run: bool = _DRY,
    follow: str | None = _FOLLOW,
    as_json: bool = _options.JSON,
) -> int:
    """Tell the tracker, and whoever else is to be told, what they do not know yet.

    Each run does so by itself, in a process beside it. What could not be sent, because a service was away, waits in the
    state for the next run or for this verb. Exit code 1 if something stays.
    """
    from firnflow.cli import _project
    from firnflow.cli._deliverers import deliverers
    from firnflow.cli._print import stdout_is_data
    from firnflow.stores import delivery

    if follow is not None:
        _step_back()
    root, settings = _project.settings_of(environment)
    state = _project.find_state(root, settings)
    found = deliverers(root, settings, state) if state is not None else []
    with stdout_is_data() if as_json else contextlib.nullcontext():
        before = {each.name: each.waiting() for each in found}
        done = None
        if state is not None and found and not dry_run:
            done = delivery.deliver(found, state.engine, _under_way(state, follow))
    for each in found:
        each.close()
    if follow is not None:
        typer.echo(f"{time.strftime('%Y-%m-%d %H:%M:%S')} run {follow}:")
    _print(found, before, done, as_json=as_json)
    return 1 if any(each.waiting or each.error for each in done or ()) else 0


def _step_back() -> None:
    """Let whoever else wants the processor have it."""
    with contextlib.suppress(OSError):
        os.nice(15)
    with contextlib.suppress(OSError):  # where the system shares processors by session, this counts
        Path("/proc/self/autogroup").write_text("15")


def _under_way(state: State, run: str | None) -> Callable[[], bool]:
    def ask() -> bool:
        state.reap()
        return run is not None and state.run(run).status == RunStatus.RUNNING

    return ask


def _print(found: list[Deliverer], before: dict[str, list[str]], done: list[Delivery] | None, *, as_json: bool) -> None:
    from firnflow.cli._print import print_json, say

    after = {each.name: each for each in done or ()}
    if as_json:
        print_json([_data(each, before[each.name], after.get(each.name)) for each in found])
        return
    if not found:
        say("Nobody is to be told of anything: nothing has run, or there is no tracker.")
    for each in found:
        delivery = after.get(each.name)
        if delivery is None:
            say(f"{each.name}: {len(before[each.name])} to be told")
            for line in before[each.name]:
                say(f"  {line}")
            continue
        for said in delivery.said:
            say(said, "yellow", stderr=True)
        if delivery.error:
            say(f"{each.name}: {delivery.waiting} still to be told: {delivery.error}", "red", stderr=True)
            say("They wait for the next run, or for: firnflow send", stderr=True)
        else:
            say(f"{each.name}: knows all")


def _data(deliverer: Deliverer, before: list[str], done: Delivery | None) -> dict[str, object]:
    now = deliverer.waiting() if done is not None else before
    return {
        "name": deliverer.name,
        "sent": [line for line in before if line not in now],
        "waiting": now,
        "error": done.error if done is not None else None,
        "said": list(done.said) if done is not None else [],
    }
