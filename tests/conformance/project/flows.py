"""Small pipelines, one for each feature of the graph, each kind of value and each failure: every target runs them."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Literal, NamedTuple

import ibis
import pyarrow as pa
from pydantic import Field

import firnflow as ff


class Parts(NamedTuple):
    low: pa.Table
    high: pa.Table


class Section(ff.Params):
    factor: float = 1.5
    names: tuple[str, ...] = ("a", "ü ' \" ;")


class Wishes(ff.Params):
    rows: int = Field(default=4, ge=1)
    word: str = "say $HOME; `ls` \"ü\" 'x'"
    section: Section = Section()


@ff.task
def numbers(rows: int) -> pa.Table:
    """Make `rows` numbers."""
    print("making", rows)
    return pa.table({"n": list(range(rows))})


@ff.task
def split(table: pa.Table) -> Parts:
    half = table.num_rows // 2
    return Parts(table.slice(0, half), table.slice(half))


@ff.task
def count(table: pa.Table) -> int:
    ff.log_metric("rows", table.num_rows)
    return table.num_rows


@ff.task
def describe(low: int, high: int, word: str, section: Section) -> dict[str, str]:
    return {"low": str(low), "high": str(high), "word": word, "names": "|".join(section.names)}


@ff.task
def page(facts: dict[str, str]) -> ff.Html:
    return ff.Html(f"<!doctype html><p>{facts['low']}")


@ff.pipeline(params=Wishes)
def values(p):
    """Tables, several outputs, JSON, a page, parameters with hostile texts."""
    parts = split(numbers(p.rows))
    page(describe(count(parts.low), count.options(name="above")(parts.high), p.word, p.section))


@ff.task
def computed(rows: int) -> ibis.Table:
    numbers = ibis.range(rows).unnest().name("n").as_table()
    return numbers.mutate(word=ibis.literal("ü'\"") + (numbers.n % 3).cast("string"), half=numbers.n / 2)


@ff.task
def by_word(table: ibis.Table) -> ibis.Table:
    return table.group_by("word").agg(rows=table.count(), most=table.half.max())


@ff.task
def told(table: ibis.Table) -> list[dict[str, str]]:
    rows = table.order_by("word").to_pyarrow().to_pylist()
    print("of", len(rows), "words")
    return [{name: str(value) for name, value in row.items()} for row in rows]


@ff.pipeline
def expressions():
    """Tables that the warehouse computes, none of whose rows a task holds before the last one."""
    told(by_word(computed(10)))


@ff.task
def listed(upto: int) -> list[int]:
    return list(range(upto))


@ff.task
def double(x: int) -> int:
    return 2 * x


@ff.task
def add(x: int, y: int) -> int:
    return x + y


@ff.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


class Upto(ff.Params):
    upto: int = 2
    given: list[int] = Field(default=[5])


@ff.pipeline(params=Upto)
def maps(p):
    """Maps over a written list, a parameter, what a task returns, nothing, and pairs of lists."""
    total(double.map([1, 2]))
    total.options(name="of_found")(double.options(name="found").map(listed(p.upto)))
    total.options(name="of_nothing")(double.options(name="nothing").map(listed.options(name="empty")(0)))
    total.options(name="of_pairs")(add.cross_map(p.given, [10, 20]))


class Side(ff.Params):
    side: str = "left"


@ff.task
def choose(side: str) -> Literal["left", "right"]:
    return "left" if side == "left" else "right"


@ff.task
def left() -> int:
    return 1


@ff.task
def right() -> int:
    return 2


@ff.task
def below(x: int) -> int:
    return 10 * x


@ff.task
def either(values: list[int]) -> int:
    return sum(values)


@ff.task
def perhaps(x: int | None) -> int:
    return -1 if x is None else x


@ff.task
def note(summary: ff.RunSummary) -> dict[str, str]:
    return {"status": str(summary.status), **{name: str(state) for name, state in summary.tasks.items()}}


@ff.pipeline(params=Side, finalizer=note)
def branches(p):
    """A branch, what hangs below it, two joins, a map below a case, and a finalizer."""
    side = choose(p.side)
    with side.case("left"):
        one = below(left())
        total(double.map(listed(1)))
    with side.case("right"):
        two = below.options(name="below_right")(right())
    either([one, two])
    perhaps(two)


@ff.pipeline
def inner(x: int):
    return double.options(name="twice")(double(x))


@ff.pipeline
def groups():
    """Sub-pipelines as groups."""

    total([inner(1)])


@ff.task
def broken(x: int) -> int:
    raise ValueError(f"no luck with {x}")


@ff.pipeline(finalizer=note)
def failing():
    """A task that fails: what is below it does not run, what is beside it and the finalizer do, the run has failed."""
    first = left.options(group="g")()
    below(broken.options(group="g")(first))
    double.options(name="after")(double.options(name="beside", group="g")(first))
    right()


class Marks(ff.Params):
    folder: str


@ff.task(retries=2, retry_delay=0.2)
def flaky(folder: str) -> int:
    tries = len(list(Path(folder).glob("try-*")))
    (Path(folder) / f"try-{tries}").touch()
    if tries == 0:
        raise ValueError("the first time")
    if tries == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return tries


@ff.task(timeout="3s")
def hanging(folder: str) -> None:
    time.sleep(600)


@ff.pipeline(params=Marks)
def retried(p):
    """A task that fails, is killed, and then succeeds."""
    flaky(p.folder)


@ff.pipeline(params=Marks)
def timed_out(p):
    """A task that outruns its timeout."""
    hanging(p.folder)


@ff.pipeline
def publishing():
    """A table that is published, and starts another pipeline."""
    numbers(3).publish("conformance_numbers")


@ff.pipeline(schedule=ff.OnUpdate("conformance_numbers"))
def reading():
    """What is started by a table that another pipeline publishes."""
    count(ff.table("conformance_numbers"))


@ff.pipeline(schedule=ff.OnUpdate("conformance_numbers") & ff.OnUpdate("outside"))
def both():
    """What is started by a table of ours and one of another team."""
    right()


@ff.pipeline(schedule=ff.OnUpdate("outside") | ff.OnUpdate("nobody_publishes_it"))
def one_of_them():
    """What is started by another team."""
    right()


@ff.task(retries=3, retry_delay=0.1)
def wait(x: int, folder: str) -> int:
    """Write down who is at it, and wait until somebody says `go`."""
    place = Path(folder)
    (place / f"at-{os.getpid()}").touch()
    while not (place / "go").exists():
        time.sleep(0.1)
    return x + 1


@ff.pipeline(params=Marks, finalizer=note)
def steady(p):
    """A task that waits between two others: what is done to it meanwhile must not be seen in the end."""
    below(wait(left(), p.folder))


@ff.task(resources=ff.Resources(pool="large"))
def there(x: int) -> int:
    return x


@ff.pipeline
def placed():
    """Tasks of two queues."""
    there(left())


@ff.task
def versions() -> dict[str, str]:
    """Say what the task is executed with."""
    import pandas as pd
    import sqlalchemy as sa

    return {"pandas": pd.__version__, "sqlalchemy": sa.__version__, "python": sys.prefix}


@ff.pipeline
def surroundings():
    """Libraries that the orchestrator has too, in other versions."""
    versions()


@ff.task
def of_day(day: str) -> str:
    return f"the rows of {day}"


@ff.pipeline(partition=ff.Daily(start="2026-01-01"))
def daily(partition):
    """A pipeline whose runs are for a day."""
    of_day(partition.key)


@ff.pipeline(partition=ff.Daily(start="2026-01-01"), schedule=ff.Cron("0 6 * * *"))
def nightly(partition):
    """A pipeline that runs each morning for the day before."""
    of_day(partition.key)


@ff.pipeline(partition=ff.ByKey("a", "b"))
def keyed(partition):
    """A pipeline whose runs are for a key."""
    of_day(partition.key)


@ff.task(resources=ff.Resources(memory="400Mi"))
def hungry() -> int:
    held = bytearray(1_000_000_000)
    held[:: 2**12] = b"x" * len(held[:: 2**12])
    time.sleep(60)
    return len(held)


@ff.pipeline
def greedy():
    """A task that holds more memory than it may."""
    hungry()


@ff.task(retries=1, retry_delay=0.1)
def impatient(x: int, folder: str) -> int:
    return x + int((Path(folder) / "there").read_text())


@ff.pipeline(params=Marks)
def mended(p):
    """A task that fails until somebody has mended what it reads."""
    below(impatient(left(), p.folder))
