"""What is looked up online: which customers in which call, what is right, and how calls are timed."""

from __future__ import annotations

import atexit
import json
import random
import socket
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from feature_data import FEATURES, VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable

ENTITIES, CALLS, WARM = 100, 500, 50
NAMES = [f"view{view}__f{f}" for view in range(VIEWS) for f in range(FEATURES)]


def batches(folder: str) -> list[list[int]]:
    """Return the customers of each call, the same ones for everybody."""
    with duckdb.connect() as con:
        known = sorted(
            row[0] for row in con.execute(f"SELECT DISTINCT customer_id FROM '{folder}/view0.parquet'").fetchall()
        )
    luck = random.Random(7)
    return [luck.choices(known, k=ENTITIES) for _ in range(WARM + CALLS)]


def run(folder: str, fill: Callable[[], object], look_up: Callable[[list[int]], dict[str, list[Any]]]) -> None:
    """Fill the store, make the calls, print what they took, and how many entities got wrong values."""
    began = time.perf_counter()
    fill()
    filled = time.perf_counter() - began
    took, wrong = [], 0
    right = _right(folder)
    for customers in batches(folder):
        start = time.perf_counter()
        found = look_up(customers)
        took.append(time.perf_counter() - start)
        firsts = zip(*(found[f"view{view}__f0"] for view in range(VIEWS)), strict=True)
        wrong += sum(mine != right[customer] for customer, mine in zip(customers, firsts, strict=True))
        assert len(found) >= len(NAMES)
    took = took[WARM:]
    p99 = statistics.quantiles(took, n=100)[98]
    print(
        json.dumps({"inside": sum(took), "filled": filled, "p50": statistics.median(took), "p99": p99, "wrong": wrong})
    )


def start_redis() -> int:
    """Start a Redis that keeps nothing and ends with this process, on this machine; return its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    atexit.register(server.wait)
    atexit.register(server.terminate)
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return port


def _right(folder: str) -> dict[int, tuple[float | None, ...]]:
    """Return of each customer the first feature of each view: of what happened last the version that was known last."""
    found: dict[int, list[float | None]] = {}
    with duckdb.connect() as con:
        for view in range(VIEWS):
            path = Path(folder) / f"view{view}.parquet"
            query = f"SELECT customer_id, arg_max(f0, (happened, known)) FROM '{path}' GROUP BY ALL"
            for customer, value in con.execute(query).fetchall():
                found.setdefault(customer, [None] * VIEWS)[view] = value
    return {customer: tuple(values) for customer, values in found.items()}
