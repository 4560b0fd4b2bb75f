"""What a task that does next to nothing costs: a chain of 1,000, state durable, and the same from the cache."""

from __future__ import annotations

import sys

from harness import FIRNFLOW, PROJECTS, Bench, Contender, Samples, forget, project, script
from report import Result, Verdict, comparison, failed

LENGTH = 1000
PEERS = {
    "kedro": (1000, "SequentialRunner, values in memory: nothing durable"),
    "dagster": (100, "in-process, its own SQLite, values pickled to files"),
    "prefect": (100, "ephemeral API on SQLite, inside ends when it has written all task runs; results kept"),
    "metaflow": (20, "local metadata and datastore, a process a task; inside is the whole `run`"),
}


def measure(bench: Bench) -> Result:
    source = PROJECTS / "small"
    long, short = project(source, "chain"), project(source, "one")
    ours = [
        Contender("firnflow", [FIRNFLOW, "run", "chain", "--json"], LENGTH, long, forget(long), "succeeded"),
        Contender("firnflow, cached", [FIRNFLOW, "run", "chain", "--json"], LENGTH, long, state="cached"),
        Contender("firnflow, chain of 1", [FIRNFLOW, "run", "one", "--json"], 1, short, forget(short), "succeeded"),
        Contender("firnflow, chain of 1, cached", [FIRNFLOW, "run", "one", "--json"], 1, short, state="cached"),
    ]
    hand = Contender("by hand", script(sys.executable, "by_hand/small.py", "chain", LENGTH), LENGTH)
    found = bench.interleave([hand, *ours, *peers(bench, "chain", PEERS)], bench.rounds(5))
    result = Result(
        "No-op tasks in a chain",
        "By hand: each call followed by one durable commit to SQLite (WAL, synchronous FULL). Firnflow: worker "
        "processes as by default. The verdict takes the whole process of the chain of 1,000 less that of a chain of 1.",
    )
    result.tables.append(comparison(found, "by hand"))
    for label, all_of, one_of, budget in (
        ("no-op task in a chain of 1,000", "firnflow", "firnflow, chain of 1", 3.0),
        ("… rerun from the cache", "firnflow, cached", "firnflow, chain of 1, cached", 0.3),
    ):
        result.verdicts.append(_verdict(label, found[all_of], found[one_of], budget))
    return result


def _verdict(label: str, chain: Samples, one: Samples, budget: float) -> Verdict:
    said = f"≤ {budget:g} ms each"
    if not (chain.runs and one.runs):
        return Verdict(label, said, failed([chain, one]), None)
    each = 1000 * (chain.wall - one.wall) / (LENGTH - 1)
    return Verdict(label, said, f"{each:.2f} ms", each <= budget, "chain")


def peers(bench: Bench, what: str, sizes: dict[str, tuple[int, str]]) -> list[Contender]:
    """Return the peers that can be run, each on as many tasks as it does in reasonable time."""
    return [
        Contender(
            f"{peer.name} {peer.version}",
            script(peer.python, f"peers/with_{peer.name}.py", what, sizes[peer.name][0]),
            sizes[peer.name][0],
            note=sizes[peer.name][1],
        )
        for peer in bench.peers
        if peer.error is None and peer.name in sizes
    ]
