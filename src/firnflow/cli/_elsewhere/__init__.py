"""The verbs in an environment whose pipelines run elsewhere: one module a verb, called as the verb is.

`steered` is the one place that chooses: a verb does what it does here, or the module of its name in this package does
it by asking the target of the environment (`targets/operate.py`).
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Verb = TypeVar("Verb", bound="Callable[..., Any]")


def steered(verb: Verb) -> Verb:
    """Have a verb done by the target of its environment, where that is not this machine.

    Args:
        verb: what is done here; `environment` is among its options.
    """

    @functools.wraps(verb)
    def choose(**options: Any) -> Any:
        from firnflow.cli import _project
        from firnflow.targets.choose import operator_of

        root, settings = _project.settings_of(options["environment"])
        operator = operator_of(settings)
        if operator is None:
            return verb(**options)
        from firnflow.cli._elsewhere._site import Site

        name = verb.__module__.rpartition(".")[2]
        module = importlib.import_module(f"{__name__}.{name}")
        del options["environment"]
        return module.command(Site(root, settings, operator), **options)

    return choose  # type: ignore[return-value] # it takes what the verb takes
