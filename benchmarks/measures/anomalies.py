"""Anomalies found and false days of the detector and of the classic recipe, both replayed day by day.

One real series (New York's taxis, of the Numenta Anomaly Benchmark; FIRNFLOW_NYC_TAXI names its CSV, beside which the
windows lie), and made-up ones of several kinds. What is counted here is exact, not a time.
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from by_hand import anomalies as classic
from report import Result, Verdict, table

from firnflow.monitoring.anomalies import DetectorSettings, days_of, evaluate, replay, windows_of
from firnflow.monitoring.anomalies.synthetic import UsageSettings, usage
from firnflow.monitoring.anomalies.verdict import Verdict as Judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness import Bench

    from firnflow.monitoring.anomalies import Days, Window

TAXI = Path(__file__).parents[3] / "shared/data/nyc_taxi.csv"
KINDS = {
    "normal": {},
    "Laplace": {"noise": "laplace"},
    "heavy tails": {"noise": "heavy"},
    "skewed": {"noise": "skewed"},
    "wandering level": {"noise": "wandering"},
    "strong yearly season": {"yearly": 0.5},
    "3 level shifts a year": {"shifts": 3.0},
    "5 % gaps": {"gaps": 0.05},
    "hourly, bursts and outages": {"slots": 24, "kinds": ("spike", "drop", "outage", "burst")},
}
OURS = "firnflow"
DAYS = 500


class Case(NamedTuple):
    """A series with labels."""

    series: Days
    windows: Sequence[Window]


def measure(bench: Bench) -> Result:
    result = Result(
        "Anomalies: windows found and false days, replayed day by day",
        "Each day is judged by what was known at its end. The classic recipe is a seasonal decomposition of all that "
        "is known so far, an Isolation Forest on its residuals, and the threshold mean − 3·std; as it is used, it "
        "flags rises only. *In hindsight* it judges all days at once. Every method is judged on the days that "
        f"Firnflow judges, with default settings. Made-up series have {DAYS} days each, and about six anomalies a year "
        "of 8 standard deviations of the noise; a level shift is a window of 14 days.",
    )
    path = Path(os.environ.get("FIRNFLOW_NYC_TAXI", TAXI))
    if path.exists():
        lines = list(_compared([taxi(path)], hindsight=True))
        head = ["New York's taxis", "windows", "false days", "delay, days", "false days a year"]
        result.tables.append(table(head, lines))
        result.verdicts.append(_verdict(lines[0]))
    else:
        result.verdicts.append(Verdict("taxis: windows, false days", "≥ 4 of 5, ≤ 3", f"{path} is not there", None))
    seeds = bench.rounds(3, 1)
    result.tables.append(
        table(
            [
                f"made up, {seeds} series each",
                "windows",
                "false days a year",
                "classic, drops too",
                "false days a year",
            ],
            [_made_up(name, seeds) for name in KINDS],
        )
    )
    return result


def taxi(path: Path) -> Case:
    """Return New York's taxis with their windows."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    series = days_of([row["timestamp"] for row in rows], [row["value"] for row in rows], DetectorSettings())
    return Case(series, windows_of(json.loads(path.with_name("nyc_taxi_windows.json").read_text())))


def made_up(name: str, seed: int) -> Case:
    """Return a made-up series."""
    made = usage(UsageSettings(days=DAYS, **KINDS[name]), seed)  # type: ignore[arg-type]
    return Case(days_of(made.times, made.values, DetectorSettings()), made.windows)


def _compared(cases: Sequence[Case], *, hindsight: bool) -> Iterator[list[str]]:
    ours = [replay(case.series, DetectorSettings()) for case in cases]
    yield _line(OURS, cases, ours)
    whole = [_totals(case) for case in cases]
    flags = {"": [classic.replay(totals, _start(found)) for totals, found in zip(whole, ours, strict=True)]}
    if hindsight:
        flags[", in hindsight"] = [classic.hindsight(totals) for totals in whole]
    for when, each in flags.items():
        upward = [flag & classic.rises(totals) for flag, totals in zip(each, whole, strict=True)]
        yield _line(f"classic recipe{when}", cases, list(map(_judged, ours, upward)))
        yield _line(f"classic recipe, drops too{when}", cases, list(map(_judged, ours, each)))


def _made_up(name: str, seeds: int) -> list[str]:
    cases = [made_up(name, seed) for seed in range(seeds)]
    ours, _, both = list(_compared(cases, hindsight=False))
    return [name, ours[1], ours[4], both[1], both[4]]


def _line(name: str, cases: Sequence[Case], verdicts: Sequence[Sequence[Judged]]) -> list[str]:
    found = [evaluate(each, case.windows) for each, case in zip(verdicts, cases, strict=True)]
    false_days, days = sum(len(e.false_days) for e in found), sum(e.days for e in found)
    delays = [delay for each in found for delay in each.delays]
    windows = f"{sum(e.found for e in found)} of {sum(e.windows for e in found)}"
    delay = f"{np.mean(delays):.1f}" if delays else "–"
    return [name, windows, str(false_days), delay, f"{false_days / days * 365.25:.1f}"]


def _totals(case: Case) -> np.ndarray:
    """Return the daily totals; the recipe knows no gap, and fills it with zero."""
    return np.nan_to_num(case.series.cells).sum(axis=1)


def _start(verdicts: Sequence[Judged]) -> int:
    return next(number for number, each in enumerate(verdicts) if each.status != "warming up")


def _judged(ours: Sequence[Judged], flags: np.ndarray) -> list[Judged]:
    judged = ("normal", "anomaly")
    return [
        Judged(day=each.day, status=judged[bool(flag)]) if each.status in judged else each
        for each, flag in zip(ours, flags, strict=True)
    ]


def _verdict(line: list[str]) -> Verdict:
    found, false_days = int(line[1].split()[0]), int(line[2])
    said = f"{line[1]} windows, {false_days} false days"
    return Verdict("taxis: windows, false days", "≥ 4 of 5, ≤ 3", said, found >= 4 and false_days <= 3, "anomalies")
