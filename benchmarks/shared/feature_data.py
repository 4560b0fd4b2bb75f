"""A spine and five feature tables, made in DuckDB: late rows, corrections, equal rows of the spine.

python feature_data.py FOLDER ROWS

`spine.parquet` has ROWS rows: row_id, customer_id, at, label; one in a thousand is there twice but for its row_id.
`view0.parquet` … have 2 · ROWS rows: customer_id, happened, known, f0 … f7. A tenth of them correct an earlier row: the
same customer and `happened`, known later, with other values. A third of the others become known up to ten days late.
`f0` is different in every row of a table, so that an answer tells which row it was taken from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

VIEWS, FEATURES, TTL_DAYS, ROWS_PER_CUSTOMER = 5, 8, 60, 10
YEAR, DAY = 365 * 86_400, 86_400

SPINE = """
    SELECT i AS row_id, hash(s, 1) % {customers} AS customer_id,
        TIMESTAMP '2024-01-01' + to_seconds((hash(s, 2) % {year})::BIGINT) AS at, hash(s, 3) % 2 AS label
    FROM (SELECT range AS i, range - (range % 1000 = 999)::BIGINT AS s FROM range({rows}))
"""
VIEW = """
    SELECT customer_id, happened, happened + to_seconds(late) AS known, i::DOUBLE AS f0, {features}
    FROM (
        SELECT i, e >= 0 AND i != e AS corrects, hash(e, {view}, 1) % {customers} AS customer_id,
            TIMESTAMP '2023-11-01' + to_seconds((hash(e, {view}, 2) % {span})::BIGINT) AS happened,
            (CASE WHEN i != e THEN {day} * 10 + hash(i, {view}, 3) % ({day} * 10)
                WHEN hash(i, {view}, 4) % 3 = 0 THEN hash(i, {view}, 5) % ({day} * 10) ELSE 0 END)::BIGINT AS late
        FROM (SELECT range AS i, CASE WHEN range % 10 = 9 THEN range - 1 - range // 10 % 9 ELSE range END AS e
            FROM range({rows}))
    )
"""
TRUTH = """
    SELECT s.row_id, v.f0 FROM (FROM '{folder}/spine.parquet' WHERE row_id % {every} = 0) s LEFT JOIN LATERAL (
        SELECT f0 FROM '{folder}/view{view}.parquet' r
        WHERE r.customer_id = s.customer_id AND r.happened <= s.at AND r.known <= s.at
            AND r.happened > s.at - INTERVAL {ttl} DAY
        ORDER BY happened DESC, known DESC LIMIT 1) v ON true
"""


def make(folder: Path, rows: int) -> None:
    """Write the tables."""
    sizes = {"customers": max(rows // ROWS_PER_CUSTOMER, 1), "year": YEAR, "day": DAY, "span": YEAR + 60 * DAY}
    with duckdb.connect() as con:
        _write(con, SPINE.format(rows=rows, **sizes), folder / "spine.parquet")
        for view in range(VIEWS):
            features = ", ".join(f"(hash(i, {view}, {10 + f}) % 1000000) / 1000 AS f{f}" for f in range(1, FEATURES))
            query = VIEW.format(rows=2 * rows, view=view, features=features, **sizes)
            _write(con, query, folder / f"view{view}.parquet")


def _write(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    con.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def judge(folder: Path, result: Path, every: int) -> dict[str, int]:
    """Return how many rows a result has, and of every `every`-th row of the spine how many it lacks or has wrong.

    `wrong`: rows with at least one view whose values are not those that were known at the row's time.
    """
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE found AS FROM '{result}'")
        (rows,) = con.execute("SELECT count(*) FROM found").fetchone()
        for view in range(VIEWS):
            query = TRUTH.format(folder=folder, view=view, every=every, ttl=TTL_DAYS)
            con.execute(f"CREATE TABLE truth{view} AS {query}")
        joins = " ".join(f"JOIN truth{view} t{view} USING (row_id)" for view in range(1, VIEWS))
        right = " AND ".join(f"f.view{view}__f0 IS NOT DISTINCT FROM t{view}.f0" for view in range(VIEWS))
        query = (
            f"SELECT count(*) FILTER (NOT ({right})), (SELECT count(*) FROM truth0) - count(DISTINCT row_id), count(*) "
            f"FROM truth0 t0 {joins} JOIN found f USING (row_id)"
        )
        wrong, lacking, seen = con.execute(query).fetchone()
    return {"rows": rows, "wrong": wrong, "lacking": lacking, "looked_at": seen}


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
