"""What `plan`, `apply` and `destroy` share: the target, the deployment, and how a plan is shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from firnflow.project import Settings
    from firnflow.stores.state.deployments import Deployments
    from firnflow.targets.base import Target
    from firnflow.targets.plan import Plan


def target_in(environment: str | None) -> tuple[Target, Settings]:
    """Return the target of an environment, and its settings; nothing is asked or made there."""
    from firnflow.cli import _project
    from firnflow.cli._print import stdout_is_data
    from firnflow.targets.choose import target_of

    with stdout_is_data():
        project = _project.load(environment)
        return target_of(project), project.settings


def opened(environment: str | None) -> tuple[Target, Deployments]:
    """Return the target of an environment, and what is deployed there. Its state is made where there is none."""
    from firnflow.cli import _project
    from firnflow.stores.state import State
    from firnflow.stores.state.deployments import Deployments

    target, settings = target_in(environment)
    state = State(settings.state.reveal())
    _project.opened.callback(state.close)
    return target, Deployments(state, settings.project, settings.environment, target.name)


def show(plan: Plan) -> None:
    """Print a plan for people."""
    from firnflow.cli._print import say
    from firnflow.targets.explain import as_lines

    for line in as_lines(plan):
        say(*line)


def do(plan: Plan, target: Target, deployments: Deployments, *, yes: bool, question: str, as_json: bool) -> int:
    """Show a plan, ask, and do it.

    Args:
        plan: what to do.
        target: where.
        deployments: where it is written down.
        yes: do not ask.
        question: what is asked.
        as_json: print one JSON document.

    Raises:
        UsageError: somebody is to be asked, and nobody is there.
    """
    from firnflow.cli._print import print_json, say
    from firnflow.engine.origin import who
    from firnflow.errors import UsageError
    from firnflow.targets.apply import apply_plan
    from firnflow.targets.explain import as_json as plan_as_json
    from firnflow.targets.explain import summary

    if not as_json:
        show(plan)
    if plan.actions and not yes:
        if as_json or not sys.stdin.isatty():
            raise UsageError("Nobody is here to say yes, so nothing was changed. Mend: --yes")
        if not typer.confirm(question):
            say("Nothing was changed.")
            return 1

    def tell(action: object) -> None:
        if not as_json:
            say(f"Done: {type(action).__name__.lower()} {getattr(action, 'address', '')}")

    if plan.actions:
        apply_plan(plan, target, deployments, "@".join(each or "?" for each in who().values()), tell)
    if as_json:
        print_json({**plan_as_json(plan), "applied": True})
    elif plan.actions:
        say(f"Applied: {summary(plan)}", "green")
    return 0
