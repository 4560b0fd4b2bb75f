"""What names and keys look like: apart from the graph's models, whose making takes long, for those who need no more."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

NAME = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"
PATH = r"^[A-Za-z][A-Za-z0-9_]{0,99}(\.[A-Za-z][A-Za-z0-9_]{0,99}){0,7}$"

KEY = r"^[\w.]+:[\w.<>]+$"

Name = Annotated[str, Field(pattern=NAME)]
TaskPath = Annotated[str, Field(pattern=PATH)]
"""A task's name in its graph; a task of a sub-pipeline is `group.task`."""
