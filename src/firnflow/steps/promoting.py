"""`promote`: what the gates decided is done, and written down."""

from __future__ import annotations

from typing import Literal

from firnflow.engine import services
from firnflow.graph.task import task
from firnflow.models.gates.verdict import Verdict
from firnflow.models.registry import CHAMPION, Promotion, Registry
from firnflow.models.section import Section
from firnflow.steps._tables import log
from firnflow.steps.registering import Registered, registrar

CHALLENGER, SHADOW = "challenger", "shadow"


class Promoted(Section):
    """What was done with a model.

    Attributes:
        name: of the model.
        version: its number; None: it was not registered, so nothing was done.
        action: `promote`, `request` (of an approval), `shadow`, `reject`, or `nothing`.
        champion: the version that is champion now.
        reason: the verdict in one line.
        audit: the number of the row in the audit.
    """

    name: str
    version: int | None
    action: Literal["promote", "request", "shadow", "reject", "nothing"]
    champion: int | None
    reason: str
    audit: int | None = None


@task
def promote(registered: Registered, verdict: Verdict) -> Promoted:
    """Do what the verdict says: promote, ask for an approval, put beside the champion, or write the rejection down.

    The champion moves only if it still is the version that the verdict compared with. A run that is killed and resumed
    does so once; so does a later run that comes to the same verdict about the same version. A model that somebody has
    rolled back does not come back by itself, whatever the gates say: it waits for an approval.

    Args:
        registered: the model's version.
        verdict: what the gates said of it.

    Raises:
        ModelConflictError: another run has promoted meanwhile; nothing was changed.
        UsageError: no run is under way.
    """
    here, running = services.here("steps.promote")
    registry = Registry(here.state, here.stores)
    name, version = registered.name, registered.version
    if version is None:
        log.info("nothing is promoted: %s", registered.place)
        champion = registry.aliases(name).get(CHAMPION)
        return Promoted(name=name, version=None, action="nothing", champion=champion, reason=verdict.summary)
    by, data = registrar(here, running.run), verdict.model_dump(mode="json")
    decision, reason = verdict.decision, verdict.summary
    done = any(row.task == running.task for row in registry.history(name, running.run))
    back = registry.taken_back(name, version) if decision == "promote" and not done else None
    if back is not None:
        decision, reason = "wait", f"{reason}; but {back.by} has rolled it back: {back.reason}"
    if decision == "promote":
        row = registry.promote(
            name,
            version,
            expected=verdict.champion,
            reason=reason,
            by=by,
            verdict=data,
            run=running.run,
            task=running.task,
        )
    else:
        alias = {"wait": CHALLENGER, "shadow": SHADOW}.get(decision)
        if alias is not None and registry.aliases(name).get(alias) != version:
            registry.set_alias(name, alias, version, reason=reason, by=by)
        action = {"wait": "request", "shadow": "shadow", "reject": "reject"}[decision]
        place = (name, CHAMPION, action, verdict.champion, version)
        row = registry.note(Promotion(*place, by, reason, data, running.run, running.task))
    log.info("%s", reason)
    champion = registry.aliases(name).get(CHAMPION)
    return Promoted.model_validate(
        {
            "name": name,
            "version": version,
            "action": row.action,
            "champion": champion,
            "reason": row.reason,
            "audit": row.id,
        }
    )
