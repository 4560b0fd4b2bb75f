"""What checks have found in runs: a result stands with what its task has returned, or with the error that it made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from firnflow.stores.checks.result import CheckResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.stores.state import State

RUNS = 500
"""How many runs are looked at: results are kept as long as their runs."""


def results(state: State, table: str | None = None) -> Iterator[CheckResult]:
    """Yield what the checks of a table have found, or of all tables, the newest first."""
    for run in state.runs(limit=RUNS):
        for attempt in reversed(state.attempts(run.id)):
            plain = [ref.get("meta") for ref in (attempt.outputs or {}).values()]
            for found in map(of, [*plain, attempt.error]):
                if found is not None and found.run == run.id and table in {None, found.table}:
                    yield found


def of(plain: dict[str, Any] | None) -> CheckResult | None:
    """Return the result that stands in the `meta` of a ref, or in an error, or None."""
    try:
        return CheckResult.model_validate(plain["checks"]) if plain and plain.get("checks") else None
    except ValidationError:  # another Firnflow has written it
        return None
