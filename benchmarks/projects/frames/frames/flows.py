"""The large pipelines: one makes a table, four more change a column of it."""

from __future__ import annotations

import firnflow as ff
from frames import functions

make_frame = ff.task(functions.make_frame)
change_frame = ff.task(functions.change_frame)
make_table = ff.task(functions.make_table)
change_table = ff.task(functions.change_table)


class Size(ff.Params):
    """How many rows."""

    rows: int = 1_000_000


@ff.pipeline(params=Size)
def frames(p):
    x = make_frame(p.rows)
    for i in range(1, functions.STEPS):
        x = change_frame.options(name=f"change{i}")(x)


@ff.pipeline(params=Size)
def tables(p):
    x = make_table(p.rows)
    for i in range(1, functions.STEPS):
        x = change_table.options(name=f"change{i}")(x)
