"""The data steps of the churn example as SQL by hand in DuckDB, each into Parquet files; prints the seconds of each.

python churn_data.py ROWS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

began = time.perf_counter()
import churn_sql  # noqa: E402 - the clock includes the imports, as of the others


def main(rows: int) -> None:
    folder, fitted, seconds = Path.cwd(), {}, {}
    steps: dict[str, Any] = {
        "generate": lambda con: churn_sql.generate(con, folder, rows),
        "preprocess": lambda con: churn_sql.preprocess(con, folder),
        "split": lambda con: churn_sql.split(con, folder),
        "fit": lambda con: fitted.update(churn_sql.fit(con, folder)),
        "features": lambda con: churn_sql.features(con, folder, fitted),
    }
    for name, step in steps.items():
        at = time.perf_counter()
        with churn_sql.connect(temp=str(folder / "spill")) as con:
            step(con)
        seconds[name] = time.perf_counter() - at
    print(json.dumps({"inside": time.perf_counter() - began, "steps": seconds}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
