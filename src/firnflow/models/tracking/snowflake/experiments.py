"""Runs in Snowflake's experiments: a run is a run there, an element of a map one of its own beside it.

A run is told whole, when it has ended, as what is committed there cannot be changed: told again, it takes the place of
the one before, which holds for one that a killed sender has left half told. Beside what Snowflake takes as parameters
and metrics, of which a run may hold so much only, all of it lies in the file `run.json` of the run.
https://docs.snowflake.com/en/sql-reference/sql/alter-experiment
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from firnflow.errors import StoreError
from firnflow.models.tracking.base import PAGE
from firnflow.status import RunStatus
from firnflow.stores.snowflake.names import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.context import Point
    from firnflow.models.tracking.base import Story
    from firnflow.stores.snowflake.account import Account

_MOST = 400
"""Metrics or parameters in one statement."""
_LONGEST = 2_000
"""Characters of a parameter; `run.json` has all."""
_FULL = 400_003
"""The number of the error of a run that holds no more, as Snowflake's client knows it."""
_OWN_ID = re.compile(r"[a-z0-9_]+-\d{6}-\d{6}-[0-9a-f]+")
_OWNERS = ("firnflow.project", "firnflow.environment")


def tell(account: Account, story: Story) -> dict[str, str]:
    """Take a run and its parts in; return what they are called, by key, and the run's page.

    Raises:
        StoreError: Snowflake cannot be reached, refuses, or has a run of this name that is somebody else's.
    """
    experiment = _plain(story.experiment)
    full = account.full(experiment)
    account.rows(f"CREATE EXPERIMENT IF NOT EXISTS {full}")
    _check_ours(account, full, story)
    named = {}
    for each in (*story.parts, story):  # the run itself last: where it is, all is told
        named[each.key] = run_name(each.key)
        _tell(account, full, named[each.key], each)
    return named | _page(account, experiment, named[story.key])


def run_name(key: str) -> str:
    """Return what a run, or an element of one, is called: its key in capitals, with `$` between its parts."""
    run, *part = key.split("/")
    name = "$".join([_plain(run), *(each.replace(".", "$").upper() for each in part)])
    if _OWN_ID.fullmatch(run) and key == key.lower() and len(name) <= 200:
        return name
    return f"{name[:200]}_{hashlib.sha256(key.encode()).hexdigest()[:8].upper()}"  # others may come to the same name


def _tell(account: Account, experiment: str, name: str, story: Story) -> None:
    run = identifier(name)
    if any(str(row["name"]) == name for row in _runs(account, experiment, name)):
        account.rows(f"ALTER EXPERIMENT {experiment} DROP RUN {run}")
    account.rows(f"ALTER EXPERIMENT {experiment} ADD RUN {run}")
    texts = {**story.params, **story.tags}
    params = [{"name": key, "value": text[:_LONGEST]} for key, text in texts.items()]
    metrics = [
        {"name": point.name, "value": point.value, "step": point.step}
        for point in story.points
        if math.isfinite(point.value)
    ]
    for what, entries in (("PARAMETERS", params), ("METRICS", metrics)):
        _add(account, f"ALTER EXPERIMENT {experiment} MODIFY RUN {run} ADD {what}", entries)
    _upload(account, f"snow://experiment/{experiment}/versions/{run}", story)
    status = "FINISHED" if story.status == RunStatus.SUCCEEDED else "FAILED"
    account.rows(f"ALTER EXPERIMENT {experiment} COMMIT RUN {run} WITH STATUS = '{status}'")


def _add(account: Account, change: str, entries: Sequence[dict[str, Any]]) -> None:
    """Add parameters or metrics, until the run holds no more."""
    for start in range(0, len(entries), _MOST):
        # JSON without a dollar sign cannot end the string that dollars begin
        text = json.dumps(entries[start : start + _MOST]).replace("$", "\\u0024")
        try:
            account.rows(f"{change} = $${text}$$")
        except StoreError as error:
            if getattr(error.__cause__, "errno", None) == _FULL:
                return
            raise


def _upload(account: Account, place: str, story: Story) -> None:
    with tempfile.TemporaryDirectory(prefix="firnflow-") as scratch:
        whole = Path(scratch) / "run.json"
        whole.write_text(json.dumps(_whole(story), ensure_ascii=False, indent=1), "utf-8")
        account.put(whole, place)
        for number, file in enumerate(story.files):
            folder, _, name = file.name.rpartition("/")
            copy = Path(scratch) / str(number) / name
            copy.parent.mkdir()
            shutil.copyfile(file.path, copy)  # a link would keep the name of the stored file
            account.put(copy, f"{place}/{folder}")
            copy.unlink()


def _whole(story: Story) -> dict[str, Any]:
    """Return all that is told of a run, but its files and parts, as JSON."""
    about = {
        name: getattr(story, name)
        for name in ("key", "name", "status", "started_at", "ended_at", "description", "params", "tags")
    }
    datasets = [asdict(each) for each in story.datasets]
    return {**about, "datasets": datasets, "points": [_point(point) for point in story.points]}


def _point(point: Point) -> dict[str, Any]:
    return {**point._asdict(), "value": point.value if math.isfinite(point.value) else str(point.value)}


def _check_ours(account: Account, experiment: str, story: Story) -> None:
    name = run_name(story.key)
    if not any(str(row["name"]) == name for row in _runs(account, experiment, name)):
        return
    rows = account.rows(f"SHOW RUN PARAMETERS IN EXPERIMENT {experiment} RUN {identifier(name)}")
    there = {str(row["name"]): str(row["value"]) for row in rows}
    for owner in _OWNERS:
        if there.get(owner, story.tags.get(owner)) != story.tags.get(owner):
            raise StoreError(
                f"run {name} of experiment {experiment} is of {owner.partition('.')[2]} {there[owner]!r}. Mend: "
                "another `experiment` in [environments.….tracking] of firnflow.toml, or another schema"
            )


def _runs(account: Account, experiment: str, name: str) -> list[dict[str, Any]]:
    like = re.sub(r"([\\_%])", r"\\\1", name)
    return account.rows(f"SHOW RUNS LIKE {literal(like)} IN EXPERIMENT {experiment}")


def _plain(text: str) -> str:
    """Return a name that needs no quotes: in addresses of files quotes may not stand."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII).upper()
    return name if re.match(r"[A-Z_]", name) else f"_{name}"


def _page(account: Account, experiment: str, run: str) -> dict[str, str]:
    """Return the address of Snowflake's page of a run; a server of one's own has none."""
    if not account.host.endswith((".snowflakecomputing.com", ".snowflakecomputing.cn")):
        return {}
    database, schema = map(quote, account.schema)
    place = f"databases/{database}/schemas/{schema}/experiments/{quote(experiment)}/runs/{quote(run)}"
    return {PAGE: f"https://app.snowflake.com/_deeplink/#/experiments/{place}"}
