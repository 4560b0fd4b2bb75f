"""The verbs in an environment whose pipelines run elsewhere: one module a verb, called as the verb is.

`steered` is the one place that chooses: a verb does what it does here, or the module of its name in this package does
it by asking the target of the environment (`targets/operate.py`).
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from firnflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.cli._elsewhere._site import Site

Verb = TypeVar("Verb", bound="Callable[..., Any]")


def steered(*, state_will_do: bool = False) -> Callable[[Verb], Verb]:
    """Return what has a verb done by the target of its environment, where that is not this machine.

    Args:
        state_will_do: whether the state alone is better than nothing, where nobody says where the target is.
    """

    def decorate(verb: Verb) -> Verb:
        @functools.wraps(verb)
        def choose(**options: Any) -> Any:
            """Do a verb, here or there; `environment` is among its options."""
            site = _chosen(options["environment"], state_will_do=state_will_do)
            if site is None:
                return verb(**options)
            module = importlib.import_module(f"{__name__}.{verb.__module__.rpartition('.')[2]}")
            del options["environment"]
            return module.command(site, **options)

        return choose  # type: ignore[return-value] # it takes what the verb takes

    return decorate


def _chosen(environment: str | None, *, state_will_do: bool) -> Site | None:
    """Return the environment at its target; None: it is this machine, or the state has to do."""
    from firnflow.cli import _project
    from firnflow.targets.choose import operator_of

    root, settings = _project.settings_of(environment)
    try:
        operator = operator_of(root, settings)
    except UsageError as error:
        if not state_will_do:
            raise
        typer.echo(f"Only what the state knows: {error}", err=True)
        return None
    if operator is None:
        return None
    from firnflow.cli._elsewhere._site import Site

    return Site(root, settings, operator)
