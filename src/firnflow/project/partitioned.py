"""Sources of catalog.toml that are other data for each partition: with `{partition}` in their path or URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.graph.partitions import check_key

if TYPE_CHECKING:
    from firnflow.project.catalog import Source

MARK = "{partition}"
"""What stands for the key of a run's partition."""


def is_partitioned(source: Source) -> bool:
    """Return whether a source has the mark in its path or URL. Raises ConfigError where a reference leads nowhere."""
    if source.path is not None:
        return MARK in source.path
    return source.url is not None and MARK in source.url.reveal()


def of_partition(source: Source, key: str) -> Source:
    """Return the source of one partition. Raises ValueError where the key could lead elsewhere."""
    return _filled(source, check_key(key))


def of_all_partitions(source: Source) -> Source:
    """Return the source with a pattern that the files of all partitions match."""
    return _filled(source, "*")


def _filled(source: Source, text: str) -> Source:
    if source.path is not None:
        return source.model_copy(update={"path": source.path.replace(MARK, text)})
    if source.url is not None:
        return source.model_copy(update={"url": source.url.replaced(MARK, text)})
    return source
