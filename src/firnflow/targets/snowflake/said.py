"""What tasks have said that were executed in the warehouse: the logs of their attempts, which procedures leave behind.

They lie on the stage (`beside/here.py`), in folders that get them by turns, and in those in one for each run. Whatever
ends a run empties the one that comes next.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from firnflow.engine import logs
from firnflow.targets.operate import LogLine
from firnflow.targets.snowflake.beside.procedure import LOG_FOLDERS
from firnflow.targets.snowflake.grammar.statements import Get
from firnflow.targets.snowflake.grammar.values import Location, Uri

if TYPE_CHECKING:
    from firnflow.targets.snowflake.account import Account
    from firnflow.targets.snowflake.compile.place import Place


def lines(account: Account, place: Place, run: str, task: str, element: int) -> list[LogLine]:
    """Return what the attempts of a task, or of an element of a map, have said, the first attempt first."""
    file = logs.attempt_file(Path(), run, task, element, 0)
    folders = [f"{place.logs}/{turn}/{file.parent.name}" for turn in range(LOG_FOLDERS)]
    names = {
        PurePosixPath(path).name: folder
        for folder in folders
        for path in account.files(Location(place.stage, f"{folder}/"))
    }
    pattern = re.compile(re.escape(file.name.removesuffix(".0.jsonl")) + r"\.(\d+)\.jsonl")
    numbers = {int(found[1]): found[0] for name in names if (found := pattern.fullmatch(name)) is not None}
    said: list[LogLine] = []
    with tempfile.TemporaryDirectory(prefix="firnflow-") as here:
        for _, name in sorted(numbers.items()):
            account.do(Get(Location(place.stage, f"{names[name]}/{name}"), Uri(f"file://{here}/")))
            read, _ = logs.read(Path(here) / name)
            said += [LogLine(line["at"], line["level"], line["source"], line["message"]) for line in read]
    return said
