"""A replay as a picture: the series, the band of what is normal, the flags, and the windows that were labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow._plots import style
from firnflow.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firnflow.monitoring.anomalies.evaluation import Window
    from firnflow.monitoring.anomalies.verdict import Verdict


class Colors(NamedTuple):
    """What a picture is drawn in."""

    ink: str = "#0f172a"
    muted: str = "#64748b"
    line: str = "#e2e8f0"
    band: str = "#bfdbfe"
    expected: str = "#60a5fa"
    flag: str = "#b91c1c"
    hours: str = "#b45309"
    window: str = "#fef3c7"


PLAIN = Colors()


def draw(verdicts: Sequence[Verdict], windows: Iterable[Window] = (), *, title: str = "", unit: str = "") -> Any:
    """Return the verdicts on a series as a `matplotlib.figure.Figure`.

    Args:
        verdicts: in the order of their days.
        windows: labelled ones, if there are any.
        title: above the picture.
        unit: of the values, beside the axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        DataError: there is no verdict.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    if not verdicts:
        raise DataError("There is nothing to draw: no verdict. Mend: replay the series first")
    with mpl.rc_context(style(PLAIN.ink, PLAIN.muted, PLAIN.line, font_size=9, legend_fontsize=8)):
        figure = Figure(figsize=(10, 3.8), layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        plot(axes, verdicts, windows, unit=unit)
        if title:
            axes.set_title(title, loc="left", fontsize=11)
    return figure


def plot(
    axes: Any, verdicts: Sequence[Verdict], windows: Iterable[Window] = (), *, unit: str = "", colors: Colors = PLAIN
) -> None:
    """Draw the verdicts on a series on axes of matplotlib; the arguments are those of `draw`."""
    _windows(axes, verdicts, windows, colors)
    _series(axes, verdicts, colors)
    _flags(axes, verdicts, colors)
    _frame(axes, verdicts, unit)


def _windows(axes: Any, verdicts: Sequence[Verdict], windows: Iterable[Window], colors: Colors) -> None:
    first, last = verdicts[0].day, verdicts[-1].day
    label = "labelled"
    for window in windows:
        if window.last >= first and window.first <= last:
            axes.axvspan(window.first, _next(window.last), color=colors.window, linewidth=0, zorder=0, label=label)
            label = "_"


def _series(axes: Any, verdicts: Sequence[Verdict], colors: Colors) -> None:
    days = [verdict.day for verdict in verdicts]
    low, expected, high, value = (
        [float("nan") if each is None else each for each in column]
        for column in zip(*((v.low, v.expected, v.high, v.value) for v in verdicts), strict=True)
    )
    axes.fill_between(days, low, high, color=colors.band, alpha=0.6, linewidth=0, zorder=1, label="normal total")
    axes.plot(days, expected, color=colors.expected, linewidth=0.9, zorder=2, label="expected")
    axes.plot(days, value, color=colors.ink, linewidth=1.1, zorder=3, label="value")


def _flags(axes: Any, verdicts: Sequence[Verdict], colors: Colors) -> None:
    kinds = ((colors.flag, "o", "flagged: total", True), (colors.hours, "D", "flagged: hours", False))
    for color, marker, label, by_total in kinds:
        found = [v for v in verdicts if v.anomaly and ({"high", "low"} & set(v.reasons) != set()) == by_total]
        if found:
            values = [v.value for v in found]
            axes.scatter([v.day for v in found], values, color=color, marker=marker, s=26, zorder=4, label=label)


def _frame(axes: Any, verdicts: Sequence[Verdict], unit: str) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=5, maxticks=12)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}")
    axes.grid(visible=False, axis="x")
    axes.set(xlim=(verdicts[0].day, _next(verdicts[-1].day)), ylabel=unit)
    values = [each for v in verdicts for each in (v.value, v.expected) if each is not None]
    if values:  # a wide band must not press the series flat
        margin = 0.25 * ((max(values) - min(values)) or 1.0)
        axes.set_ylim(min(values) - margin, max(values) + margin)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=6)


def _next(day: Any) -> Any:
    import datetime as dt

    return day + dt.timedelta(days=1)
