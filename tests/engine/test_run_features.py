"""Feature views in a run: joined in the warehouse by a task, and part of what the cache sees."""

from __future__ import annotations

import importlib
import sys
import textwrap

import pytest

from firnflow.models import lineage

FLOW = """
    import datetime as dt
    import ibis
    from firnflow.features import Entity, feature_view, training_set

    FACTOR = {factor}
    customer = Entity("customer", "customer_id")

    def scaled(column):
        return column * FACTOR

    @feature_view(source="orders", entities=[customer], timestamp="at", known_at="known", ttl="{ttl}")
    def spending(orders):
        # {said}
        return orders.mutate(amount=scaled(orders.amount))

    VIEWS = [spending]

    @ff.task
    def orders() -> ibis.Table:
        days = [dt.datetime(2024, 1, day) for day in (1, 2, 3)]
        return ibis.memtable({{"customer_id": [1, 1, 1], "at": days, "known": days, "amount": [1, 2, 3]}})

    @ff.task
    def decisions() -> ibis.Table:
        return ibis.memtable({{"customer_id": [1, 2], "decided": [dt.datetime(2024, 1, 2)] * 2}})

    @ff.task
    def joined(decisions: ibis.Table, orders: ibis.Table) -> ibis.Table:
        return training_set(decisions, VIEWS, sources={{"orders": orders}})

    @ff.task
    def amounts(joined: ibis.Table) -> list[int | None]:
        return joined.order_by("customer_id").to_pyarrow()["spending__amount"].to_pylist()

    @ff.pipeline
    def flow():
        amounts(joined(decisions(), orders()))
"""


def flow(factor: int = 10, said: str = "", ttl: str = "9d") -> str:
    return FLOW.format(factor=factor, said=said, ttl=ttl)


@pytest.mark.slow
def test_a_run_tells_which_versions_of_views_it_joined_also_from_the_cache(lab):
    first = lab(flow())
    told = [lineage.of_run(first.state, first.run().run)["features"] for _ in range(2)]
    (version,) = told[0]["joined"].values()
    assert told == [{"joined": {"spending": version}}] * 2
    changed = rewrite(first, flow(factor=200))
    (other,) = lineage.of_run(changed.state, changed.run().run)["features"]["joined"].values()
    assert len(version) == 12
    assert other != version


def rewrite(project, source: str):
    """Return the project with another source in its module."""
    (name,) = project.project.settings.modules
    (project.root / f"{name}.py").write_text(f"import firnflow as ff\n{textwrap.dedent(source)}")
    del sys.modules[name]
    importlib.invalidate_caches()
    return project.again()


@pytest.mark.slow
@pytest.mark.slow
def test_a_task_joins_features_and_runs_again_only_if_a_view_changes(lab):
    first = lab(flow())
    assert first.run().outputs["amounts"].inline == "[20,null]"
    again = rewrite(first, flow(said="a comment"))
    assert set(again.states(again.run()).values()) == {"cached"}
    changed = rewrite(first, flow(factor=200))
    states = changed.states(changed.run())
    assert states == {"orders": "cached", "decisions": "cached", "joined": "succeeded", "amounts": "succeeded"}
    lasting = rewrite(first, flow(factor=200, ttl="8d"))
    assert lasting.states(lasting.run())["joined"] == "succeeded"


NAMED = """
    import datetime as dt
    import ibis
    from firnflow.features import Entity, FeatureView, materialize, online_features, training_set

    amounts = FeatureView("amounts", source="orders", entities=[Entity("customer", "customer_id")], timestamp="at")

    class Wishes(ff.Params):
        amount: int = 1

    @ff.task
    def orders(amount: int) -> ibis.Table:
        return ibis.memtable({"customer_id": [1], "at": [dt.datetime(2024, 1, 1)], "amount": [amount]})

    @ff.task
    def joined() -> ibis.Table:
        spine = ibis.memtable({"customer_id": [1], "decided": [dt.datetime(2024, 1, 2)]})
        return training_set(spine, [amounts])

    @ff.task
    def total(joined: ibis.Table) -> int:
        return joined.amounts__amount.sum().to_pyarrow().as_py()

    @ff.pipeline(params=Wishes)
    def fill(p):
        orders(p.amount).publish("orders")

    @ff.task
    def joined_after(published: ibis.Table) -> ibis.Table:
        return joined()

    @ff.pipeline(params=Wishes)
    def both(p):
        total(joined_after(orders(p.amount).publish("orders")))

    @ff.pipeline
    def use():
        total(joined())

    @ff.task
    def fill_online() -> int:
        return materialize(amounts)[0].written

    @ff.task
    def look_up(written: int) -> int | None:
        return online_features(amounts, {"customer_id": [1]})["amounts__amount"][0]

    @ff.pipeline
    def serve():
        look_up(fill_online())
"""


@pytest.mark.slow
def test_a_view_reads_the_named_table_as_it_was_when_the_run_began(lab):
    pytest.importorskip("pyiceberg")
    project = lab(NAMED)
    missing = project.run("use", inline=True)
    assert "reads 'orders', which is not there" in missing.error
    too_late = project.run("both", inline=True)
    assert "has no version of" in too_late.error
    assert "Mend: hand the table to the task" in too_late.error
    first = project.run("use", inline=True)
    project.run("fill", "amount=20", inline=True)
    second = project.run("use", inline=True)
    assert [result.outputs["total"].inline for result in (first, second)] == ["1", "20"]
    read = [lineage.of_run(project.state, result.run)["data"]["joined.orders"] for result in (first, second)]
    assert [(each["table"], each["version"], each["rows"]) for each in read] == [("orders", 1, 1), ("orders", 2, 1)]
    assert read[0]["digest"] != read[1]["digest"]
    assert project.run("both", "amount=300", inline=True).outputs["total"].inline == "20"
    served = [project.run("serve", inline=True) for _ in range(2)]
    assert [each.outputs["fill_online"].inline for each in served] == ["1", "0"]
    assert [each.outputs["look_up"].inline for each in served] == ["300", "300"]
