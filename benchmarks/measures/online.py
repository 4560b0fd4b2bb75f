"""Looking up 100 entities of five views online, beside Feast with the same store."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from harness import Bench, Contender, Samples, environment, fresh, script
from report import Result, Verdict, failed, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTITIES, CALLS = 100, 500


def measure(bench: Bench) -> Result:
    rows = 10_000 if bench.quick else 100_000
    folder = fresh("online")
    make = script(sys.executable, "shared/feature_data.py", folder, rows)
    subprocess.run(make, check=True, env=environment(scripted=True))
    result = Result(
        f"Features online: {ENTITIES} entities × five views of 8 features in one call",
        f"Each view has the last values of {rows // 10:,} customers, of {2 * rows:,} rows. One process, which fills "
        f"the store and then makes {CALLS} calls that count; SQLite is a file, Redis on this machine over TCP. *Wrong* "
        "are answers that are not the last of the source, of all that were given.",
    )
    stores = ["SQLite", *(["Redis"] if shutil.which("redis-server") else [])]
    contenders = [each for store in stores for each in _contenders(bench, store, folder)]
    found = bench.interleave(contenders, bench.rounds(3), warm=False)
    result.tables.append(_table(found))
    result.verdicts += [_verdict(store, found) for store in stores]
    if "Redis" not in stores:
        result.verdicts.append(
            Verdict("online look-up, Redis", "faster than Feast", "not measured: no redis-server", None)
        )
    return result


def _contenders(bench: Bench, store: str, folder: Path) -> Iterator[Contender]:
    yield Contender(f"firnflow, {store}", script(sys.executable, "by_hand/online.py", store.lower(), folder))
    for peer in (peer for peer in bench.peers if peer.name == "feast" and peer.error is None):
        command = script(peer.python, "peers/with_feast_online.py", store.lower(), folder)
        yield Contender(f"feast {peer.version}, {store}", command)


def _table(found: dict[str, Samples]) -> str:
    lines = []
    for name, samples in found.items():
        if not samples.runs:
            lines.append([name, "0", *["–"] * 6, f"failed: {samples.error or 'not run'}"])
            continue
        ours = found[f"firnflow, {name.partition(', ')[2]}"]
        p50, p99, filled = (_said(samples, word) for word in ("p50", "p99", "filled"))
        ratios = [
            f"{mine / _said(ours, word):.1f}" if ours.runs else "–" for word, mine in (("p50", p50), ("p99", p99))
        ]
        wrong = max(int(run.said["wrong"]) for run in samples.runs)
        times = [f"{1000 * p50:.2f}", f"{1000 * p99:.2f}"]
        lines.append([name, str(len(samples.runs)), *times, *ratios, f"{filled:.1f}", f"{wrong:,}", ""])
    head = ["who", "runs", "p50, ms", "p99, ms", "p50 × firnflow", "p99 × firnflow", "filling, s", "wrong", "note"]
    return table(head, lines)


def _said(samples: Samples, word: str) -> float:
    return samples.median(lambda run: float(run.said[word])) or 0.0


def _verdict(store: str, found: dict[str, Samples]) -> Verdict:
    what, budget = f"online look-up of {ENTITIES} entities × 5 views, {store}", "faster than Feast with this store"
    ours = found[f"firnflow, {store}"]
    theirs = [samples for name, samples in found.items() if name.startswith("feast") and name.endswith(store)]
    if not ours.runs or not theirs or not theirs[0].runs:
        return Verdict(what, budget, failed([ours, *theirs]) if theirs else "not measured: no Feast", None)
    both = [[1000 * _said(samples, word) for word in ("p50", "p99")] for samples in (ours, theirs[0])]
    said = "p50 {:.2f} ms, p99 {:.2f} ms; Feast {:.2f} and {:.2f}".format(*both[0], *both[1])
    met = all(mine <= other for mine, other in zip(*both, strict=True))
    return Verdict(what, budget, said, met, "online")
