from __future__ import annotations

import pytest

from firnflow.project.catalog import Source
from firnflow.project.partitioned import is_partitioned, of_partition
from firnflow.project.secrets import Secret


def test_the_key_stands_in_the_path():
    source = Source(name="orders", path="data/{partition}/orders_{partition}.csv")
    assert is_partitioned(source)
    assert of_partition(source, "2026-01-05").path == "data/2026-01-05/orders_2026-01-05.csv"
    assert not is_partitioned(Source(name="orders", path="data/orders.csv"))


def test_the_key_stands_in_the_url_also_behind_a_reference(monkeypatch):
    monkeypatch.setenv("ORDERS_URL", "s3://lake/{partition}/*.parquet")
    for url in ("s3://lake/{partition}/*.parquet", "env:ORDERS_URL"):
        source = Source(name="orders", url=Secret(url))
        assert is_partitioned(source)
        day = of_partition(source, "2026-01-05")
        assert day.url.reveal() == "s3://lake/2026-01-05/*.parquet"
        assert day.url.reference == url.replace("{partition}", "2026-01-05")
        assert day.url != source.url
        assert day.url.place_digest() != of_partition(source, "2026-01-06").url.place_digest()
        assert source.url.reveal() == "s3://lake/{partition}/*.parquet"


@pytest.mark.parametrize("key", ["../x", "a/b", "*", "", "a\0", "a?x=1", "a#b", "a b", "{partition}"])
def test_no_key_leads_elsewhere(key):
    with pytest.raises(ValueError, match="is no key"):
        of_partition(Source(name="orders", path="data/{partition}.csv"), key)
