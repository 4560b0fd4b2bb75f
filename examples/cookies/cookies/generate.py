"""`python -m cookies.generate`: writes the feeds of some days into a folder or a bucket.

Two files a day: `trial_customers_2026-01-31.csv` and `orders_2026-01-31.csv`, UTF-8. A file appears complete or not at
all, the orders last: who waits for them finds the customers.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
from pathlib import Path
from typing import TYPE_CHECKING

from cookies.generator import Feeds, feeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa


def main(arguments: Sequence[str] | None = None) -> None:
    """Write what the command line asks for, and say where."""
    parser = argparse.ArgumentParser(prog="python -m cookies.generate", description="Write the feeds of some days.")
    parser.add_argument("day", type=dt.date.fromisoformat, help="the first day, such as 2026-01-05")
    parser.add_argument("--days", type=_positive, default=1, help="how many days [1]")
    parser.add_argument("--customers", type=_positive, default=200, help="how many begin a trial each day [200]")
    parser.add_argument("--seed", type=int, default=42, help="another seed, other customers [42]")
    parser.add_argument("--to", default="data", help="a folder, or a bucket such as s3://cookies/feeds [data]")
    given = parser.parse_args(arguments)
    for number in range(given.days):
        day = given.day + dt.timedelta(days=number)
        try:
            places = write(given.to, day, feeds(day, given.customers, given.seed))
        except (OSError, ImportError, ValueError) as error:
            parser.exit(1, f"error: {given.to} cannot be written to: {error}\n")
        print(*places, sep="\n")  # noqa: T201 - what it is for


def write(to: str, day: dt.date, made: Feeds) -> list[str]:
    """Write the feeds of a day, the orders last, and return where.

    Args:
        to: a folder, which is made if need be, or a URL that fsspec knows.
        day: the day, for the names.
        made: the feeds.
    """
    places = []
    for name in Feeds._fields:
        place = f"{to.rstrip('/')}/{name}_{day}.csv"
        _put(place, _csv(getattr(made, name)))
        places.append(place)
    return places


def _csv(table: pa.Table) -> bytes:
    import pyarrow.csv

    target = io.BytesIO()
    pyarrow.csv.write_csv(table, target, pyarrow.csv.WriteOptions(quoting_style="none"))
    return target.getvalue()


def _put(place: str, content: bytes) -> None:
    if "://" in place:
        import fsspec

        with fsspec.open(place, "wb") as target:
            target.write(content)
        return
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")  # a reader never sees half a file
    new.write_bytes(content)
    new.replace(path)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


if __name__ == "__main__":
    main()
