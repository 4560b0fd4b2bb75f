"""Rules as data: what is wrong with them is said where they are written, and they stand in a graph without loss."""

from __future__ import annotations

import datetime as dt
import json

import ibis
import pytest
from pydantic import ValidationError

import firnflow as ff
from firnflow.errors import GraphError
from firnflow.graph.rules import Checks, ColumnRules, duckdb_type

RULES = ff.Checks(
    columns={
        "id": "int",
        "day": ff.Column(type="date", min=dt.date(2024, 1, 1), warn=ColumnRules(max=dt.date(2025, 1, 1))),
        "at": ff.Column(type="timestamp", max=dt.datetime(2030, 1, 1, 3, tzinfo=dt.UTC)),
        "kind": ff.Column(values=("a", 1, True), references="kinds.the name", drift=0.25),
    },
    unique=["id", "day"],
    fresh={"column": "day", "within": "36h"},
    warn={"min_rows": 10},
)


@ff.task
def make() -> ibis.Table:
    return ibis.memtable({"id": [1]})


class Wishes(ff.Params):
    checks: ff.Checks = RULES


def test_what_is_written_comes_back_from_json_and_from_a_graph():
    plain = json.loads(json.dumps(RULES.model_dump(mode="json")))
    assert Checks.model_validate(plain) == RULES
    assert plain["fresh"] == {"column": "day", "within": 129600.0}, "what is not said is not written"

    @ff.pipeline(params=Wishes)
    def flow(p):
        kinds = make.options(name="kinds")()
        make().publish("orders", checks=RULES, moment="2026-01-31", references={"kinds": kinds})
        make.options(name="again")().publish("others", checks=p.checks)

    node = flow.build().tasks["check_orders"]
    assert Checks.model_validate(node.inputs["checks"].value) == RULES
    assert flow.build().tasks["publish_orders"].inputs["data"].task == "check_orders"
    assert node.inputs["tables"].items[0].task == "kinds"
    assert RULES.named == ["id", "day", "at", "kind"]
    assert RULES.referenced == ["kinds"]
    assert (RULES.looks_back, RULES.timed) == (True, True)
    assert Checks(unique="id").unique == (("id",),)
    assert Checks(unique=[["a", "b"], ["c"]]).unique == (("a", "b"), ("c",))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            {"columns": {"a": {"mni": 3}}},
            r"Checks\.columns\.a: there is no rule 'mni' .*test_graph_rules.py:\d+.* Did you mean 'min'\?",
        ),
        ({"min_row": 3}, r"Checks: there is no rule 'min_row' .* Did you mean 'min_rows'\?"),
        ({"columns": {"a": "itn"}}, r"Checks\.columns\.a\.type: 'itn' is no type. Did you mean 'int'\?"),
        ({"columns": {"a": {"references": "customers"}}}, "'customers' is no column of a table: write 'customers.id'"),
        ({"columns": {"a": {"pattern": "("}}}, "is no regular expression"),
        (
            {"columns": {"a": {"type": "int", "min": dt.date(2024, 1, 1)}}},
            "the bound 2024-01-01 does not fit type = 'int'",
        ),
        ({"columns": {"a": {"warn": {"type": "int"}}}}, r"Checks\.columns\.a\.warn: there is no rule 'type'"),
        ({"fresh": {"column": "a", "within": "soon"}}, "'soon' is not a duration"),
        ({"max_quarantined": 5}, "less than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said_where_it_is_written(rules, message):
    with pytest.raises(GraphError, match=message):
        ff.Checks(**rules)
    with pytest.raises(ValidationError):
        Checks.model_validate(rules)


def test_publishing_says_what_is_no_rule_and_what_no_rule_references():
    @ff.pipeline
    def flow():
        make().publish("orders", checks={"min_rows": 1})

    with pytest.raises(GraphError, match=r"table 'orders': checks= is a dict, no rules .*Write `ff.Checks\(…\)`"):
        flow.build()

    @ff.pipeline
    def other():
        make().publish("orders", checks=RULES, references={"kind": make.options(name="k")()})

    with pytest.raises(GraphError, match=r"no rule references 'kind' .* Did you mean 'kinds'\?"):
        other.build()


def test_types_have_names_of_their_own():
    assert (duckdb_type("int"), duckdb_type("decimal(10, 2)")) == ("BIGINT", "DECIMAL(10, 2)")
    for wrong in ("itn", "decimal(2, 3)", "decimal(39, 0)"):
        with pytest.raises(ValueError, match="is no type"):
            duckdb_type(wrong)
