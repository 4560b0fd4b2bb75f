"""Connections that are cut while something is done in an account: it is done once, or it is said."""

from __future__ import annotations

import pytest
from cutting import BEFORE, BEHIND, HALF, Cutter

import firnflow as ff
from firnflow.errors import StoreError

pytestmark = [pytest.mark.slow, pytest.mark.server]


@ff.task
def one(x: int) -> int:
    return x


@ff.pipeline(schedule=ff.Cron("0 6 * * *"))
def sums():
    one.options(name="two")(one(1))


@pytest.fixture
def cutter(port):
    made = Cutter(port)
    yield made
    made.close()


def test_each_request_of_an_apply_is_cut_in_each_way_and_nothing_is_lost_or_doubled(ground, cutter):
    here = ground()
    here.apply(sums)
    calm = here.there()
    here.apply()
    assert here.there() == {}
    cutter.each_in_every_way()
    here.apply(sums, connect=lambda: here.connect(cutter.port))
    assert {how for how, _ in cutter.done} == {BEFORE, HALF, BEHIND}
    assert len(cutter.done) > 60
    assert here.there() == calm
    assert here.apply(sums).actions == ()
    here.apply(connect=lambda: here.connect(cutter.port))
    assert here.there() == {}
    done = [each["action"] for each in here.deployments.history()]
    assert done == 2 * (["remove"] * 5 + ["create"] * 5)


def test_an_apply_whose_connection_is_gone_for_good_is_told_and_gone_on_with(ground, cutter):
    """At every fourth statement that changes something: it is done, but nothing answers any more."""
    here = ground()
    here.apply(sums)
    calm = here.there()
    for nth in (0, 4, 8, 12):
        here.apply()
        cutter.from_the_nth(nth, BEHIND)
        with pytest.raises(StoreError, match=r"Snowflake cannot be reached: .*(again|goes on)"):
            here.apply(sums, connect=lambda: here.connect(cutter.port, tries=1))
        assert (BEHIND, next(what for how, what in cutter.done if how == BEHIND)) == cutter.done[0]
        cutter.done.clear()
        here.apply(sums)
        assert here.there() == calm
