"""Definitions: what is refused, and what makes a new version."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import sys
import textwrap
import uuid

import ibis
import pytest

from firnflow.errors import FeatureError
from firnflow.features import Entity, FeatureView, feature_view

CUSTOMER = Entity("customer", "customer_id")
BASE = {"name": "spending", "source": "orders", "entities": [CUSTOMER], "timestamp": "at"}


DECORATED = {"source": "orders", "entities": CUSTOMER, "timestamp": "at"}


def view(**changes):
    return FeatureView(**{**BASE, **changes})


def test_an_entity_has_one_key_or_several():
    assert Entity("customer", "id").keys == ("id",)
    assert Entity("trip", ["from", "to"]).keys == ("from", "to")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Entity("", "id"), "entity ''"),
        (lambda: Entity("a b", "id"), "entity 'a b': a name has at most 100 letters"),
        (lambda: Entity("a", []), "entity 'a' has no keys"),
        (lambda: Entity("a", ["id", "id"]), "'id' stands there twice"),
        (lambda: Entity("a", [3]), "3 is no name of a column"),
        (lambda: view(name="a__b"), "feature view 'a__b': a name has"),
        (lambda: view(name=None), "feature view None"),
        (lambda: view(entities=["customer"]), "entities: 'customer' is no Entity"),
        (lambda: view(entities=[CUSTOMER, Entity("b", "customer_id")]), "'customer_id' stands there twice"),
        (lambda: view(timestamp=""), "'' is no name of a column"),
        (lambda: view(timestamp="customer_id"), "'customer_id' stands there twice"),
        (lambda: view(ttl="30 dys"), "ttl: '30 dys' is not a duration: write it like"),
        (lambda: view(ttl=0), "ttl: 0 is no length of time: it must be more than 0"),
        (lambda: view(ttl=dt.timedelta(days=-1)), "is no length of time"),
        (lambda: view(ttl=object()), "is not a duration"),
        (lambda: view(entities=None), "entities: None is no Entity"),
        (lambda: view(entities="customer"), "entities: 'customer' is no Entity"),
        (lambda: view(source={"a": [1]}), r"source is a dict, not an ibis.Table. Mend: .* ibis.memtable"),
        (lambda: view(columns=["amount"]), "columns: they are a dict"),
        (lambda: feature_view(**DECORATED, tll="1h")(len), "feature view 'len': no option 'tll'. Did you mean 'ttl'"),
        (lambda: view(columns={"at": "when"}), "columns: 'at' is a key or a time, and so no feature"),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(make, message):
    with pytest.raises(FeatureError, match=message):
        make()


def test_one_view_may_happen_and_be_known_at_the_same_column():
    assert view(known_at="at").known_at == "at"


def test_a_decorated_function_is_a_view():
    @feature_view(source="orders", entities=CUSTOMER, timestamp="at", ttl="1h", tags={"team": "a"})
    def spending(orders):
        """What was spent.

        More of it.
        """
        return orders

    assert (spending.name, spending.description, spending.ttl, spending.keys) == (
        "spending",
        "What was spent.",
        "1h",
        ("customer_id",),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"source": "other"},
        {"entities": [Entity("customer", "id")]},
        {"entities": [Entity("client", "customer_id")]},
        {"entities": []},
        {"timestamp": "then"},
        {"known_at": "loaded_at"},
        {"ttl": "1h"},
        {"transform": "SELECT 1"},
        {"transform": lambda t: t},
        {"columns": {"amount": ""}},
    ],
)
def test_what_a_view_computes_is_its_version(changes):
    assert view(**changes).version != view().version


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "x"},
        {"owner": "x"},
        {"tags": {"a": "b"}},
        {"entities": [Entity("customer", "customer_id", "x")]},
    ],
)
def test_what_is_only_said_of_it_is_not(changes):
    assert view(**changes).version == view().version
    assert view(columns={"a": "new words"}).version == view(columns={"a": ""}).version


def test_what_a_decorator_says_of_a_view_is_no_code(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def version(said: str) -> str:
        name = f"said_{uuid.uuid4().hex[:12]}"
        lines = (
            "from firnflow.features import Entity, feature_view",
            f"@feature_view(source='orders', entities=[Entity('customer', 'id')], timestamp='at', {said})",
            "def spending(orders):",
            "    return orders",
        )
        (tmp_path / f"{name}.py").write_text("\n".join(lines))
        return importlib.import_module(name).spending.version

    assert version("ttl='1h', owner='me'") == version("ttl='60m', owner='you', description='of late'")
    assert version("ttl='1h'") != version("ttl='2h'")


def test_equal_lengths_and_layouts_are_equal_versions():
    assert view(ttl="1d").version == view(ttl=86_400).version == view(ttl=dt.timedelta(days=1)).version
    one, two = "SELECT a, 'b  c' FROM orders", "SELECT a , -- why\n 'b  c'\nFROM /* which */ orders;"
    assert view(transform=one).version == view(transform=two).version
    assert view(transform=one).version != view(transform=one.replace("b  c", "b c")).version


def test_of_a_table_its_columns_count_and_not_its_rows_or_name():
    def of(*values):
        return view(
            source=ibis.memtable(
                {"customer_id": [1], "at": [dt.datetime.fromisoformat("2024-01-01")], "x": [values[0]]}
            )
        ).version

    assert of(1) == of(2) != of("a")


def test_a_definition_is_data():
    data = view(transform=lambda t: t, ttl="1h", known_at="loaded_at").definition()
    assert json.loads(json.dumps(data)) == data


MODULE = """
    # {comment}
    import ibis
    from {package}.helpers import rate
    from firnflow.features import Entity, feature_view

    FACTOR = {factor}

    def scaled(column):
        return column * FACTOR * rate()

    @feature_view(source="orders", entities=[Entity("customer", "customer_id")], timestamp="at")
    def spending(orders):
        {docstring}
        return orders.mutate(amount=scaled(orders.amount))
"""


@pytest.fixture
def version_of(tmp_path, monkeypatch):
    """Return a function that writes a project with a view and returns the view's version."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(comment="a", factor=2, docstring='""', rate=3):
        package = f"defined_{uuid.uuid4().hex[:8]}"
        folder = tmp_path / package
        folder.mkdir()
        (tmp_path / "firnflow.toml").write_text('[project]\nname = "x"\n')
        (folder / "__init__.py").write_text("")
        (folder / "helpers.py").write_text(f"def rate():\n    return {rate}\n")
        source = textwrap.dedent(MODULE).format(package=package, comment=comment, factor=factor, docstring=docstring)
        (folder / "views.py").write_text(source)
        importlib.invalidate_caches()
        version = importlib.import_module(f"{package}.views").spending.version
        for name in [name for name in sys.modules if name.startswith(package)]:
            del sys.modules[name]
        return version

    return make


def test_code_that_a_view_reaches_is_its_version(version_of):
    first = version_of()
    assert first == version_of() == version_of(comment="b", docstring='"other words"')
    assert len({first, version_of(factor=5), version_of(rate=4)}) == 3


def test_another_version_of_a_library_is_no_other_version_of_a_view(version_of, monkeypatch):
    from firnflow.engine import fingerprint

    first = version_of()
    monkeypatch.setattr(fingerprint, "_version", lambda top: f"99 of {top}")
    assert version_of() == first
