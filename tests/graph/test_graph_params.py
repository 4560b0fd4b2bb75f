from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Self

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firnflow.errors import ParameterError
from firnflow.graph.params import Params, describe, leaves
from firnflow.graph.resolve import resolve_params


class Colour(Enum):
    RED = "red"


class Leaf(pydantic.BaseModel):
    size: int = 1


class Tree(pydantic.BaseModel):
    max_depth: int = 6
    eta: float = 0.3
    leaf: Leaf = Leaf()


class Settings(Params):
    rows: int = 100
    rate: float = pydantic.Field(default=0.12, gt=0, lt=1)
    seed: int | None = None
    fast: bool = False
    name: str = "churn"
    note: str | None = None
    day: dt.date = dt.date(2024, 1, 1)
    price: Decimal = Decimal("1.5")
    colour: Colour = Colour.RED
    metric: Literal["auc", "f1"] = "auc"
    level: Literal[1, 2] = 1
    depths: list[int] = pydantic.Field(default_factory=lambda: [4, 6])
    weights: dict[str, float] = pydantic.Field(default_factory=dict)
    tree: Tree = Tree(max_depth=8, leaf=Leaf(size=5))

    @pydantic.model_validator(mode="after")
    def few(self) -> Self:
        if self.rows > 10**9:
            raise ValueError("more rows than there are customers")
        return self


class Required(Params):
    rows: int


def test_defaults():
    assert resolve_params(Settings) == Settings()
    assert resolve_params(None) is None


@pytest.mark.parametrize(
    ("assignment", "name", "expected"),
    [
        ("rows=10000000", "rows", 10_000_000),
        ("rows=1e3", "rows", 1000),
        ("rows=1_000", "rows", 1000),
        ("rate=0.5", "rate", 0.5),
        ("rate=1e-3", "rate", 0.001),
        ("seed=7", "seed", 7),
        ("seed=null", "seed", None),
        ("fast=true", "fast", True),
        ("fast=yes", "fast", True),
        ("fast=0", "fast", False),
        ("name=7", "name", "7"),
        ("name=a=b", "name", "a=b"),
        ('name="x"', "name", '"x"'),
        ("name=", "name", ""),
        ("note=7", "note", "7"),
        ("note=null", "note", None),
        ("day=2025-02-03", "day", dt.date(2025, 2, 3)),
        ("price=2.50", "price", Decimal("2.50")),
        ("colour=red", "colour", Colour.RED),
        ("metric=f1", "metric", "f1"),
        ("level=2", "level", 2),
        ("depths=[1, 2]", "depths", [1, 2]),
        ('weights={"a": 1}', "weights", {"a": 1.0}),
        ("tree.max_depth=3", "tree", Tree(max_depth=3, leaf=Leaf(size=5))),
        ("tree.leaf.size=2", "tree", Tree(max_depth=8, leaf=Leaf(size=2))),
        ('tree={"eta": 0.1}', "tree", Tree(max_depth=8, eta=0.1, leaf=Leaf(size=5))),
    ],
)
def test_assignments_are_read_by_the_type(assignment: str, name: str, expected: Any):
    resolved = resolve_params(Settings, (), [assignment])
    assert getattr(resolved, name) == expected
    assert type(getattr(resolved, name)) is type(expected)


def test_later_wins():
    resolved = resolve_params(
        Settings,
        [
            ("one", {"rows": 4, "tree": {"eta": 0.5, "leaf": {"size": 3}}, "weights": {"a": 1.0, "b": 2.0}}),
            ("two", {"rows": 5, "tree": {"eta": 0.1}, "tree.max_depth": 2, "depths": [9], "weights": {"c": 3.0}}),
        ],
        ["tree.eta=0.2", "rows=6", "rows=7"],
    )
    assert resolved.rows == 7
    assert resolved.depths == [9]
    assert resolved.weights == {"c": 3.0}  # a value, not a section
    assert resolved.tree == Tree(eta=0.2, max_depth=2, leaf=Leaf(size=3))


def test_a_section_may_be_an_instance():
    assert resolve_params(Settings, [("", {"tree": Tree(eta=0.9)})]).tree == Tree(eta=0.9)


@pytest.mark.parametrize(
    ("overrides", "assignments", "message"),
    [
        ({}, ["rwos=3"], r"No parameter 'rwos' in Settings \(--set\)\. Did you mean 'rows'\? It has: colour, "),
        ({}, ["tree.max_dept=3"], r"'tree.max_dept' in Settings .*Did you mean 'tree.max_depth'"),
        ({}, ["max_depth=3"], "No parameter 'max_depth' in Settings.*Did you mean 'tree.max_depth'"),
        ({}, ["tree.leaf.size.x=3"], "No parameter 'tree.leaf.size.x'"),
        ({}, ["rows.x=3"], "No parameter 'rows.x'"),
        ({}, ["__class__=3"], "No parameter '__class__'"),
        ({}, ["=3"], "No parameter ''"),
        ({}, ["rows"], "--set 'rows' has no `=`. Write `--set name=value`"),
        ({}, ["rows=many"], r"Parameter 'rows' \(--set\) is int, not 'many'"),
        ({}, ["rows="], "Parameter 'rows' .* is int, not ''"),
        ({}, ["fast=perhaps"], "Parameter 'fast' .* is bool, not 'perhaps'"),
        ({}, ["metric=ac"], r"Parameter 'metric' .* is Literal\[\"auc\", \"f1\"\], not 'ac'\. Did you mean 'auc'"),
        ({}, ["depths=4,6"], r"Parameter 'depths' .* is list\[int\], not '4,6'\. Write a JSON list: --set 'depths=\["),
        ({}, ["weights=x"], r"is dict\[str, float\], not 'x'\. Write a JSON object"),
        ({}, ["tree=3"], r"Parameter 'tree' \(--set\) is a section, got 3. Set a part of it: tree.part="),
        ({}, ["tree=x"], "Parameter 'tree' .* is a section, got 'x'"),
        ({}, ["rate=2"], r"Parameter 'rate' of Settings \(--set\): Input should be less than 1, got 2"),
        ({}, ["rate=NaN"], "Parameter 'rate' of Settings .*finite number"),
        ({}, ["rows=2000000000"], "^Settings: more rows than there are customers"),
        ({"rwos": 3}, [], r"No parameter 'rwos' in Settings \(firnflow.toml\)\. Did you mean 'rows'"),
        ({"tree": {"etta": 3}}, [], r"No parameter 'tree.etta' .*Did you mean 'tree.eta'"),
        ({"tree": 3}, [], r"Parameter 'tree' \(firnflow.toml\) is a section, got 3"),
        (
            {"rows": "many"},
            [],
            r"Parameter 'rows' of Settings \(firnflow.toml\): Input should be a valid integer.*'many'",
        ),
        ({"depths": [1, "x"]}, [], r"Parameter 'depths.1' of Settings \(firnflow.toml\): .*valid integer"),
        ({"rows": [0] * 100}, [], r"Parameter 'rows' of Settings .*, got a list\."),
        ({1: 2}, [], "No parameter '1'"),
    ],
)
def test_wrong_parameters(overrides: dict[Any, Any], assignments: list[str], message: str):
    with pytest.raises(ParameterError, match=message):
        resolve_params(Settings, [("firnflow.toml", overrides)], assignments)


def test_required_and_none():
    with pytest.raises(ParameterError, match=r"Parameter 'rows' of Required has no value. Give it: --set rows=…"):
        resolve_params(Required)
    assert resolve_params(Required, (), ["rows=1"]) == Required(rows=1)
    with pytest.raises(ParameterError, match=r"Parameter 'rows' .--set.: the pipeline has no parameters"):
        resolve_params(None, (), ["rows=1"])


def test_params_are_frozen_and_closed():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Settings().rows = 3  # type: ignore[misc]
    with pytest.raises(pydantic.ValidationError, match="Extra inputs"):
        Settings(rwos=3)


def test_leaves():
    assert set(leaves(Settings)) >= {("rows",), ("tree", "max_depth"), ("tree", "leaf", "size")}
    assert ("tree",) not in set(leaves(Settings))


def test_defaults_as_data():
    fields, _ = describe(Settings)
    assert fields["day"].default == "2024-01-01"
    assert fields["depths"].default == [4, 6]
    assert fields["price"].default == "1.5"
    assert fields["colour"].default == "red"
    assert fields["tree"].default == {"max_depth": 8, "eta": 0.3, "leaf": {"size": 5}}
    assert fields["rate"].json_schema["exclusiveMaximum"] == 1
    assert not any("default" in field.json_schema for field in fields.values())


@given(rows=st.integers(-(10**9), 10**9), rate=st.floats(0.001, 0.999), note=st.none() | st.text(), fast=st.booleans())
def test_what_json_writes_is_read_back(rows: int, rate: float, note: str | None, fast: bool):
    wanted = Settings(rows=rows, rate=rate, name=note or "", fast=fast)
    typed = [f"rows={rows}", f"rate={rate!r}", f"name={note or ''}", f"fast={str(fast).lower()}"]
    assert resolve_params(Settings, (), typed) == wanted
    assert resolve_params(Settings, [("", wanted.model_dump())]) == wanted
    assert resolve_params(Settings, [("", wanted.model_dump(mode="json"))]) == wanted


def test_names_are_those_of_the_fields_whatever_their_aliases():
    class Aliased(Params):
        rows: int = pydantic.Field(default=1, alias="n_rows")

    assert resolve_params(Aliased, [("", {"rows": 2})]).rows == 2
    assert list(describe(Aliased)[0]) == ["rows"]
    with pytest.raises(ParameterError, match="No parameter 'n_rows'"):
        resolve_params(Aliased, [("", {"n_rows": 2})])
