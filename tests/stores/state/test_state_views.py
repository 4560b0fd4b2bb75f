"""The registry of feature views, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from firnflow.errors import NotFoundError
from firnflow.stores.state import State
from firnflow.stores.state.views import Views, ViewVersion


def a_version(name="orders_of", version="aaaaaaaaaaaa", at=1.0, **about):
    return ViewVersion(name, version, {"ttl": None, "timestamp": "Zeit ' \" ü"}, about, at, at, "me@here")


def test_the_version_that_was_applied_last_is_current_and_one_that_comes_back_keeps_its_age(state):
    views = Views(state)
    assert views.current() == {}
    first, second = a_version(), a_version(version="bbbbbbbbbbbb", at=2.0)
    views.write([first, a_version("plans", at=1.5)])
    views.write([second])
    assert views.current() == {"orders_of": second, "plans": a_version("plans", at=1.5)}
    views.write([dataclasses.replace(first, made_at=3.0, applied_at=3.0, about={"owner": "Jörg"})])
    back = dataclasses.replace(first, applied_at=3.0, about={"owner": "Jörg"})
    assert views.versions("orders_of") == [back, second]
    assert views.current()["orders_of"] == back
    with pytest.raises(NotFoundError, match=r"no feature view 'order_of'. Did you mean 'orders_of'"):
        views.versions("order_of")


def test_many_that_write_the_same_views_at_once_leave_each_once(url):
    def write(number: int) -> None:
        state = State(url)
        names = [f"v{n}" for n in range(20)]
        Views(state).write([a_version(name, at=float(number)) for name in (names if number % 2 else names[::-1])])
        state.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = State(url)
    assert [len(Views(state).versions(f"v{n}")) for n in range(20)] == [1] * 20
    state.close()
