"""What was found on the last days: in order, with what drove it, as Markdown and as a page; hostile names stay text."""

from __future__ import annotations

import datetime as dt
import re
import shlex

import pytest

from firnflow.errors import DataError
from firnflow.monitoring.anomalies import Verdict, evaluate
from firnflow.monitoring.anomalies.findings import Findings, markdown
from firnflow.monitoring.costs import WarningSettings, cost_warnings
from firnflow.monitoring.labels import Label
from firnflow.steps import report_anomalies

FIRST = dt.date(2026, 1, 1)
EVIL = "<script>alert('$x$')</script>|`rm -rf`\\"


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def verdict(number: int, value: float | None, expected: float = 100.0, flag: str | None = None) -> Verdict:
    status = "unknown" if value is None else "anomaly" if flag else "normal"
    reasons = (flag,) if flag else ()
    return Verdict.model_validate(
        {"day": day(number), "status": status, "value": value, "expected": expected, "low": 80, "high": 120}
        | {"score": 2.0 if flag else 0.5, "reasons": reasons}
    )


def label(number: int, category: str, *, anomaly: bool) -> Label:
    at = dt.datetime(2026, 2, 1)  # noqa: DTZ001 - labels are UTC without saying so
    return Label(
        id="1", category=category, first=day(number), last=day(number), anomaly=anomaly, note="<b>", by="ann", at=at
    )


@pytest.fixture
def found():
    costs = {day(number): 200.0 if number == 9 else 100.0 for number in range(10)}
    return Findings(
        title=f"Costs of {EVIL}",
        series="usage",
        unit="$",
        whole="total",
        verdicts={
            "load": (verdict(8, 90.0), verdict(9, 5.0, flag="low")),
            EVIL: (verdict(8, None), verdict(9, 420.0, flag="high")),
            "total": (verdict(8, 130.0, flag="high"), verdict(9, 425.0, 200.0, flag="high")),
        },
        past={"total": tuple(verdict(number, 100.0) for number in range(8))},
        warnings={EVIL: cost_warnings(costs, WarningSettings())},
        labels=(label(9, "load", anomaly=False), label(3, "total", anomaly=True)),
        evaluation=evaluate([verdict(9, 5.0, flag="low")], [], [(day(9), day(9))]),
        detectors="Version 3",
    )


def test_flags_stand_in_the_order_of_what_matters(found):
    assert [(each.verdict.day, each.category) for each in found.flags] == [
        (day(9), "total"),
        (day(9), EVIL),
        (day(9), "load"),
        (day(8), "total"),
    ]
    assert [each.answer is not None for each in found.flags] == [False, False, True, False]
    assert found.summary == "2026-01-09 to 2026-01-10: 4 flags and 1 cost warning"
    assert [driver.category for driver in found.drivers(day(9))] == [EVIL, "load"]


def test_what_is_told_is_what_is_new(found):
    assert [each.verdict.day for each in found.since(day(9)).flags] == [day(9)] * 3
    quiet = found.since(day(10))
    assert (quiet.anything, quiet.days, quiet.summary) == (False, (), "No day was looked at")
    with pytest.raises(DataError, match="no day was looked at"):
        report_anomalies(quiet)


def test_commands_answer_what_they_say(found):
    parts = shlex.split(found.command(found.flags[1]))
    assert parts == ["firnflow", "label", "add", "usage", "2026-01-10", "--category", EVIL, "--yes"]


def test_markdown_keeps_texts_as_texts(found):
    text = markdown(found)
    assert "<script>" not in text.replace(found.command(found.flags[1]).replace("`", "ˋ"), "")
    assert "| 2026-01-10 | load | 5.00 $ | 100.00 $ | -95.00 $ | less than expected; said: no |" in text
    assert "+100.00 $ against yesterday; +100.00 $ against 7 days before" in text
    assert "Version 3: 0 of 0 labelled windows found, 1 false day, 0 flags that nobody has answered" in text
    assert "### What drove 2026-01-10" in text


def test_the_page_is_whole_and_runs_nothing(found):
    page = report_anomalies(found)
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert page.count("<svg") == 3
    assert "no, says ann: &lt;b&gt;" in page
    assert "var(--ink)" in page
    assert re.search(r'(src|href)="http', page) is None
    assert report_anomalies(found) == page


def test_where_nothing_is_unusual_the_page_says_so():
    quiet = Findings(title="Quiet", series="usage", verdicts={"": (verdict(1, 100.0), verdict(2, None))})
    page = report_anomalies(quiet)
    assert "2026-01-02 to 2026-01-03: nothing unusual." in page
    assert "Was it something?" not in page
    assert "Not judged" in page
    assert "firnflow label add" not in markdown(quiet)
