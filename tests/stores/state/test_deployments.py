"""Deployments in the state, on SQLite and on a real PostgreSQL: who holds one, and what is written down."""

from __future__ import annotations

import threading

import pytest

from firnflow.errors import DeployConflictError
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Address, Deployments

SALES = Address("dag", "sales")


def of(state: State, environment: str = "prod") -> Deployments:
    return Deployments(state, "shop", environment, "airflow")


def test_what_is_applied_is_written_down_with_who_did_it(state):
    mine = of(state)
    assert (mine.read().serial, mine.read().records) == (0, {})
    with mine.hold(0, "ann@here") as held:
        held.begin(SALES, "a" * 64, {"schedule": "ü ' \" ;"}, 3)
        (begun,) = mine.read().records.values()
        assert (begun.is_applied, begun.position, begun.facts["schedule"]) == (False, 3, "ü ' \" ;")
        held.applied(SALES, "a" * 64, "create")
        held.applied(SALES, "a" * 64, "create")  # as after a lost connection
    (record,) = mine.read().records.values()
    assert (record.address, record.is_applied, record.by) == (SALES, True, "ann@here")
    with mine.hold(1, "bob@there") as held:
        held.removed(SALES, "remove")
        held.removed(SALES, "remove")
    assert (mine.read().serial, mine.read().records) == (2, {})
    told = [(each["by"], each["action"], each["name"], each["serial"]) for each in mine.history()]
    assert told == [("bob@there", "remove", "sales", 2), ("ann@here", "create", "sales", 1)]
    assert of(state, "dev").history() == []


def test_a_plan_that_is_out_of_date_and_a_deployment_that_is_held_are_refused(state):
    mine = of(state)
    with mine.hold(0, "ann@here"):
        with pytest.raises(DeployConflictError, match="ann@here applies to this environment at this moment"):
            mine.hold(1, "bob@there").__enter__()
        with of(state, "dev").hold(0, "bob@there"):
            pass
    with pytest.raises(DeployConflictError, match=r"ann@here has applied .* Mend: plan again"):
        mine.hold(0, "bob@there").__enter__()
    with mine.hold(1, "bob@there"):
        pass


@pytest.mark.parametrize(
    ("machine", "until", "is_free"), [("this", 9e9, True), ("other", 9e9, False), ("other", 1.0, True)]
)
def test_a_dead_owner_is_taken_over_at_once_where_that_can_be_seen_and_else_when_its_lease_ends(
    state, machine, until, is_free
):
    from firnflow.stores.state import schema
    from firnflow.stores.state.owner import this_process

    place = this_process().rpartition("/")[0].rpartition("/")[0] if machine == "this" else "elsewhere/boot/ns"
    mine = of(state)
    with mine.hold(0, "ann@here") as lost:
        with state.engine.begin() as connection:
            values = {"owner": f"{place}/999999999/1", "lease_until": until}
            connection.execute(schema.deployment.update().values(values))
        with pytest.raises(DeployConflictError, match="has taken over this deployment"):
            lost.begin(SALES, "a" * 64, {}, 0)
        if not is_free:
            with pytest.raises(DeployConflictError, match="applies to this environment at this moment"):
                mine.hold(1, "bob@there").__enter__()
            return
        with mine.hold(1, "bob@there") as held:
            lost.give_back()  # changes nothing: it is another's
            held.begin(SALES, "a" * 64, {}, 0)
            with pytest.raises(DeployConflictError, match="has taken over this deployment"):
                lost.applied(SALES, "a" * 64, "create")


def test_of_many_that_apply_one_plan_at_once_one_wins(url):
    told: list[str] = []
    start = threading.Barrier(6)

    def apply(name: str) -> None:
        state = State(url)
        start.wait()
        try:
            with of(state).hold(0, name) as held:
                held.begin(SALES, name[0] * 64, {}, 0)
                held.applied(SALES, name[0] * 64, "create")
        except DeployConflictError as error:
            told.append(str(error))
        state.close()

    threads = [threading.Thread(target=apply, args=(f"{n}@here",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = State(url)
    assert len(told) == 5
    assert len(of(state).history()) == 1
    state.close()
