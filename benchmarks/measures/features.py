"""A training set of 1,000,000 rows from five views of 2,000,000 × 8, beside plain as-of joins and beside Feast."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from harness import Bench, Contender, Samples, environment, fresh, script
from report import Result, Verdict, failed, table
from venvs import WORK

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20
MEMORY = 12 * 2**30
"""Bytes that Dask may hold: it does not bound itself."""
LOOKED_AT = 10_000
"""Rows of the spine whose answers are looked up one by one."""
FLOOR, OURS = "as-of joins by hand", "firnflow"


def measure(bench: Bench) -> Result:
    rows = 100_000 if bench.quick else 1_000_000
    folder, results = fresh("features"), fresh("features_results")
    subprocess.run(
        script(sys.executable, "shared/feature_data.py", folder, rows), check=True, env=environment(scripted=True)
    )
    contenders = [
        _ours(FLOOR, "by_event", folder, results, note="by when things happened alone, and ties at random"),
        _ours(OURS, "firnflow", folder, results),
    ]
    for peer in (peer for peer in bench.peers if peer.name == "feast" and peer.error is None):
        for store in ("duckdb", "dask"):
            name = f"feast {peer.version}, {store}"
            command = script(peer.python, "peers/with_feast.py", store, folder, results / f"{name}.parquet")
            capped = {"memory": MEMORY, "note": f"may hold {MEMORY // 2**30} GiB"} if store == "dask" else {}
            contenders.append(Contender(name, command, most_runs=1, **capped))
    found = bench.interleave(contenders, bench.rounds(3))
    result = Result(
        f"A training set: {rows:,} rows, five views of {2 * rows:,} × 8 with known time and ttl",
        "Spine and views in Parquet, the result into Parquet (zstd). A third of the rows of a view become known late, "
        "a tenth correct earlier ones; one in a thousand rows of the spine is there twice. By hand, Firnflow and "
        "Feast's DuckDB have 2 threads and 4 GB. *Wrong* are rows with values that were not those known at the row's "
        f"time, and *lacking* rows that are not there, of some {LOOKED_AT:,} of the spine, each looked up by itself.",
    )
    result.tables.append(_table(found, folder, results, max(rows // LOOKED_AT, 1)))
    result.verdicts.append(_verdict(rows, found[OURS], [s for name, s in found.items() if name.startswith("feast")]))
    return result


def _ours(name: str, how: str, folder: Path, results: Path, note: str = "") -> Contender:
    command = script(sys.executable, "by_hand/features.py", how, folder, results / f"{name}.parquet")
    return Contender(name, command, note=note)


def _table(found: dict[str, Samples], folder: Path, results: Path, every: int) -> str:
    sys.path.insert(0, str(WORK.parent / "benchmarks/shared"))
    from feature_data import judge

    head = [
        "who",
        "runs",
        "whole process, s",
        "inside, s",
        "processor, s",
        "× firnflow",
        "peak memory, MiB",
        "rows",
        "wrong",
        "lacking",
        "note",
    ]
    ours, lines = found[OURS], []
    for name, samples in found.items():
        if not samples.runs:
            lines.append([name, "0", *["–"] * 8, f"failed: {samples.error or 'not run'}"])
            continue
        judged = judge(folder, results / f"{name}.parquet", every)
        inside, peak = samples.inside or 0.0, max(run.peak for run in samples.runs)
        ratio = f"{inside / ours.inside:.2f}" if ours.inside else "–"
        counts = [f"{judged[count]:,}" for count in ("rows", "wrong", "lacking")]
        lines.append(
            [
                name,
                str(len(samples.runs)),
                f"{samples.wall:.2f}",
                f"{inside:.2f}",
                f"{samples.median(lambda run: run.cpu) or 0.0:.2f}",
                ratio,
                f"{peak / MIB:,.0f}",
                *counts,
                samples.contender.note,
            ]
        )
    return table(head, lines)


def _verdict(rows: int, ours: Samples, peers: list[Samples]) -> Verdict:
    what, budget = f"training set of {rows:,} rows, 5 views", "faster than Feast's stores"
    measured = [samples for samples in peers if samples.inside]
    if not (ours.inside and measured):
        return Verdict(what, budget, failed([ours, *peers]) if peers else "not measured: no Feast", None)
    best = min(samples.inside or 0.0 for samples in measured)
    said = f"{ours.inside:.1f} s, {best:.1f} s the faster of them"
    return Verdict(what, budget, said, ours.inside <= best, "features")
