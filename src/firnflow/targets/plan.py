"""A plan: the difference between what should be deployed and what is, as a list of small actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from firnflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firnflow.stores.state.deployments import Address, Deployment, Deployments, Record
    from firnflow.targets.base import Found, Resource, Target


@dataclass(frozen=True, slots=True)
class _Made:
    resource: Resource
    position: int
    """Its place in the order in which the target makes them."""

    @property
    def address(self) -> Address:
        """What the resource is called."""
        return self.resource.address


@dataclass(frozen=True, slots=True)
class Create(_Made):
    """Make a resource; `again`: it was there, and somebody else has deleted it."""

    again: bool = False


@dataclass(frozen=True, slots=True)
class Change(_Made):
    """Replace a resource by another; `by_hand`: what is there is not what was applied.

    `facts` are those of what was applied, or of what is there where the target tells them.
    """

    before: Found
    facts: Mapping[str, str]
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Adopt(_Made):
    """Write down a resource that is there as it should be: an apply has died before it could."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Take away what should not be there any more."""

    address: Address
    before: Found
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """Write down that a resource is not ours any more: it is gone, or somebody has made it theirs (`where`)."""

    address: Address
    where: str | None = None


Action: TypeAlias = Create | Change | Adopt | Remove | Forget


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply would do.

    Attributes:
        target: the kind of target.
        place: which one.
        environment: of the project.
        serial: how often was applied before: where that has changed, the plan is out of date.
        actions: in the order in which they are done.
        unchanged: how many resources stay as they are.
        warnings: what people should know beside that.
    """

    target: str
    place: str
    environment: str
    serial: int
    actions: tuple[Action, ...]
    unchanged: int = 0
    warnings: tuple[str, ...] = ()


def plan_apply(target: Target, deployments: Deployments) -> Plan:
    """Return what is to be done so that just what is wanted is there.

    Raises:
        UsageError: where a resource should be, there is one that Firnflow has not made; or as `Target.wanted`.
    """
    return _plan(target, deployments.read(), target.wanted())


def plan_destroy(target: Target, deployments: Deployments) -> Plan:
    """Return what is to be done so that nothing of ours is there any more."""
    return _plan(target, deployments.read(), [])


def _plan(target: Target, deployment: Deployment, wanted: list[Resource]) -> Plan:
    records = deployment.records
    there = target.found({*(each.address for each in wanted), *records})
    foreign = [found for each in wanted if (found := there.get(each.address)) and not found.ours]
    if foreign:
        places = "\n".join(f"  {found.resource.address}: {found.where}" for found in foreign)
        raise UsageError(
            f"Where these should be there is something that this deployment has not made, which is never touched:\n"
            f"{places}\nMend: move it away, or deploy under another name"
        )
    kept = {each.address for each in wanted}
    gone = sorted(set(records) - kept, key=lambda address: records[address].position, reverse=True)
    actions = [
        action
        for position, each in enumerate(wanted)
        for action in _put(each, position, records.get(each.address), there.get(each.address))
    ]
    done = len(wanted) - len(actions)
    actions += [_take_away(records[address], there.get(address)) for address in gone]
    return Plan(
        target.name,
        target.place,
        deployment.environment,
        deployment.serial,
        tuple(actions),
        done,
        tuple(target.warnings),
    )


def _put(resource: Resource, position: int, record: Record | None, found: Found | None) -> Iterator[Action]:
    if found is None:
        yield Create(resource, position, again=record is not None and record.is_applied)
    elif found.resource.digest != resource.digest:
        by_hand = record is not None and record.is_applied and found.resource.digest != record.digest
        facts = found.resource.facts or (record.facts if record else {})
        yield Change(resource, position, found, facts, by_hand)
    elif record is None or not record.is_applied or record.digest != resource.digest:
        yield Adopt(resource, position)


def _take_away(record: Record, found: Found | None) -> Action:
    if found is None or not found.ours:
        return Forget(record.address, found.where if found is not None else None)
    return Remove(record.address, found, record.is_applied and found.resource.digest != record.digest)
