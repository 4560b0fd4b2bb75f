"""`firnflow apply`."""

from __future__ import annotations

from firnflow.cli import _options


def command(
    yes: bool = _options.YES, environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON
) -> int:
    """Deploy an environment's pipelines to where they run: do what `firnflow plan` shows, after a question.

    Killed in the middle, the same command goes on. Of two at once one is refused.
    """
    from firnflow.cli import _deploy
    from firnflow.targets.plan import plan_apply

    target, deployments = _deploy.opened(environment)
    plan = plan_apply(target, deployments)
    return _deploy.do(plan, target, deployments, yes=yes, question="Apply?", as_json=as_json)
