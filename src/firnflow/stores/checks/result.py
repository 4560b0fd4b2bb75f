"""What checks have found, as plain data: kept with the run, shown by `firnflow data checks`, told to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from firnflow._text import counted
from firnflow.graph.rules import OnFailure, Severity

if TYPE_CHECKING:
    from firnflow.errors import DataError

Status = Literal["passed", "failed", "skipped"]
Outcome = Literal["passed", "warned", "quarantined", "stopped"]
MARKS: dict[Status, str] = {"passed": "✓", "failed": "✗", "skipped": "–"}


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Plain):
    """What came of one rule.

    Attributes:
        column: the column, or several; "": the rule is on the table as a whole.
        rule: its word: `min`, `unique`, `row_change`.
        severity: whether breaking it stops, or is reported.
        status: `skipped` where there is nothing to compare with.
        wanted: what the rule says: `0` of `min = 0`.
        said: what was expected, and for a rule on the whole table what was found.
        rows: of a rule on rows, how many break it.
        value: of a rule on the whole table, what was measured.
        examples: a few of the values that break it.
    """

    column: str
    rule: str
    severity: Severity
    status: Status
    wanted: str = ""
    said: str
    rows: int | None = None
    value: float | None = None
    examples: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The rule as it is written: `amount.min = 0`."""
        name = f"{self.column}.{self.rule}" if self.column else self.rule
        return f"{name} = {self.wanted}" if self.wanted else name

    @property
    def found(self) -> str:
        """What there is to say of it: of a rule on rows that is kept, nothing."""
        return self.said if self.rows is None or self.status == "failed" else ""

    @property
    def line(self) -> str:
        """The finding in one line."""
        count = f": {counted(self.rows, 'row')}" if self.rows else ""
        return f"{self.column} {self.said}{count}".strip()


class Distribution(_Plain):
    """How a column is distributed, beside the last versions.

    Attributes:
        column: its name.
        psi: the population stability index.
        bins: what each bin holds, as people read it.
        before: the share of each bin in the last versions.
        after: likewise in what was checked.
    """

    column: str
    psi: float
    bins: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]


class CheckResult(_Plain):
    """What came of all rules of a table.

    Attributes:
        table: its name.
        run: the run that checked; "": none.
        task: the task there.
        at: the moment by which freshness was measured, in seconds since 1970.
        checked_at: when it was checked: the start of the run, in seconds since 1970.
        rows: how many there were.
        bad_rows: how many of them break a rule that stops.
        outcome: `quarantined`: the bad rows were set aside, the others went on; `stopped`: nothing went on.
        on_failure: what was asked for.
        kept_in: the quarantine table that has the bad rows; "": none.
        versions: the versions of the table that it was compared with.
        findings: one for each rule.
        distributions: of the columns with a rule on `drift`.
        note: what else people should know.
    """

    table: str
    run: str = ""
    task: str = ""
    at: float
    checked_at: float
    rows: int
    bad_rows: int
    outcome: Outcome
    on_failure: OnFailure = "stop"
    kept_in: str = ""
    versions: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    note: str = ""

    @property
    def broken(self) -> list[Finding]:
        """The rules that are broken, those that stop first."""
        return sorted((each for each in self.findings if each.status == "failed"), key=lambda each: each.severity)

    @property
    def warnings(self) -> list[Finding]:
        """The broken rules that only report."""
        return [each for each in self.broken if each.severity == "warn"]

    @property
    def summary(self) -> str:
        """What came of it, in one line."""
        rules = counted(len(self.findings), "rule")
        if self.outcome == "passed":
            return f"{self.table}: {counted(self.rows, 'row')}, {rules}, all kept"
        broken = f"{len(self.broken)} of {rules} broken"
        where = f" in {self.kept_in}" if self.kept_in else ""
        told = {
            "warned": "all rows went on",
            "quarantined": f"{counted(self.bad_rows, 'row')} set aside{where}",
            "stopped": "nothing went on",
        }[self.outcome]
        return f"{self.table}: {counted(self.rows, 'row')}, {broken}; {told}"

    def lines(self) -> list[str]:
        """Return the summary, and a line for each broken rule."""
        words = {"error": "✗", "warn": "!"}
        return [self.summary, *(f"  {words[each.severity]} {each.line}" for each in self.broken)]


def refused(error: DataError, result: CheckResult) -> DataError:
    """Return an error with what the checks have found: it is kept with the attempt that fails by it."""
    error.checks = result.model_dump(mode="json")
    return error
