"""The small pipelines by hand: each call, and one durable commit of its result to SQLite.

python small.py chain|fan N
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time

from small.functions import increment, square, total


def main(what: str, n: int) -> None:
    began = time.perf_counter()
    database = sqlite3.connect("state.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE result (task TEXT PRIMARY KEY, value TEXT)")

    def keep(task: str, value: int) -> int:
        database.execute("INSERT INTO result VALUES (?, ?)", (task, json.dumps(value)))
        return value

    if what == "chain":
        x = 1
        for i in range(n):
            x = keep(f"n{i}", increment(x))
    else:
        keep("total", total([keep(f"square{i}", square(i)) for i in range(n)]))
    print(json.dumps({"inside": time.perf_counter() - began}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
