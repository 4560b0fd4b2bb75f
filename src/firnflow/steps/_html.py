"""Pieces of the report's page: figures in words, tiles, tables. What comes from data is escaped by who passes it."""

from __future__ import annotations

import textwrap
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.steps.evaluation import BinaryEvaluation, Bounds, Reason, RegressionEvaluation

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, parts: Iterable[str], footer: str) -> str:
    """Return a page that needs nothing from elsewhere, of its parts; empty ones are left out. `title` is escaped."""
    style = files("firnflow.steps").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>\n{style}</style></head>\n<body><main>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<footer>{footer}</footer></main></body></html>\n"
    )


def percent(value: float, digits: int = 0) -> str:
    """Return a share as `12 %`."""
    return f"{100 * value:.{digits}f} %"


def amount(value: float) -> str:
    """Return a number as people write it: four digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def signed(value: float) -> str:
    """Return a number with its sign: three digits, or all before the point."""
    size = abs(value)
    return f"{'-' if value < 0 else '+'}{amount(size if size >= 1000 else float(f'{size:.3g}'))}"


def span(ends: Bounds | None, text: str = "{:.3f}") -> str:
    """Return an interval as `0.811 to 0.842`, or nothing."""
    return "" if ends is None else f"{text.format(ends.low)} to {text.format(ends.high)}"


def figure(drawing: str, title: str, caption: str) -> str:
    """Return a drawing with its title above and its caption below; each may be empty."""
    head = f"<h3>{title}</h3>" if title else ""
    foot = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f"<figure>{head}{drawing}{foot}</figure>"


def tiles(cards: Iterable[tuple[str, str, str, str]]) -> str:
    """Return cards: name, value, interval, meaning."""
    cells = "".join(
        f'<div class="tile"><span>{name}</span><b>{value}</b>'
        f"{f'<i>{between}</i>' if between else ''}<small>{text}</small></div>"
        for name, value, between, text in cards
    )
    return f'<div class="tiles">{cells}</div>'


def reasons(found: Iterable[Reason]) -> str:
    """Return features with their values, and how far each moves what the model says, up or down."""
    return "".join(
        f'<span class="reason">{escape(wrapped(each.feature, 200))}'
        f" {'is missing' if each.value is None else f'= {amount(each.value)}'}"
        f' <b class="{"up" if each.effect > 0 else "down"}">{"▲" if each.effect > 0 else "▼"}'
        f" {amount(float(f'{abs(each.effect):.3g}'))}</b></span>"
        for each in found
    )


def wrapped(name: str, width: int = 26) -> str:
    """Return a feature's name as words on one or two lines."""
    words = name.replace("_over_", " ÷ ").replace("_times_", " × ").replace("_vs_", " against ").replace("_", " ")
    lines = textwrap.wrap(words, width)
    return "\n".join([lines[0], textwrap.shorten(" ".join(lines[1:]), width, placeholder="…")]) if lines[1:] else words


def all_figures(found: BinaryEvaluation | RegressionEvaluation, meanings: dict[str, str]) -> str:
    """Return every figure of merit with its interval and what it means."""
    values = found.figures
    rows = "".join(
        f'<tr><td>{name.replace("_", " ")}<small>{text}</small></td><td class="n">{_figure(values[name])}</td>'
        f'<td class="n between">{_between(found.intervals.get(name))}</td></tr>'
        for name, text in meanings.items()
        if name in values
    )
    head = f'<tr><th></th><th class="n">value</th><th class="n">{percent(found.confidence)} interval</th></tr>'
    return f'<h2>All figures</h2><div class="card scroll"><table class="figures">{head}{rows}</table></div>'


def _between(ends: Bounds | None) -> str:
    return "" if ends is None else f"{_figure(ends.low)} to {_figure(ends.high)}"


def _figure(value: float) -> str:
    return amount(value) if abs(value) >= 10 else f"{value:.4f}"
