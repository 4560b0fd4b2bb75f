"""The large pipelines by hand: each call, and its result written to Parquet (zstd), synced and, for tables, read back.

python frames.py frames|tables ROWS

Besides `inside` it prints `write`: the median time of writing the whole table once, nothing else in it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from frames.functions import STEPS, change_frame, change_table, make_frame, make_table

if TYPE_CHECKING:
    import pandas as pd


def sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def write_frame(frame: pd.DataFrame, path: str) -> float:
    began = time.perf_counter()
    pq.write_table(pa.Table.from_pandas(frame), path, compression="zstd")
    sync(path)
    return time.perf_counter() - began


def frames(rows: int) -> dict[str, float]:
    began = time.perf_counter()
    frame, writes = make_frame(rows), []
    for i in range(STEPS):
        frame = change_frame(frame) if i else frame
        writes.append(write_frame(frame, f"{i}.parquet"))
    return {"inside": time.perf_counter() - began, "write": statistics.median(writes)}


def write_table(connection: ibis.BaseBackend, table: ibis.Table, path: str) -> float:
    began = time.perf_counter()
    connection.con.execute(f"COPY ({connection.compile(table)}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    sync(path)
    return time.perf_counter() - began


def tables(rows: int) -> dict[str, float]:
    began = time.perf_counter()
    connection = ibis.duckdb.connect()
    table = make_table(rows)
    for i in range(STEPS):
        table = change_table(table) if i else table
        write_table(connection, table, f"{i}.parquet")
        table = connection.read_parquet(f"{i}.parquet")
    inside = time.perf_counter() - began
    held = connection.create_table("held", table, temp=True)
    return {"inside": inside, "write": statistics.median(write_table(connection, held, "w.parquet") for _ in range(3))}


if __name__ == "__main__":
    print(json.dumps({"frames": frames, "tables": tables}[sys.argv[1]](int(sys.argv[2]))))
