"""`firnflow plan`."""

from __future__ import annotations

import typer

from firnflow.cli import _options

_GRANTS = typer.Option(False, "--grants", help="Print a script for a role that may do just this, and ask nobody.")  # noqa: FBT003


def command(
    environment: str | None = _options.ENVIRONMENT, grants: bool = _GRANTS, as_json: bool = _options.JSON
) -> None:
    """Show what `firnflow apply` would change where an environment's pipelines run; change nothing."""
    from firnflow.cli import _deploy
    from firnflow.cli._print import print_json, say
    from firnflow.errors import UsageError
    from firnflow.targets.base import Granted
    from firnflow.targets.explain import as_json as plan_as_json
    from firnflow.targets.plan import plan_apply

    if grants:
        target, _ = _deploy.target_in(environment)
        if not isinstance(target, Granted):
            raise UsageError(f"--grants: on {target.name} there are no roles to grant anything to")
        typer.echo("\n".join(target.grants()))
        return
    target, deployments = _deploy.opened(environment)
    plan = plan_apply(target, deployments)
    if as_json:
        print_json(plan_as_json(plan))
        return
    _deploy.show(plan)
    if plan.actions:
        say(f"Do it: firnflow apply --env {plan.environment}")
