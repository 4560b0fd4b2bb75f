"""What the tasks of the large pipelines compute, by every framework alike: 20 columns of random float64."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd

COLUMNS = tuple(f"c{i}" for i in range(20))
STEPS = 5


def make_frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(42).random((rows, len(COLUMNS))), columns=list(COLUMNS))


def change_frame(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(c0=frame["c0"] + 1.0)


def make_table(rows: int) -> ibis.Table:
    i = ibis.range(rows).unnest().name("i").as_table().i
    return i.as_table().select(**{c: (i * len(COLUMNS) + n).hash().cast("float64") for n, c in enumerate(COLUMNS)})


def change_table(table: ibis.Table) -> ibis.Table:
    return table.mutate(c0=table.c0 + 1.0)
