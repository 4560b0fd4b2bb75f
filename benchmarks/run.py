"""`make bench`: measures Firnflow's budgets beside the same work by hand and beside its peers; writes RESULTS.md.

python benchmarks/run.py [--only NAME ...] [--quick] [--no-peers] [--add]
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
from pathlib import Path

import report
from harness import Bench
from venvs import WORK, peers

MEASURES = (
    "imports",
    "cli",
    "build",
    "chain",
    "fan",
    "frames",
    "churn",
    "churn_10m",
    "features",
    "online",
    "anomalies",
    "exec",
    "airflow",
    "snowflake",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="one round of everything, smaller where it is slow")
    parser.add_argument("--no-peers", action="store_true", help="only Firnflow and by hand")
    parser.add_argument("--add", action="store_true", help="with --only: put what was measured into RESULTS.md")
    options = parser.parse_args()
    began, load = time.time(), os.getloadavg()[0]
    WORK.mkdir(exist_ok=True)
    bench = Bench(options.quick, [] if options.no_peers else peers())
    results = []
    for name in MEASURES:
        if name in options.only:
            print(f"{name}:", flush=True)
            results.append(importlib.import_module(f"measures.{name}").measure(bench))
            print("\n".join(f"  {v.what}: {v.measured} (budget {v.budget})" for v in results[-1].verdicts), flush=True)
    complete = len(results) == len(MEASURES) and not options.quick and not options.no_peers
    path = Path(__file__).with_name("RESULTS.md") if complete else WORK / "RESULTS.md"
    if options.add and not complete:
        report.add(Path(__file__).with_name("RESULTS.md"), results, began=began, load=load)
    report.write(path, results, bench.peers, quick=options.quick, began=began, load=load)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
