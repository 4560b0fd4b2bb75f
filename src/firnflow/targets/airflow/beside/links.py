"""Links from a task's page in Airflow to what it has made. Airflow's page reads them from XCom, and imports nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

REPORT, RUN, TABLE = "Report", "Tracked run", "Versions of the table"
_SHOWN = {"text/html", "image/png", "image/svg+xml"}


class Link(BaseOperatorLink):  # type: ignore[misc] # Airflow is not installed where this is checked
    """A link that the task has found when it ran: `links` of the operator, by name."""

    name = ""

    @property
    def xcom_key(self) -> str:
        """Under which Airflow keeps it."""
        return f"_link_firnflow_{self.name.lower().replace(' ', '_')}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's
        """Return the address; empty: there is none."""
        return str(operator.links.get(self.name, ""))


class ReportLink(Link):
    """To the first page or picture that the task has returned, where browsers reach the artifact store."""

    name = REPORT


class RunLink(Link):
    """To the run in the tracker; on the finalizer, after which it was told."""

    name = RUN


class TableLink(Link):
    """To Airflow's page of the named table: each version is an event there."""

    name = TABLE


def found(node: dict[str, Any], call: dict[str, Any], answer: dict[str, Any]) -> dict[str, str]:
    """Return name → address of what a task has made.

    Args:
        node: the task.
        call: how it was called; `files` is the address of the artifact store for browsers.
        answer: of `firnflow exec`.
    """
    links = {}
    pages = [ref["where"] for ref in answer["outputs"].values() if _is_page(ref)]
    if pages and call.get("files"):
        links[REPORT] = f"{call['files'].rstrip('/')}/{quote(pages[0])}"
    if answer.get("tracked"):
        links[RUN] = answer["tracked"]
    if table := node.get("publishes") or node.get("reads_table"):
        links[TABLE] = f"{_airflow()}/assets?name_pattern={quote(table['name'])}"
    return links


def _is_page(ref: dict[str, Any]) -> bool:
    return bool(ref.get("where")) and (ref.get("meta") or {}).get("media_type") in _SHOWN


def _airflow() -> str:
    """Return the address of Airflow's page as its settings say it; empty: links are relative to where one is."""
    from airflow.sdk.configuration import conf

    return str(conf.get("api", "base_url", fallback="")).rstrip("/")
