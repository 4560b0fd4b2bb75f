"""The statements and functions that the emulator knows, each with the page of Snowflake's that says what it does."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.result import Result
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

    Handler = Callable[[Session, Statement], Result]

DOCUMENTATION = "https://docs.snowflake.com/en/"
_TOPICS = (
    *("use", "selects", "functions", "changes", "containers", "tables", "tags", "grants", "altering", "history"),
    *("account_objects", "schema_objects", "users", "listings", "notifications", "dynamic", "sequences", "streams"),
    *("explain", "query_history"),
)
_STAGES = ("stages", "moving", "loading", "unloading", "inferring", "signed")
_TASKS = ("context", "statements", "listings", "history")
_PROGRAMS = ("procedures", "functions", "anonymous", "calls")
_JOBS = ("services", "listings", "history", "ml_jobs")
_MODELS = ("versions", "statements", "datasets", "experiments", "monitors", "metrics")
"""The modules of each package that register what they know."""


@dataclass(frozen=True)
class Known:
    """A kind of statement.

    Attributes:
        key: its first words.
        run: what runs it.
        page: the documentation that it follows.
        partly: what of it is not emulated; "" is nothing.
    """

    key: str
    run: Handler
    page: str
    partly: str = ""


STATEMENTS: dict[str, Known] = {}
FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Functions that the session answers, by name in capitals: called with the session and the arguments."""
RELATIONS: dict[str, Callable[..., Result]] = {}
"""Functions in FROM TABLE(…), likewise."""


def statement(key: str, page: str, *, partly: str = "") -> Callable[[Handler], Handler]:
    """Register what runs a kind of statement.

    Args:
        key: its first words.
        page: the documentation, below https://docs.snowflake.com/en/.
        partly: what of it is not emulated.
    """

    def register(run: Handler) -> Handler:
        STATEMENTS[key] = Known(key, run, DOCUMENTATION + page, partly)
        return run

    return register


def function(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function that a query can call; it is called once a statement, with constant arguments."""

    def register(run: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[name] = run
        return run

    return register


def relation(name: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Register a function that a query can read rows of."""

    def register(run: Callable[..., Result]) -> Callable[..., Result]:
        RELATIONS[name] = run
        return run

    return register


def load() -> None:
    """Import the modules that register what they know."""
    packages = {"objects": _TOPICS, "stages": _STAGES, "tasks": _TASKS, "programs": _PROGRAMS}
    packages |= {"jobs": _JOBS, "models": _MODELS}
    for package, topics in packages.items():
        for topic in topics:
            importlib.import_module(f"firnflow.emulator.{package}.{topic}")
