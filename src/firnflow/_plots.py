"""How our figures with axes look: one style, in the colours that a report or a picture draws in."""

from __future__ import annotations

from typing import Any


def style(ink: str, muted: str, line: str, **more: Any) -> dict[str, Any]:
    """Return settings of matplotlib, for `rc_context`.

    Args:
        ink: the colour of texts.
        muted: of labels and ticks.
        line: of the frame and the grid.
        more: what differs, or comes besides; `_` stands for the dot of a name.
    """
    return {
        "text.parse_math": False,  # a dollar in a name is a dollar
        "text.color": ink,
        "axes.edgecolor": line,
        "axes.labelcolor": muted,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": line,
        "grid.linewidth": 0.6,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "legend.frameon": False,
        "legend.labelcolor": ink,
        **{name.replace("_", "."): value for name, value in more.items()},
    }
