"""`firnflow destroy`."""

from __future__ import annotations

from firnflow.cli import _options


def command(
    yes: bool = _options.YES, environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON
) -> int:
    """Take away what `firnflow apply` has deployed for an environment, and nothing else, after a question.

    Runs, values, tables and models stay.
    """
    from firnflow.cli import _deploy
    from firnflow.targets.plan import plan_destroy

    target, deployments = _deploy.opened(environment)
    plan = plan_destroy(target, deployments)
    return _deploy.do(plan, target, deployments, yes=yes, question="Take all of this away?", as_json=as_json)
