"""Which partition a file is for, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from firnflow.project.catalog import Source
from firnflow.stores.sources import locate, units
from firnflow.stores.sources.locate import SourceFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("place", "kind", "files", "keys", "strays"),
    [
        (
            {"path": "in/{partition}.csv"},
            "daily",
            ["in/2026-01-05.csv", "in/2026-1-5.csv", "in/2026-01-05b.csv"],
            {"2026-01-05": 1},
            2,
        ),
        (
            {"path": "in/{partition}*.csv"},
            "daily",
            ["in/2026-01-05.csv", "in/2026-01-05_b.csv", "in/2026-01-06x.csv"],
            {"2026-01-05": 2, "2026-01-06": 1},
            0,
        ),
        (
            {"path": "{partition}/orders {partition} [1].csv"},
            "weekly",
            ["2026-W01/orders 2026-W01 1.csv", "2026-W01/orders 2026-W02 1.csv"],
            {"2026-W01": 1},
            1,
        ),
        (
            {"path": "in/**/x_{partition}.csv"},
            "hourly",
            ["in/x_2026-01-05T02.csv", "in/a/b/x_2026-10-25T02b.csv"],
            {"2026-01-05T02": 1, "2026-10-25T02b": 1},
            0,
        ),
        (
            {"path": "(a+b)$^{partition}.csv"},
            "by_key",
            ["(a+b)$^north.west-1.csv", "(a+b)$^.hidden.csv", "(a+b)$^a b.csv"],
            {"north.west-1": 1},
            2,
        ),
        (
            {"url": "s3://b/{partition}/**"},
            "daily",
            ["s3://b/2026-01-05/x/1.csv", "s3://b/2026-01-05/2.csv", "s3://b/other/2026-01-05/2.csv"],
            {"2026-01-05": 2},
            1,
        ),
        (
            {"path": "data/{partition}.csv", "revision": "main"},
            "daily",
            ["shop/data/2026-01-05.csv", "data/x.csv"],
            {"2026-01-05": 1},
            1,
        ),
        ({"path": "in/{partition}.csv"}, "", ["in/2026-01-05.csv", "in/x.csv"], {"": 2}, 0),
        ({"path": "in/*.csv"}, "daily", ["in/2026-01-05.csv", "in/x.csv"], {"": 2}, 0),
        ({"path": "in/*.csv"}, "daily", [], {}, 0),
    ],
)
def test_keys_in_names(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: dict[str, Any],
    kind: str,
    files: list[str],
    keys: dict[str, int],
    strays: int,
) -> None:
    monkeypatch.setattr(locate, "listed", lambda *_: [SourceFile(name, 1, 1.0, "") for name in files])
    found = units.of(Source(name="orders", **place), tmp_path, kind)
    assert {key: len(each.files) for key, each in found.found.items()} == keys
    assert len(found.strays) == strays
    assert found.partitioned == ("" not in keys and bool(files))
