"""Whether detectors are promoted: a contest on what people have said, as a verdict that the registry understands.

Windows and flags are counted, so there are no bounds; what nobody has answered decides nothing, but for one thing: a
challenger must not raise many more flags that are open, or it would win by flagging everything.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from firnflow._text import counted
from firnflow.models.gates.evaluate import DECISIONS
from firnflow.models.gates.verdict import HoldoutUse, Mode, RuleResult, Verdict
from firnflow.models.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.models.gates.grammar import Operator
    from firnflow.monitoring.anomalies.evaluation import Contest, Evaluation
    from firnflow.monitoring.labels import Label


class ContestRules(Section):
    """What a challenger must show. It must also find as many windows, with as few false days, and be better in one.

    Attributes:
        mode: `auto`: who wins is promoted; `manual`: waits for an approval; `shadow`: is judged, nothing more.
        answers: with fewer labels nothing is promoted against a champion.
        open_flags: so many more flags than the champion's may be on days that nobody has said anything about.
    """

    mode: Mode = "auto"
    answers: Annotated[int, Field(ge=1)] = 1
    open_flags: Annotated[int, Field(ge=0)] = 3


_FIRST = RuleResult(
    name="champion",
    rule="no champion",
    passed=True,
    default=True,
    reason="There is no champion yet to be compared with.",
)


def judge(
    contest: Contest,
    rules: ContestRules,
    labels: Iterable[Label],
    *,
    model: str,
    version: int | None = None,
    champion: int | None = None,
    refit: bool = False,
) -> Verdict:
    """Return what follows from a contest, as `steps.promote` takes it.

    Args:
        contest: on the labels; where there is no champion, of the challenger with itself.
        rules: what must be shown.
        labels: those that the contest was held on.
        model: the registered name.
        version: of the challenger.
        champion: the version in production; None: there is none, and nothing must be shown.
        refit: whether the challenger is the champion fitted again, on later days: it need not be better.
    """
    given = tuple(labels)
    results = [_FIRST] if champion is None else _results(contest, rules, len(given), refit=refit)
    days = contest.challenger.days
    said = "\n".join(f"{each.id} {each.category} {each.first} {each.last} {each.anomaly}" for each in given)
    return Verdict(
        decision=DECISIONS[rules.mode] if all(result.passed for result in results) else "reject",
        mode=rules.mode,
        model=model,
        version=version,
        champion=champion,
        primary="windows_found",
        metrics=figures(contest.challenger),
        champion_metrics=figures(contest.champion) if champion is not None else {},
        results=tuple(results),
        holdout=HoldoutUse(
            rows=days,
            given=days,
            seen_by_challenger=0,
            seen_by_champion=0,
            unlabelled=0,
            digest=hashlib.sha256(said.encode()).hexdigest(),
        ),
        notes=(f"{counted(len(given), 'answer')} of people, {sum(label.anomaly for label in given)} of them yes.",),
        confidence=0.95,
        resamples=0,
        seed=0,
        rows_are="judged days",
    )


def figures(found: Evaluation) -> dict[str, float]:
    """Return what is counted, by name."""
    return {
        "windows": float(found.windows),
        "windows_found": float(found.found),
        "false_days": float(len(found.false_days)),
        "open_flags": float(len(found.open_days)),
    }


def _results(contest: Contest, rules: ContestRules, given: int, *, refit: bool) -> list[RuleResult]:
    new, old = figures(contest.challenger), figures(contest.champion)
    more = f" + {rules.open_flags}" if rules.open_flags else ""
    found = [
        _rule("windows found", "windows_found >= champion", new["windows_found"], ">=", old["windows_found"]),
        _rule("false days", "false_days <= champion", new["false_days"], "<=", old["false_days"]),
        _rule(
            "open flags", f"open_flags <= champion{more}", new["open_flags"], "<=", old["open_flags"], rules.open_flags
        ),
    ]
    if refit:
        return found
    enough = _rule("answers", f"answers >= {rules.answers}", float(given), ">=", None, float(rules.answers))
    better = RuleResult(
        name="better",
        rule="more windows found, or fewer false days",
        passed=contest.better,
        default=True,
        reason=f"{contest.reason}: {'better' if contest.better else 'not better'}.",
    )
    return [enough, *found, better]


def _rule(name: str, rule: str, value: float, op: Operator, reference: float | None, offset: float = 0.0) -> RuleResult:
    bound = (reference or 0.0) + offset
    passed = value >= bound if op == ">=" else value <= bound
    asked = "at least" if op == ">=" else "at most"
    return RuleResult(
        name=name,
        rule=rule,
        passed=passed,
        default=True,
        reason=f"{name}: {value:g}; asked for: {asked} {bound:g}.",
        value=value,
        op=op,
        bound=bound,
        reference=None if reference is None else "champion",
        reference_value=reference,
    )
