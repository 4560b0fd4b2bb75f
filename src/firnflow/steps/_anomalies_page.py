"""The report on anomalies as one HTML page: what was flagged, what drove it, cost warnings, and how to answer."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from firnflow.monitoring.anomalies.evaluation import Window
from firnflow.monitoring.anomalies.findings import ago, quality
from firnflow.monitoring.anomalies.picture import Colors, plot
from firnflow.steps._figures import FIRST, INK, LINE, MUTED, SECOND, svg
from firnflow.steps._html import document, figure, percent, tiles

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable
    from typing import Any

    from firnflow.monitoring.anomalies.findings import Finding, Findings

_COLORS = Colors(INK, MUTED, LINE, LINE, FIRST, SECOND, SECOND, "#eab30855")
_MOST = 6
"""Pictures of categories."""


def page(found: Findings) -> str:
    """Return the page; every text that comes from data is escaped."""
    parts = [
        f"<h1>{escape(found.title)}</h1>",
        f'<p class="lead">{escape(_lead(found))}</p>',
        _top(found),
        f'<div class="stack">{"".join(_pictures(found))}</div>',
        _flags(found),
        *(_drivers(found, each.verdict.day) for each in found.flags if found.whole and each.category == found.whole),
        _changes(found),
        _quality(found),
        _answers(found),
    ]
    return document(found.title, parts, "Made by Firnflow. Each day is judged by what was known at its end.")


def _lead(found: Findings) -> str:
    if not found.anything:
        return f"{found.days[0]} to {found.days[-1]}: nothing unusual."
    return f"{found.summary}."


def _top(found: Findings) -> str:
    flags, looked_at = found.flags, len(found.days)
    categories = "1 category" if len(found.verdicts) == 1 else f"{len(found.verdicts)} categories"
    known = [v for v in found.verdicts[_first(found)] if v.value is not None and v.expected is not None]
    value, expected = (sum(getattr(v, name) for v in known) for name in ("value", "expected"))
    unknown = sum(v.status in {"unknown", "warming up"} for each in found.verdicts.values() for v in each)
    cards = [
        ("Unusual days", str(len({f.verdict.day for f in flags})), "", f"of {looked_at} that were looked at"),
        ("Flags", str(len(flags)), "", f"in {len({f.category for f in flags})} of {categories}"),
        ("Cost warnings", str(len(found.changes)), "", "against yesterday, a week, four weeks before"),
    ]
    if known and (found.whole or len(found.verdicts) == 1):
        gap = found.money(value - expected, sign=True)
        cards.append(("In all", found.money(value), "", f"{gap} against what was expected"))
    if unknown:
        cards.append(("Not judged", str(unknown), "", "days of categories: no value, or too little history"))
    return tiles((name, escape(text), between, escape(said)) for name, text, between, said in cards)


def _pictures(found: Findings) -> Iterable[str]:
    flagged = dict.fromkeys(each.category for each in found.flags)
    names = list(dict.fromkeys([_first(found), *flagged]))
    caption = "The grey band is what is normal, the blue line what was expected from the days before."
    if any(label.anomaly for label in found.labels):
        caption += " Yellow: days on which, people say, something had happened."
    for number, category in enumerate(names[: _MOST + 1]):
        yield figure(_drawing(found, category), escape(category or found.title), caption if number == 0 else "")
    if len(names) > _MOST + 1:
        yield f"<p>{len(names) - _MOST - 1} more categories with flags are not drawn.</p>"


def _first(found: Findings) -> str:
    """Return the category that is drawn first: the whole, where there is one."""
    return found.whole if found.whole in found.verdicts else next(iter(found.verdicts))


def _drawing(found: Findings, category: str) -> str:
    verdicts = [*found.past.get(category, ()), *found.verdicts[category]]
    mine = [label for label in found.labels if label.category == category and label.anomaly]
    windows = [Window(first=label.first, last=label.last) for label in mine]

    def draw(axes: Any) -> None:
        plot(axes, verdicts, windows, unit=found.unit, colors=_COLORS)

    return svg(draw, f"anomalies-{category}", (10.5, 3.4))


def _flags(found: Findings) -> str:
    if not found.flags:
        return ""
    rows = "".join(
        f'<tr><td class="day">{each.verdict.day}</td><td>{escape(each.category)}</td>'
        f'<td class="n">{escape(found.money(each.verdict.value))}</td>'
        f'<td class="n">{escape(found.money(each.verdict.expected))}</td>'
        f'<td class="n">{escape(found.money(each.difference, sign=True))}</td>'
        f"<td>{escape(each.why)}{_said(each)}</td></tr>"
        for each in found.flags
    )
    head = (
        '<tr><th>day</th><th>category</th><th class="n">value</th><th class="n">expected</th>'
        '<th class="n">difference</th><th>why</th></tr>'
    )
    return f'<h2>Unusual days</h2><div class="card scroll"><table class="rows">{head}{rows}</table></div>'


def _said(finding: Finding) -> str:
    answer = finding.answer
    if answer is None:
        return ""
    note = f": {answer.note}" if answer.note else ""
    return f"<br><small>{'yes' if answer.anomaly else 'no'}, says {escape(answer.by)}{escape(note)}</small>"


def _drivers(found: Findings, day: dt.date) -> str:
    drivers = found.drivers(day)
    if not drivers:
        return ""
    rows = "".join(
        f'<tr class="{"best" if each.anomaly else ""}"><td>{escape(each.category)}</td>'
        f'<td class="n">{escape(found.money(each.value))}</td><td class="n">{escape(found.money(each.expected))}</td>'
        f'<td class="n">{escape(found.money(each.difference, sign=True))}</td>'
        f'<td class="n">{percent(each.share)}</td></tr>'
        for each in drivers
    )
    head = (
        '<tr><th>category</th><th class="n">value</th><th class="n">expected</th><th class="n">difference</th>'
        '<th class="n">share</th></tr>'
    )
    return (
        f"<h2>What drove {day}</h2><p>The difference of the whole, by category: the share of what went the same way. "
        f'Marked: flagged itself.</p><div class="card scroll"><table>{head}{rows}</table></div>'
    )


def _changes(found: Findings) -> str:
    if not found.changes:
        return ""
    rows = "".join(
        f'<tr><td class="day">{each.day}</td><td>{escape(category)}</td>'
        f'<td class="n">{escape(found.money(each.value))}</td><td>'
        + "<br>".join(
            f"{escape(found.money(change.difference, sign=True))}"
            f"{'' if change.share is None else f' ({100 * change.share:+.0f} %)'} against {ago(change.days)}"
            for change in each.changes
        )
        + "</td></tr>"
        for category, each in found.changes
    )
    head = '<tr><th>day</th><th>category</th><th class="n">costs</th><th>change</th></tr>'
    return f'<h2>Cost warnings</h2><div class="card scroll"><table class="rows">{head}{rows}</table></div>'


def _quality(found: Findings) -> str:
    if found.evaluation is None:
        return ""
    return (
        f"<h2>How good the detectors are</h2><p>{escape(found.detectors)}: {quality(found.evaluation)}. "
        "Counted on the days that people have labelled, each judged as it would have been on its evening.</p>"
    )


def _answers(found: Findings) -> str:
    waiting = [each for each in found.flags if each.answer is None]
    if not waiting:
        return ""
    rows = "".join(f"<tr><td><code>{escape(found.command(each))}</code></td></tr>" for each in waiting)
    return (
        "<h2>Was it something?</h2><p>Say so, with <code>--no</code> if it was nothing, and <code>--env</code> as for "
        f'the run: the next contest of detectors counts it.</p><div class="card scroll"><table>{rows}</table></div>'
    )
