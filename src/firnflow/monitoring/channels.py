"""Sends alerts to the channels of an environment by apprise: Slack, Teams, e-mail, webhooks and many more.

A channel is an address of apprise, by reference. Several alerts of one kind about one thing are sent together, and at
most one message in `every` seconds. A channel that is down is tried again, later and later, for a week; others are not
held up by it. A sender that is killed between sending and writing that down sends again: at least once.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from firnflow.errors import FirnflowError, MissingExtraError, StoreError
from firnflow.monitoring import alerts, wording
from firnflow.project import redact
from firnflow.project.secrets import hide
from firnflow.stores.state.outbox import Message, Outbox
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.project.settings import Channel, Settings
    from firnflow.stores.artifacts import ArtifactStore
    from firnflow.stores.state import State

GIVE_UP = 7 * 86_400.0
"""Seconds after which an alert that no channel takes is given up."""
_FIRST, _LONGEST = 30.0, 3600.0  # seconds between tries
_KEPT = 30 * 86_400.0
_RASTER = {"image/png"}


class AlertDeliverer:
    """Sends the alerts of one environment. It is one of the senders of `stores.delivery`."""

    def __init__(self, settings: Settings, state: State, artifacts: ArtifactStore) -> None:
        names = ", ".join(sorted(settings.alerts.channels))
        self.name = f"alerts to {names}"
        self._settings, self._state, self._artifacts = settings, state, artifacts
        self._outbox = Outbox(state, alerts.TOPIC)

    def check(self) -> None:
        """Raise ConfigError where an address leads nowhere; whether a channel takes something is seen by sending."""
        for channel in self._settings.alerts.channels.values():
            channel.url.reveal()

    def waiting(self) -> list[str]:
        """Return what is due, a line each: what is held back for a while, since others were just sent, is not."""
        alerts.collect(self._state, self._settings)
        now = time.time()
        return [f"{m.payload['channel']}: {m.payload['title']}" for m in self._mine() if m.next_at <= now]

    def deliver(self) -> list[str]:
        """Send what is due. Raises StoreError where a channel has not taken something."""
        alerts.collect(self._state, self._settings)
        now = time.time()
        errors = []
        for channel, messages in self._due(now):
            try:
                self._send(channel, messages)
            except FirnflowError as error:
                errors.append(f"{channel}: {redact(str(error))}")
                self._failed(messages, errors[-1], now)
            else:
                self._outbox.mark_sent(message.id for message in messages)
        self._outbox.forget(now - _KEPT)
        if errors:
            raise StoreError("; ".join(errors))
        return []

    def close(self) -> None:
        """Nothing is held open."""

    def _mine(self) -> list[Message]:
        """Return what waits for channels that there are; what a channel was taken away from is given up."""
        waiting = self._outbox.waiting()
        gone = [m.id for m in waiting if m.payload.get("channel") not in self._settings.alerts.channels]
        if gone:
            self._outbox.mark_sent(gone, "the channel is not configured any more")
        return [message for message in waiting if message.id not in gone]

    def _due(self, now: float) -> Iterator[tuple[str, list[Message]]]:
        """Yield channels with the messages of one group that are to be sent together now."""
        groups: dict[tuple[str, str, str], list[Message]] = {}
        for message in self._mine():
            groups.setdefault(_group(message), []).append(message)
        every = self._settings.alerts.every
        last = {_group(message): message.sent_at or 0.0 for message in self._outbox.sent_since(now - every)}
        for group, messages in groups.items():
            free = last.get(group, 0.0) + every
            if free > now:
                self._outbox.postpone([m.id for m in messages if m.next_at < free], free)
            elif any(message.next_at <= now for message in messages):
                yield group[0], messages

    def _failed(self, messages: list[Message], error: str, now: float) -> None:
        old = [message.id for message in messages if now - message.created_at > GIVE_UP]
        self._outbox.mark_sent(old, f"given up: {error}")
        tries = min(message.tries for message in messages)
        wait = min(_FIRST * 2.0**tries, _LONGEST)
        self._outbox.postpone([message.id for message in messages if message.id not in old], now + wait, error)

    def _send(self, name: str, messages: list[Message]) -> None:
        title, body = wording.together(
            [message.payload["title"] for message in messages], [message.payload["body"] for message in messages]
        )
        send(self._settings.alerts.channels[name], redact(title), redact(body), self._picture(messages))

    def _picture(self, messages: list[Message]) -> str | None:
        """Return the file of the newest picture that a channel can show."""
        for message in reversed(messages):
            found = message.payload.get("picture")
            if not found:
                continue
            ref = Ref.from_json(found)
            if ref.where and (ref.meta or {}).get("media_type") in _RASTER:
                try:
                    return str(self._artifacts.local(ref.where))
                except FirnflowError:  # it is gone meanwhile: the words matter more
                    return None
        return None


def send(channel: Channel, title: str, body: str, picture: str | None = None) -> None:
    """Send one message.

    Args:
        channel: where to.
        title: one line.
        body: Markdown.
        picture: path of a PNG.

    Raises:
        StoreError: the channel has not taken it, or its address is none.
        ConfigError: the reference of its address leads nowhere.
        MissingExtraError: apprise is not installed.
    """
    try:
        import apprise
    except ModuleNotFoundError as error:
        raise MissingExtraError("apprise", "alerts") from error
    url = channel.url.reveal()
    for part in url.replace("?", "/").replace("&", "/").split("/"):
        if len(part) >= 8:
            hide(part)
    target = apprise.Apprise()
    with apprise.LogCapture(level=logging.WARNING) as said:
        known = target.add(url)
        taken = known and target.notify(
            body=body, title=title, body_format=apprise.NotifyFormat.MARKDOWN, attach=picture
        )
        reason = " ".join(said.getvalue().split())
    if not known:
        raise StoreError(f"{channel.url.reference} stands for no address that apprise knows (slack://…, mailto://…)")
    if not taken:
        raise StoreError(f"not taken: {redact(reason) or 'no reason was given'}")


def _group(message: Message) -> tuple[str, str, str]:
    return str(message.payload["channel"]), str(message.payload["kind"]), str(message.payload["group"])
