"""The tag of what runs send to Snowflake, by which its cost is asked for: project, pipeline, run and task, as JSON.

A tag goes with each statement, not with the session, as the tasks of a process share one. Statements outside of runs
keep the tag of their session. https://docs.snowflake.com/en/sql-reference/parameters#query-tag
"""

from __future__ import annotations

import json
from typing import Any

from firnflow import context

LONGEST = 2_000
"""Characters of a tag."""


def as_text(**said: str) -> str:
    """Return a tag; texts that would make it longer than Snowflake takes are cut."""
    most = LONGEST
    while True:
        text = json.dumps({"firnflow": {key: each[:most] for key, each in said.items() if each}}, ensure_ascii=False)
        if len(text) <= LONGEST:
            return text
        most //= 2


def query_tag() -> str | None:
    """Return the tag of the task that runs in this thread; None outside of runs."""
    running = context.current()
    settings: Any = getattr(running.services, "settings", None) if running is not None else None
    if running is None or settings is None:
        return None
    task = running.task if running.element < 0 else f"{running.task}[{running.element}]"
    where = {"project": settings.project, "environment": settings.environment}
    return as_text(**where, pipeline=running.pipeline, run=running.run, task=task)


def tagged(connection: Any) -> Any:
    """Return a connection of Snowflake's connector whose cursors send the tag with each statement."""
    own = connection.cursor

    def cursor(*kinds: Any) -> Any:
        made = own(*kinds)
        send = made.execute

        def execute(command: str, params: Any = None, *more: Any, **options: Any) -> Any:
            tag = query_tag()
            if tag is not None:
                options["_statement_params"] = {**(options.get("_statement_params") or {}), "QUERY_TAG": tag}
            return send(command, params, *more, **options)

        made.execute = execute
        return made

    connection.cursor = cursor
    return connection
