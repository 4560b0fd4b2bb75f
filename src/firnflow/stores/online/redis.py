"""The online store in Redis: each place is a hash, and whoever fills it holds a lock whose token each write shows."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from firnflow._crash import crash_point
from firnflow.errors import ConfigError, MissingExtraError, StoreError
from firnflow.stores.online.base import MARK, PATIENCE, Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_PREFIX = "firnflow:online:"
_LEASE = 30.0
"""Seconds after which the lock of a writer that was killed is free."""
_TIMEOUT = 10.0
_BATCH = 5000

# The lock is looked at and the write done in one step: who lost the lock, and does not know, changes nothing.
_HELD = "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end "
_PUT = _HELD + "for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end return 1"
_DROP = _HELD + (
    "redis.call('HSET', KEYS[1], '', ARGV[2]) for i = 3, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end return 1"
)
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_FREE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RedisStore:
    """Texts in Redis; see `OnlineStore`.

    Args:
        url: such as `redis://HOST:PORT/0`.

    Raises:
        MissingExtraError: its client is not installed.
        ConfigError: the URL is none.
    """

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ImportError as error:
            raise MissingExtraError("redis", "redis") from error
        try:
            self._client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=_TIMEOUT)
        except ValueError as error:
            raise ConfigError(f"`online` in firnflow.toml is no URL of Redis: {error}") from None

    def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> list[Found]:
        """See `OnlineStore.read`."""
        pipeline = self._client.pipeline(transaction=False)
        for place, keys in wanted:
            pipeline.hmget(_PREFIX + place, [MARK, *keys])
        with _said():
            return [Found(mark, texts) for mark, *texts in pipeline.execute()]

    @contextlib.contextmanager
    def writing(self, place: str) -> Iterator[RedisWriter]:
        """See `OnlineStore.writing`."""
        with _said():
            writer = RedisWriter(self._client, _PREFIX + place)
            done = threading.Event()
            beat = threading.Thread(target=writer.renew, args=(done,), daemon=True)
            beat.start()
            try:
                yield writer
            finally:
                done.set()
                beat.join()
                writer.free()

    def close(self) -> None:
        """See `OnlineStore.close`."""
        self._client.close()


class RedisWriter:
    """The writer of a place, while it holds the place's lock; see `Writer`."""

    def __init__(self, client: Any, place: str) -> None:
        self._client, self._place, self._lock = client, place, f"{place}:lock"
        self._token = uuid.uuid4().hex
        until = time.monotonic() + PATIENCE
        while not client.set(self._lock, self._token, nx=True, px=int(_LEASE * 1000)):
            if time.monotonic() > until:
                raise StoreError(f"Another process has been filling {place} for {PATIENCE:g} s. Mend: wait for it")
            time.sleep(0.1)
        self.mark = self.get([MARK])[0]

    def renew(self, done: threading.Event) -> None:
        """Keep the lock until `done`. A store that is away for a moment is asked again."""
        while not done.wait(_LEASE / 4):
            with contextlib.suppress(StoreError), _said():
                self._client.eval(_RENEW, 1, self._lock, self._token, int(_LEASE * 1000))

    def free(self) -> None:
        """Give the lock back; where that fails it ends by itself."""
        with contextlib.suppress(StoreError), _said():
            self._client.eval(_FREE, 1, self._lock, self._token)

    def get(self, keys: Sequence[str]) -> list[str | None]:
        """See `Writer.get`."""
        found: list[str | None] = self._client.hmget(self._place, list(keys)) if keys else []
        return found

    def put(self, texts: Mapping[str, str], mark: str) -> None:
        """See `Writer.put`."""
        self._held(_PUT, [part for pair in {MARK: mark, **texts}.items() for part in pair])
        crash_point("online.written")

    def all_keys(self) -> Iterator[str]:
        """See `Writer.all_keys`."""
        for key, _ in self._client.hscan_iter(self._place, count=_BATCH):
            if key != MARK:
                yield key

    def count(self) -> int:
        """See `Writer.count`."""
        return int(self._client.hlen(self._place)) - bool(self._client.hexists(self._place, MARK))

    def drop(self, keys: Iterable[str], mark: str) -> None:
        """See `Writer.drop`."""
        some = list(keys)
        for start in range(0, len(some), _BATCH):
            self._held(_DROP, [mark, *some[start : start + _BATCH]])

    def end(self, mark: str) -> None:
        """See `Writer.end`."""
        self._held(_PUT, [MARK, mark])

    def _held(self, script: str, arguments: list[str]) -> None:
        if not self._client.eval(script, 2, self._place, self._lock, self._token, *arguments):
            raise StoreError(
                f"Another process has taken over filling {self._place}, as this one was not heard of for {_LEASE:g} s. "
                "Nothing is lost: the other one goes on"
            )


@contextlib.contextmanager
def _said() -> Iterator[None]:
    """Say what is wrong with the store. Raises StoreError."""
    import redis

    try:
        yield
    except redis.RedisError as error:
        raise StoreError(
            f"The online store in Redis cannot be used: {str(error).rstrip('.')}. Mend: see `online` in firnflow.toml"
        ) from error
