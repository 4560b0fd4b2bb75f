"""Does what a plan says: one of the two that walk a plan.

Before the first action the deployment is taken by compare and swap; each action is written down before it is begun and
after it is done. Whatever dies in between, another apply finds what is there and goes on: an action is safe to repeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow._crash import crash_point
from firnflow.targets.plan import Adopt, Change, Create, Forget, Remove

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.stores.state.deployments import Deployments, Held
    from firnflow.targets.base import Target
    from firnflow.targets.plan import Action, Plan


def apply_plan(
    plan: Plan, target: Target, deployments: Deployments, by: str, tell: Callable[[Action], None] = lambda _: None
) -> None:
    """Do all that a plan says.

    Args:
        plan: what to do.
        target: where.
        deployments: where it is written down.
        by: who applies.
        tell: is told of each action that is done.

    Raises:
        DeployConflictError: somebody else applies, or has applied since the plan was made; or as `Target.put`.
        StoreError: as `Target.put`.
    """
    with deployments.hold(plan.serial, by) as held:
        crash_point("apply.locked")
        for action in plan.actions:
            _do(action, target, held)
            crash_point("apply.recorded")
            tell(action)


def _do(action: Action, target: Target, held: Held) -> None:
    """Do one action, written down before and after."""
    if isinstance(action, Create | Change):
        resource = action.resource
        held.begin(resource.address, resource.digest, resource.facts, action.position)
        crash_point("apply.begun")
        target.put(resource, action.before if isinstance(action, Change) else None)
        crash_point("apply.done")
        held.applied(resource.address, resource.digest, "create" if isinstance(action, Create) else "change")
    elif isinstance(action, Adopt):
        resource = action.resource
        held.begin(resource.address, resource.digest, resource.facts, action.position)
        crash_point("apply.begun")
        held.applied(resource.address, resource.digest, "adopt")
    elif isinstance(action, Remove):
        target.drop(action.before)
        crash_point("apply.done")
        held.removed(action.address, "remove")
    else:
        assert isinstance(action, Forget)  # noqa: S101 - the last of the actions
        held.removed(action.address, "forget")
