from __future__ import annotations

import contextlib
import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import firnflow as ff
from firnflow.errors import ParameterError, UsageError
from firnflow.graph.params import describe
from firnflow.graph.resolve import resolve_params
from firnflow.models.evaluation.catalog import METRICS
from firnflow.models.gates.evaluate import _check
from firnflow.models.gates.rules import (
    CalibrationRule,
    DataRule,
    FairnessRule,
    LatencyRule,
    MetricRule,
    SegmentRule,
    SizeRule,
    rule,
)
from firnflow.models.gates.settings import Gating

TEXTS = {
    "recall >= 0.6": MetricRule(metric="recall", op=">=", offset=0.6),
    "auc >= champion - 0.002": MetricRule(metric="auc", op=">=", reference="champion", offset=-0.002),
    "auc > champion": MetricRule(metric="auc", op=">", reference="champion"),
    "auc >= majority + 0.05": MetricRule(metric="auc", op=">=", reference="majority", offset=0.05),
    "  log_loss<majority ": MetricRule(metric="log_loss", op="<", reference="majority"),
    "bias >= -0.1": MetricRule(metric="bias", op=">=", offset=-0.1),
    "rmse <= last-1e-3": MetricRule(metric="rmse", op="<=", reference="last", offset=-0.001),
    "mae < .5": MetricRule(metric="mae", op="<", offset=0.5),
}
TABLES = {
    SegmentRule: {"segment": "county", "metric": "auc", "floor": 0.55, "min_rows": 200},
    CalibrationRule: {"calibration": 0.05},
    LatencyRule: {"latency_ms": 20},
    SizeRule: {"size_mb": 50},
    FairnessRule: {"fairness": "demographic_parity", "by": "sex", "max": 0.1},
    DataRule: {"data": "null_share", "column": "income", "at_most": 0.2},
    MetricRule: {"rule": "auc >= 0.7", "confident": True},
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_line_of_text_is_a_rule(text):
    assert rule(text) == TEXTS[text]


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_a_rule(kind):
    found = rule(TABLES[kind])
    assert type(found) is kind
    assert rule(found) is found
    assert rule(found.model_dump(mode="json")) == found
    assert rule({**TABLES[kind], "name": "of mine"}).called == "of mine"


operators = st.sampled_from([">=", ">", "<=", "<"])
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: float(f"{value:g}"))


@settings(max_examples=200)
@given(st.sampled_from(sorted({m for k in METRICS.values() for m in k})), operators, numbers, st.data())
def test_a_rule_reads_as_it_is_written(metric, op, number, data):
    reference = data.draw(st.sampled_from([None, "champion", "majority", "mean", "last"]))
    fields = {"metric": metric, "op": op, "reference": reference, "offset": number}
    better = next(kind[metric].better for kind in METRICS.values() if metric in kind)
    if (better, op[0]) in (("higher", "<"), ("lower", ">")):
        with pytest.raises(ValidationError, match="is better when"):
            MetricRule(**fields)
    else:
        assert rule(str(MetricRule(**fields))) == MetricRule(**fields)


@settings(max_examples=300)
@given(st.text(max_size=60) | st.text("auc champion><=+-.0123456789 ", max_size=40))
def test_any_other_text_is_an_error_of_ours(text):
    with contextlib.suppress(ValueError):  # the base of pydantic's errors, too
        assert isinstance(rule(text), MetricRule)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("reccall >= 0.6", "'reccall' is no metric. Did you mean 'recall'?"),
        ("auc >= champoin", "'champoin' is no baseline. Did you mean 'champion'?"),
        ("auc == 0.6", "the operator '==' is not known; write one of >=, >, <=, <"),
        ("auc >=", "here a number or a baseline should stand"),
        ("auc >= champion - ", "here a number should stand"),
        ("auc >= champion 0.1", "'0.1' is too much"),
        ("0.6 <= recall", "here the name of a metric should stand, not '0.6'"),
        ("log_loss >= 0.3", "log_loss is better when lower, so the rule reads `log_loss <= …`"),
        ("auc < champion", "auc is better when higher, so the rule reads `auc > …`"),
        ("__import__('os') > 1", "the operator '(' is not known"),
        ("auc >= " + "9" * 300, "at most 200 characters"),
        ({"segmnt": "county"}, "no kind of rule has segmnt. Did you mean 'segment'?"),
        ({"segment": "county", "metric": "auc", "flor": 0.5}, "SegmentRule has no 'flor'. Did you mean 'floor'?"),
        ({"segment": "county", "metric": "auc"}, "has a floor or a ceiling: one of them"),
        ({"segment": "county", "metric": "auc", "ceiling": 0.5}, "auc is better when higher"),
        ({"data": "null_share", "at_most": 0.5}, "`column` belongs to data = 'null_share'"),
        ({"data": "rows"}, "at_least, at_most, or both"),
        ({"latency_ms": 0}, "latency_ms: Input should be greater than 0"),
        ({"fairness": "parity", "by": "sex", "max": 0.1}, "fairness: Input should be 'demographic_parity'"),
        (0.6, "a rule is a text such as 'recall >= 0.6' or a table, not 0.6"),
    ],
)
def test_what_is_no_rule_is_named(given, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        Gating(name="credit", rules=[given])


def test_gating_takes_rules_of_all_forms_and_survives_json():
    gating = Gating(name="credit", rules=[*TEXTS, *TABLES.values(), SizeRule(size_mb=3)])
    assert Gating.model_validate_json(gating.model_dump_json()) == gating
    assert Gating(name="credit", rules="recall >= 0.6").rules == (rule("recall >= 0.6"),)
    assert Gating(name="credit", primary="auc").primary == "roc_auc"


def test_names_in_the_settings_are_checked():
    with pytest.raises(ValidationError, match=r"'champions' is no default rule\. Did you mean 'champion'\?"):
        Gating(name="credit", off=["champions"])
    with pytest.raises(ValidationError, match=r"'acc' is no metric\."):
        Gating(name="credit", primary="acc")


class Wishes(ff.Params):
    gating: Gating = Gating(name="credit", rules=["recall >= 0.6"])


def test_rules_come_from_toml_and_from_the_command_line():
    toml = tomllib.loads("""
        off = ["champion"]
        rules = ["auc >= 0.7", { segment = "county", metric = "auc", floor = 0.55 }]
    """)
    found = resolve_params(Wishes, [("firnflow.toml", {"gating": toml})]).gating
    assert found.rules == (rule("auc >= 0.7"), SegmentRule(segment="county", metric="auc", floor=0.55))
    assert (found.name, found.off) == ("credit", ("champion",))
    typed = ['gating.rules=["auc >= 0.7", {"latency_ms": 20}]', "gating.mode=manual"]
    found = resolve_params(Wishes, [], typed).gating
    assert found.rules == (rule("auc >= 0.7"), LatencyRule(latency_ms=20))
    assert found.mode == "manual"


def test_what_is_wrong_with_a_rule_is_said_wherever_it_comes_from():
    with pytest.raises(ParameterError, match=r"Parameter 'gating\.rules\.0' .*firnflow\.toml.*Did you mean 'recall'\?"):
        resolve_params(Wishes, [("firnflow.toml", {"gating": {"rules": ["recal >= 0.6"]}})])
    with pytest.raises(ParameterError, match=r"Parameter 'gating\.rules' \(--set\).*Did you mean 'recall'\?"):
        resolve_params(Wishes, [], ['gating.rules=["recal >= 0.6"]'])


def test_what_the_graph_records_is_what_the_rules_are():
    fields, _ = describe(Wishes)
    assert Wishes.model_validate({"gating": fields["gating"].default}) == Wishes()


def test_a_rule_for_another_kind_of_model_is_refused_with_the_right_one():
    for text, kind, message in (
        ("brier < mean", "binary", "the baseline is `majority`"),
        ("rmse <= 3", "binary", "'rmse' is no metric of binary models"),
        ("recall >= 0.6", "regression", "'recall' is no metric of regression models"),
        ("mae < majority", "regression", "the baseline is `mean`"),
        ("mae < last", "regression", "gating.time"),
    ):
        with pytest.raises(UsageError, match=re.escape(message)):
            _check(rule(text), kind, Gating(name="credit"))
    for table in (TABLES[CalibrationRule], TABLES[FairnessRule], {"data": "positive_rate", "at_most": 0.5}):
        with pytest.raises(UsageError, match="is not for a regression model"):
            _check(rule(table), "regression", Gating(name="credit"))
