"""One sender at a time, that tries again for as long as something may come, and then says what stays."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from firnflow.errors import StateError, StoreError
from firnflow.project.secrets import hide
from firnflow.stores import delivery
from firnflow.stores.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    state = State(url)
    yield state.engine
    state.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_pause", lambda *_: None)


@dataclass
class Post:
    """A deliverer of letters; `down` is how often the service is away, `most` what it takes in one round."""

    name: str = "post"
    letters: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    down: int = 0
    most: int = 100
    rounds: int = 0

    def check(self) -> None: ...

    def close(self) -> None: ...

    def waiting(self) -> list[str]:
        return list(self.letters)

    def deliver(self) -> list[str]:
        self.rounds += 1
        if self.down > 0:
            self.down -= 1
            raise StoreError("the post is closed, says hunter2-secret")
        self.sent += self.letters[: self.most]
        self.letters = self.letters[self.most :]
        return ["a stamp was missing"]


def test_all_that_waits_is_sent_however_many_rounds_that_takes(engine: sa.Engine) -> None:
    post = Post(letters=["a", "b", "c"], most=1)
    assert delivery.deliver([post], engine) == [delivery.Delivery("post", 0, None, ("a stamp was missing",))]
    assert (post.sent, post.rounds) == (["a", "b", "c"], 3)


def test_a_service_that_is_away_for_a_moment_is_asked_again(engine: sa.Engine) -> None:
    post = Post(letters=["a"], down=2)
    assert delivery.deliver([post], engine)[0].error is None
    assert post.sent == ["a"]


def test_a_service_that_stays_away_is_given_up_and_why_is_said_without_secrets(engine: sa.Engine) -> None:
    hide("hunter2-secret")
    post, other = Post(letters=["a"], down=99), Post("other", ["x"])
    done = delivery.deliver([post, other], engine)
    assert done[0] == delivery.Delivery("post", 1, "the post is closed, says ***")
    assert (done[1].waiting, other.sent) == (0, ["x"])
    assert post.rounds == 3


def test_what_a_service_neither_takes_nor_refuses_is_given_up_too(engine: sa.Engine) -> None:
    post = Post(letters=["a"], most=0)
    (done,) = delivery.deliver([post], engine)
    assert (done.waiting, done.error) == (1, None)
    assert post.rounds <= 4


def test_while_a_run_goes_on_it_is_followed_and_what_comes_last_is_sent(engine: sa.Engine) -> None:
    post = Post()
    left = iter(["b", "c"])

    def under_way() -> bool:
        letter = next(left, None)
        post.letters += [letter] if letter else []
        return letter is not None

    delivery.deliver([post], engine, under_way)
    assert post.sent == ["b", "c"]


def test_one_sends_at_a_time(engine: sa.Engine) -> None:
    inside, most = 0, 0
    lock = threading.Lock()

    def send() -> None:
        nonlocal inside, most
        for _ in range(5):
            with delivery.sending(engine):
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_whoever_waits_too_long_is_told(engine: sa.Engine) -> None:
    with (
        delivery.sending(engine),
        pytest.raises(StateError, match=r"another process has been sending for 0\.1 s"),
        delivery.sending(engine, 0.1),
    ):
        pass
    with delivery.sending(engine, 0.1):
        pass


def test_a_killed_sender_leaves_no_lock(url: str, engine: sa.Engine) -> None:
    code = (
        "import os, sys; from firnflow.stores import delivery; from firnflow.stores.state import State\n"
        f"with delivery.sending(State({url!r}).engine): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with delivery.sending(engine, 5.0):
        pass
