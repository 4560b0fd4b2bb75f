"""`report_anomalies`: what a look at the last days has found, as one page for people."""

from __future__ import annotations

from firnflow.errors import DataError
from firnflow.graph.task import task
from firnflow.monitoring.anomalies.findings import Findings
from firnflow.steps._anomalies_page import page
from firnflow.values.html import Html


@task
def report_anomalies(findings: Findings) -> Html:
    """Return an HTML page that needs nothing from elsewhere: pictures, flags, drivers, cost warnings, how to answer.

    Args:
        findings: what was found.

    Raises:
        DataError: no day was looked at.
        MissingExtraError: matplotlib is not installed.
    """
    if not findings.days:
        raise DataError("There is nothing to report: no day was looked at. Mend: give verdicts on the last days")
    return Html(page(findings))
