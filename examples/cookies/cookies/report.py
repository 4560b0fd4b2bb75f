"""The page of a training: how good each target's model is on customers that it does not know, and what was decided."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import firnflow as ff
from cookies.families import FAMILIES, PLAIN
from cookies.learning import Choice
from firnflow import steps
from firnflow.models.gates.verdict import Verdict

if TYPE_CHECKING:
    from firnflow.models.gates.verdict import Bounds

ACTIONS = {
    "promote": "promoted",
    "request": "waits for an approval",
    "shadow": "kept in the shadow",
    "reject": "rejected",
    "nothing": "not registered",
}
_STYLE = """
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; color: #1f2937; background: #faf7f2 }
body { margin: 0 } main { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 4rem }
h1 { margin: 0; font-size: 1.7rem } h2 { margin: 2.2rem 0 .6rem; font-size: 1.15rem }
p { margin: .4rem 0; color: #57534e }
.card { background: #fff; border: 1px solid #e7e0d5; border-radius: 10px; padding: .4rem 1rem; overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { text-align: left; font-size: .8rem; font-weight: 600; color: #78716c }
th, td { padding: .5rem .6rem; border-top: 1px solid #f0eae0; vertical-align: top } tr:first-child th { border-top: 0 }
.n { text-align: right; white-space: nowrap } .bar { width: 32% ; min-width: 9rem }
.bar i { display: block; height: .55rem; border-radius: 3px; margin: .3rem 0; background: #b45309 }
.bar i.plain { background: #d6cfc4 } small { color: #78716c; display: block } b.best { color: #b45309 }
.promoted { color: #15803d } .rejected { color: #b91c1c } .key i { display: inline-block; width: .8rem; height: .55rem;
border-radius: 3px; margin: 0 .35rem 0 .8rem; background: #b45309 } .key i.plain { background: #d6cfc4 }
"""


@ff.task
def report(choices: list[Choice], verdicts: list[Verdict], promoted: list[steps.Promoted]) -> ff.Html:
    """Return the page. All lists have an item for each target, in the same order."""
    found = list(zip(choices, verdicts, promoted, strict=True))
    customers = max((verdict.holdout.rows for verdict in verdicts), default=0)
    return ff.Html(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Cookies</title><style>{_STYLE}</style></head><body><main><h1>Cookies: how good are the models?</h1>"
        f"<p>On {customers:,} customers that none of them knows.</p>"
        '<h2>R² beside the plain lasso</h2><p class="key"><i></i>model <i class="plain"></i>plain lasso</p>'
        f"{_figures(found)}<h2>Which family</h2><p>R² by cross-validation inside the training part: it chooses.</p>"
        f"{_families(choices)}<h2>What the gates said</h2>{_reasons(found)}</main></body></html>\n"
    )


def _figures(found: list[tuple[Choice, Verdict, steps.Promoted]]) -> str:
    head = '<tr><th>target<th>model<th class="n">R²<th class="n">plain lasso<th class="bar"><th>decision</tr>'
    rows = []
    for choice, verdict, done in found:
        ours, plain = verdict.metrics.get("r2"), verdict.baseline_metrics.get("r2")
        action = ACTIONS[done.action]
        champion = "no champion" if done.champion is None else f"champion: version {done.champion}"
        rows.append(
            f"<tr><td><b>{escape(choice.target)}</b><td>{choice.family}<small>{escape(done.name)}</small>"
            f'<td class="n"><b>{_number(ours)}</b><small>{_span(_range(verdict))}</small>'
            f'<td class="n">{_number(plain)}<td class="bar">{_bar(ours, "")}{_bar(plain, "plain")}'
            f'<td><span class="{action}">{action}</span><small>{champion}</small></tr>'
        )
    return f'<div class="card"><table>{head}{"".join(rows)}</table></div>'


def _families(choices: list[Choice]) -> str:
    head = "".join(f'<th class="n">{family}{" (the plain one)" if family == PLAIN else ""}' for family in FAMILIES)
    rows = []
    for choice in choices:
        cells = "".join(
            f'<td class="n">{"<b class=best>" if family == choice.family else ""}{_number(choice.r2.get(family))}</b>'
            for family in FAMILIES
        )
        rows.append(f"<tr><td><b>{escape(choice.target)}</b>{cells}</tr>")
    return f'<div class="card"><table><tr><th>target{head}</tr>{"".join(rows)}</table></div>'


def _reasons(found: list[tuple[Choice, Verdict, steps.Promoted]]) -> str:
    rows = []
    for choice, verdict, done in found:
        failed = "".join(f"<small>✗ {escape(result.reason)}</small>" for result in verdict.failed)
        rows.append(f"<tr><td><b>{escape(choice.target)}</b><td>{escape(done.reason)}{failed}</tr>")
    return f'<div class="card"><table>{"".join(rows)}</table></div>'


def _range(verdict: Verdict) -> Bounds | None:
    """Return the interval of R² that a rule has looked at."""
    return next((each.interval for each in verdict.results if each.rule.startswith("r2 ") and each.interval), None)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _span(ends: Bounds | None) -> str:
    return "" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _bar(value: float | None, kind: str) -> str:
    return f'<i class="{kind}" style="width:{100 * min(max(value or 0, 0), 1):.1f}%"></i>'
