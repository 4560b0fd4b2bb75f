"""`firnflow plan`."""

from __future__ import annotations

from firnflow.cli import _options


def command(environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON) -> None:
    """Show what `firnflow apply` would change where an environment's pipelines run; change nothing."""
    from firnflow.cli import _deploy
    from firnflow.cli._print import print_json, say
    from firnflow.targets.explain import as_json as plan_as_json
    from firnflow.targets.plan import plan_apply

    target, deployments = _deploy.opened(environment)
    plan = plan_apply(target, deployments)
    if as_json:
        print_json(plan_as_json(plan))
        return
    _deploy.show(plan)
    if plan.actions:
        say(f"Do it: firnflow apply --env {plan.environment}")
