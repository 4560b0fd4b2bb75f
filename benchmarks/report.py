"""Turns what was measured into `RESULTS.md`."""

from __future__ import annotations

import os
import platform
import time
import tomllib
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness import Samples
    from venvs import Peer

HERE = Path(__file__).resolve().parent
LIBRARIES = ("duckdb", "ibis-framework", "pyarrow", "pandas", "pydantic", "sqlalchemy", "xgboost-cpu", "scikit-learn")


@dataclass(frozen=True)
class Verdict:
    """One budget, and what was measured; `met` is None where it could not be. `key`: the line of `reasons.toml`."""

    what: str
    budget: str
    measured: str
    met: bool | None
    key: str = ""


@dataclass
class Result:
    """What one measure found."""

    title: str
    how: str
    verdicts: list[Verdict] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown; every column but the first and the last is of numbers."""
    rule = ["---", *["---:"] * (len(head) - 2), "---"]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def comparison(found: Mapping[str, Samples], floor: str, *, whole: bool = False) -> str:
    """Return the contenders side by side.

    Args:
        found: what was measured.
        floor: whose time the ratios are of.
        whole: ratios of whole processes, instead of the inside time per task.
    """
    base = _compared(found[floor], whole=whole)
    head = [
        "who",
        "runs",
        "tasks",
        "whole process, s",
        "processor, s",
        "inside, s",
        "inside per task, ms",
        f"× {floor}",
        "note",
    ]
    return table(head, [_row(name, samples, base, whole=whole) for name, samples in found.items()])


def _row(name: str, samples: Samples, base: float | None, *, whole: bool) -> list[str]:
    if not samples.runs:
        return [name, "0", *["–"] * 6, f"failed: {samples.error or 'not run'}"]
    walls = sorted(run.wall for run in samples.runs)
    inside, compared, units = samples.inside, _compared(samples, whole=whole), samples.contender.units
    return [
        name,
        str(len(walls)),
        str(units),
        f"{samples.wall:.3f} ({walls[0]:.3f}–{walls[-1]:.3f})",
        f"{samples.median(lambda run: run.cpu):.3f}",
        "–" if inside is None else f"{inside:.3f}",
        "–" if inside is None else f"{1000 * inside / units:.2f}",
        "–" if compared is None or not base else f"{compared / base:.2f}",
        samples.contender.note + (f" (then failed: {samples.error})" if samples.error else ""),
    ]


def _compared(samples: Samples, *, whole: bool) -> float | None:
    if not samples.runs:
        return None
    if whole:
        return samples.wall
    return None if samples.inside is None or samples.contender.units == 1 else samples.inside / samples.contender.units


def failed(found: Iterable[Samples]) -> str:
    """Return what went wrong with the contenders that a verdict needs."""
    return "not measured: " + "; ".join(f"{s.contender.name}: {s.error}" for s in found if not s.runs)


def write(
    path: Path, results: Sequence[Result], peers: Sequence[Peer], *, quick: bool, began: float, load: float
) -> None:
    """Write everything to a file; `load` is the load average when the run began."""
    reasons = tomllib.loads((HERE / "reasons.toml").read_text(encoding="utf-8"))
    parts = [_head(peers, quick=quick, began=began, load=load), "## Budgets\n", _verdicts(results, reasons)]
    for result in results:
        parts += [f"\n## {result.title}\n", result.how, *(f"\n{text}" for text in result.tables)]
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def add(path: Path, results: Sequence[Result], *, began: float, load: float) -> None:
    """Put sections into a file in place of those of the same titles, or at its end, each with when it was measured."""
    reasons = tomllib.loads((HERE / "reasons.toml").read_text(encoding="utf-8"))
    parts = path.read_text(encoding="utf-8").split("\n## ")
    for result in results:
        measured = (
            f"Measured by itself on {time.strftime('%Y-%m-%d', time.gmtime(began))}; load average {load:.1f} when it "
            f"began, {os.getloadavg()[0]:.1f} at the end."
        )
        texts = [result.title, "", measured, "", result.how, "", _verdicts([result], reasons), ""]
        section = "\n".join([*texts, *(f"{text}\n" for text in result.tables)])
        same = [at for at, part in enumerate(parts) if part.partition("\n")[0] == result.title]
        parts = [*parts[: same[0]], section, *parts[same[0] + 1 :]] if same else [*parts, section]
    path.write_text("\n## ".join(part.rstrip("\n") + "\n" for part in parts), encoding="utf-8")


def _verdicts(results: Sequence[Result], reasons: Mapping[str, str]) -> str:
    rows = []
    for verdict in (v for result in results for v in result.verdicts):
        met = {True: "met", False: "**not met**", None: "not measured"}[verdict.met]
        why = reasons.get(verdict.key, "") if verdict.met is False else ""
        rows.append([verdict.what, verdict.budget, verdict.measured, met, why])
    return table(["what", "budget", "measured", "", "why not"], rows)


def _head(peers: Sequence[Peer], *, quick: bool, began: float, load: float) -> str:
    with Path("/proc/meminfo").open(encoding="utf-8") as file:
        memory = int(file.readline().split()[1]) / 2**20
    minutes = (time.time() - began) / 60
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench`{' with `--quick`' if quick else ''} on {time.strftime('%Y-%m-%d', time.gmtime())},",
        f"in {minutes:.0f} minutes; load average {load:.1f} when it began, {os.getloadavg()[0]:.1f} at the end.",
        "",
        f"- {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}",
        f"- {', '.join(f'{name} {metadata.version(name)}' for name in ('firnflow', *LIBRARIES))}",
        "- peers, each in an environment of its own with the same libraries: "
        + ", ".join(f"{p.name} {p.version}" + (f" ({p.error})" if p.error else "") for p in peers),
        "",
        "Figures are medians; contenders take turns within one run (A B C, A B C, …), after one round that does not",
        "count. *Whole process* is from starting the command to its end; *processor* is what it and all processes that",
        "it started used of the cores; *inside* is what it measured itself, without starting Python and importing.",
        "Ratios are of the inside time per task, unless said otherwise.",
        "",
    ]
    return "\n".join(lines)
