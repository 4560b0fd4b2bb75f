"""What every target speaks of: resources that should be there, what is found, and the target itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from firnflow.stores.state.deployments import Address


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that should be there.

    Attributes:
        address: what it is called.
        text: what it is, all of it: a file's content, or a definition in a form that does not depend on how the target
            prints it. Two resources are the same where their texts are.
        facts: what people want to know of it, name → value; a change is shown by the facts that differ.
    """

    address: Address
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is there, whoever made it.

    Attributes:
        resource: what it is; its facts are empty where the target cannot tell them.
        ours: whether it carries the mark of this project and environment.
        where: where it is, for people.
    """

    resource: Resource
    ours: bool
    where: str


class Target(Protocol):
    """One place to deploy to, for one environment of a project.

    Attributes:
        name: of the kind of target, `airflow`.
        warnings: what a plan should say beside its actions; complete once `wanted` was called.
    """

    name: str
    warnings: list[str]

    @property
    def place(self) -> str:
        """Which one it is, for people."""

    def wanted(self) -> list[Resource]:
        """Return what should be there, in the order in which it is made; what goes goes in the reverse of it.

        Raises:
            UsageError: the target cannot do what a pipeline asks for, or the environment does not suit it.
        """

    def found(self, addresses: Collection[Address]) -> dict[Address, Found]:
        """Return what is there of these. Raises StoreError where the target cannot be read."""

    def put(self, resource: Resource, before: Found | None) -> None:
        """Make a resource, or replace `before` by it; done twice it is as if done once.

        Raises:
            DeployConflictError: what is there is not `before`.
            StoreError: the target cannot be written.
        """

    def drop(self, before: Found) -> None:
        """Take `before` away, where it is there. Raises as `put`."""


@runtime_checkable
class Granted(Protocol):
    """A target whose role has to be granted what it needs."""

    def grants(self) -> list[str]:
        """Return the script that makes a role which may do just what the environment needs; nothing is asked."""
