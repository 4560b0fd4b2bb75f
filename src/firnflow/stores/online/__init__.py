"""The online store: texts by place and key, read many at once; SQLite in a file, or Redis by URL.

What the texts say is `features.encoding`'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.errors import ConfigError

if TYPE_CHECKING:
    from firnflow.stores.online.base import OnlineStore

_SQLITE = "sqlite:///"
_REDIS = ("redis://", "rediss://", "unix://")


def connect(url: str) -> OnlineStore:
    """Return the store at a URL; nothing is connected or made before it is used.

    Raises:
        ConfigError: the URL is of no such store.
        MissingExtraError: the client of Redis is not installed.
    """
    if url.startswith(_SQLITE):
        from firnflow.stores.online.sqlite import SQLiteStore

        return SQLiteStore(url.removeprefix(_SQLITE))
    if url.startswith(_REDIS):
        from firnflow.stores.online.redis import RedisStore

        return RedisStore(url)
    scheme = url.partition(":")[0]
    raise ConfigError(
        f"`online` in firnflow.toml: {scheme!r:.40} is no online store. Mend: write sqlite:///PATH, "
        "redis://HOST:PORT/0, rediss://… or unix://SOCKET; one with a password as 'env:NAME' or 'file:PATH'"
    )
