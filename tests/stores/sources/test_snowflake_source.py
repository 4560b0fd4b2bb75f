"""Sources in Snowflake whose connection is cut, or of which nobody tells when they were changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pytest

from firnflow.errors import ConfigError, StoreError
from firnflow.project.catalog import Source
from firnflow.stores.snowflake.account import Account
from firnflow.stores.snowflake.session import CutError
from firnflow.stores.sources import snowflake, units
from firnflow.stores.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow  # the connector takes seconds to load
QUERY = Source(name="orders", query="SELECT 1 AS X", connection="snowflake", version="SELECT 2")
TABLE = Source(name="orders", table="d.s.t")


class Connection:
    """A connection whose statements fail as told: the first ones, or in the middle of the rows."""

    def __init__(
        self, *ends: Exception | None, later: Exception | None = None, row: tuple[Any, ...] = (7, 7, 7)
    ) -> None:
        self.ends, self.later, self.said, self.row = list(ends), later, list[str](), row

    def cursor(self) -> Connection:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def execute(self, text: str) -> None:
        self.said.append(text)
        error = self.ends.pop(0) if self.ends else None
        if error is not None:
            raise error

    def describe(self, text: str) -> list[Any]:
        self.execute(text)
        return [SimpleNamespace(name="X", type_code=0, scale=0, precision=9)]

    description = tuple(SimpleNamespace(name=name) for name in ("ORG", "NAME", "STAMP"))

    def fetchall(self) -> list[Any]:
        return [self.row]

    def fetch_arrow_batches(self) -> Iterator[pa.Table]:
        yield pa.table({"C0": pa.array([7])})
        if self.later is not None:
            raise self.later


@pytest.fixture
def errors() -> Any:
    return pytest.importorskip("snowflake.connector.errors")


@pytest.fixture
def account_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Account]:
    monkeypatch.setattr("firnflow.stores.snowflake.session.PAUSES", (0.0,))

    def made(*connections: Connection) -> Account:
        left = list(connections)
        monkeypatch.setattr("firnflow.stores.snowflake.account.connect", lambda *_: (left.pop(0), []))
        settings: Any = None  # of them only `connect` wants to know
        account = Account(settings, tmp_path)
        account._schema = ("D", "S")
        return account

    return made


def cut(errors: Any) -> Exception:
    error: Exception = errors.OperationalError("network down", errno=250003)
    return error


def fetched(account: Account, folder: Path) -> list[dict[str, Any]]:
    embedded, path = DuckDBWarehouse(None, 1, folder), folder / "rows.parquet"
    try:
        snowflake.Reading(account, TABLE, None).fetched(embedded, path, ["X"])
        return embedded.read_parquet(path).to_pyarrow().to_pylist()
    finally:
        embedded.close()


def test_columns_are_asked_for_again_where_the_connection_was_cut(errors, account_of):
    first, second = Connection(cut(errors)), Connection()
    account = account_of(first, second)
    assert [each.name for each in account.described("SELECT 1 AS X")] == ["X"]
    assert first.said == second.said == ["SELECT 1 AS X"]
    with account.asking("") as connection:
        assert connection is second


@pytest.mark.parametrize("spec", [QUERY, TABLE], ids=["query", "table"])
def test_a_cut_while_a_source_is_looked_at_is_said_as_one(errors, account_of, spec):
    lost = [Connection(None, cut(errors)), Connection(cut(errors))]
    with pytest.raises(CutError, match=r"cannot be reached: .*network down. Mend: the same command") as caught:
        snowflake.found(account_of(*lost), spec)
    assert isinstance(caught.value.__cause__, errors.OperationalError)
    assert lost[0].said[1] == lost[1].said[0]


@pytest.mark.parametrize("is_begun", [False, True], ids=["asked", "begun"])
def test_a_cut_while_rows_are_fetched_is_said_as_one(errors, account_of, monkeypatch, tmp_path, is_begun):
    monkeypatch.setattr(snowflake, "_shown", lambda *_: {})
    said = [None, None, None]  # where the account is, the columns, the time of the last change
    connection = Connection(*said, later=cut(errors)) if is_begun else Connection(*said, cut(errors))
    account = account_of(connection, Connection())
    with pytest.raises(CutError, match=r"cannot be reached: .*network down") as caught:
        fetched(account, tmp_path)
    assert isinstance(caught.value.__cause__, errors.OperationalError)
    with account.asking("") as another:
        assert another is not connection


def test_what_is_refused_while_rows_are_fetched_is_an_error_of_ours(errors, account_of, monkeypatch, tmp_path):
    monkeypatch.setattr(snowflake, "_shown", lambda *_: {})
    refused = errors.DatabaseError("the warehouse is suspended", errno=606)
    with pytest.raises(StoreError, match=r"refuses: .*the warehouse is suspended") as caught:
        fetched(account_of(Connection(None, None, None, refused)), tmp_path)
    assert caught.value.__cause__ is refused


def test_a_view_of_which_snowflake_does_not_tell_when_it_was_changed_is_read_as_a_query_without_version_is(
    errors, account_of, monkeypatch, tmp_path
):
    monkeypatch.setattr(snowflake, "_shown", lambda *_: {"kind": "VIEW"})
    view = Source(name="orders", view="d.s.v")
    account = account_of(Connection(row=(7, 7, None)))
    first, second = (snowflake.settled(account, view) for _ in range(2))
    assert first.version != second.version
    assert (first.at, snowflake.found(account, view).changed) == (None, 0.0)
    assert snowflake.Reading(account, view, first).is_settled()
    with pytest.raises(ConfigError, match=r"orders: Snowflake does not tell when .*V. was changed. Mend: .*`version`"):
        units.of(view, tmp_path, "", account)
