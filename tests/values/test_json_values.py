"""JSON values: what comes back, what is refused, and the text that the digest is of."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import uuid
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import TypedDict

from firnflow import values
from firnflow.errors import DamagedArtifactError, DataError, UnsafeFormatError
from firnflow.values import json as json_values
from firnflow.values.data import same
from firnflow.values.ref import Ref

LOCAL = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    tags: frozenset[str]


class Options(TypedDict):
    depth: int
    rate: float


@dataclasses.dataclass(frozen=True)
class Fold:
    number: int
    score: float
    when: dt.date | None = None


class Metrics(pydantic.BaseModel):
    auc: float
    by_month: dict[dt.date, decimal.Decimal] = {}
    folds: tuple[Fold, ...] = ()
    colour: Colour = Colour.RED
    anything: Any = None
    renamed: int = pydantic.Field(default=0, alias="alias")
    model_config = pydantic.ConfigDict(populate_by_name=True)

    @pydantic.computed_field
    @property
    def twice(self) -> float:
        return 2 * self.auc


def back(storage, value, annotation):
    return values.load(values.save(value, annotation, storage), annotation, storage)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (None, None),
        (True, bool),
        (2**100, int),
        (0.1, float),
        (math.nan, float),
        (-math.inf, float | None),
        ("é \u202e \x00 \U0001f600", str),
        (b"text", bytes),
        (decimal.Decimal("1.10"), decimal.Decimal),
        (dt.date(2020, 2, 29), dt.date),
        (dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC), dt.datetime),
        (dt.datetime(2020, 1, 1, 12, 0, 0, 1), dt.datetime),  # noqa: DTZ001 - without a zone on purpose
        (dt.timedelta(days=-1, microseconds=1), dt.timedelta),
        (dt.time(1, 2, 3), dt.time),
        (uuid.UUID(int=7), uuid.UUID),
        (Colour.BLUE, Colour),
        (Level.LOW, Level),
        ("a", Literal["a", "b"]),
        ((1, "a"), tuple[int, str]),
        ({"b", "a"}, set[str]),
        (frozenset({(1, "a"), (0, "b")}), frozenset[tuple[int, str]]),
        ({1: 2.0}, dict[int, float]),
        ({Colour.RED: 1}, dict[Colour, int]),
        (Point(1, frozenset({"b", "a"})), Point),
        (Options(depth=1, rate=0.5), Options),
        (Fold(1, 0.5, dt.date(2020, 1, 1)), Fold),
        ({"a": [1, 2.5, None, "x", {"b": math.nan}]}, Any),
        ([1, [2]], list),
        (
            Metrics(
                auc=math.nan,
                by_month={dt.date(2020, 1, 1): decimal.Decimal("1.0")},
                folds=(Fold(1, math.inf),),
                colour=Colour.BLUE,
                anything=[1],
                renamed=3,
            ),
            Metrics,
        ),
    ],
)
def test_values_come_back(storage, value, annotation):
    assert same(back(storage, value, annotation), value)


@pytest.mark.parametrize(
    ("value", "annotation", "wanted"),
    [
        (np.float64(1.5), float, 1.5),
        (np.int64(3), int, 3),
        (np.bool_(True), bool, True),  # noqa: FBT003 - NumPy's constructor
        (np.str_("a"), str, "a"),
        ({"a": np.float32(0.5)}, dict[str, float], {"a": 0.5}),
        ([np.int8(1)], Any, [1]),
        (Fold(np.int64(1), np.float64(0.5)), Fold, Fold(1, 0.5)),
        (Metrics(auc=np.float64(0.5), anything={"n": np.int64(1)}), Metrics, Metrics(auc=0.5, anything={"n": 1})),
        (3, float, 3.0),
    ],
)
def test_numpy_scalars_become_plain_ones(storage, value, annotation, wanted):
    assert same(back(storage, value, annotation), wanted)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (dt.date(2020, 1, 1), Any),
        ({"d": dt.date(2020, 1, 1)}, dict),
        ((1, 2), Any),
        ({1: 2}, Any),
        ({1, 2}, Any),
        (Colour.RED, Any),
        ({(1, 2): 3}, dict[tuple[int, int], int]),
        (Metrics(auc=1, anything=dt.date(2020, 1, 1)), Metrics),
    ],
)
def test_what_would_come_back_changed_is_refused(storage, value, annotation):
    with pytest.raises(DataError, match=r"would come back|does not fit"):
        values.save(value, annotation, storage)


@pytest.mark.parametrize(
    ("value", "annotation", "says"),
    [
        ("\ud800", str, "should be a valid string"),
        (b"\xff", bytes, "Mend: return plain data, an array, or a Path"),
        ([1.0, "x"], list[float], r"does not fit the annotation list\[float\]: 1: Input should be a valid number"),
        ((1, 2), list[int], "should be a valid list"),
    ],
)
def test_what_json_cannot_hold_is_refused(storage, value, annotation, says):
    with pytest.raises(DataError, match=says):
        values.save(value, annotation, storage)


def test_endless_nesting_is_refused(storage):
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(DataError, match="nested too deeply"):
        values.save(endless, Any, storage)


def test_a_subclass_that_would_lose_fields_is_refused(storage):
    class More(Metrics):
        extra: int = 1

    with pytest.raises(DataError, match="would come back"):
        values.save(More(auc=1), Metrics, storage)


def test_small_values_are_inline_and_large_ones_files(storage):
    assert values.save("x" * 1022, str, storage).where is None
    ref = values.save("x" * 1023, str, storage)
    assert ref.inline is None
    assert ref.size == 1025
    assert values.load(ref, str, storage) == "x" * 1023


def test_the_text_is_canonical():
    assert json_values.dumps({"b", "a"}, set[str]) == '["a","b"]'
    assert json_values.dumps({"b": 1, "a": [1, math.inf]}, Any) == '{"b":1,"a":[1,Infinity]}'
    assert json_values.dumps(Point(1, frozenset("cab")), Point) == '[1,["a","b","c"]]'
    assert json_values.dumps(frozenset({frozenset("ba"), frozenset("c")}), frozenset[frozenset[str]]) == (
        '[["a","b"],["c"]]'
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0.0, -0.0), (None, math.nan), ("1", 1), ([], {}), ({"a": 1, "b": 2}, {"b": 2, "a": 1})],
)
def test_different_values_have_different_digests(storage, one, other):
    assert values.save(one, Any, storage).digest != values.save(other, Any, storage).digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@LOCAL
@given(JSON)
def test_any_json_comes_back(storage, value):
    ref = values.save(value, Any, storage)
    loaded = values.load(Ref.from_json(ref.to_json()), Any, storage)
    assert same(loaded, value)
    assert values.save(loaded, Any, storage).digest == ref.digest


TYPED = st.builds(
    Metrics,
    auc=st.floats(),
    by_month=st.dictionaries(st.dates(), st.decimals(allow_nan=False, allow_infinity=False), max_size=3),
    folds=st.lists(
        st.builds(Fold, number=st.integers(), score=st.floats(), when=st.none() | st.dates()), max_size=3
    ).map(tuple),
    colour=st.sampled_from(Colour),
    anything=JSON,
    renamed=st.integers(),
)


@LOCAL
@given(TYPED)
def test_any_model_comes_back(storage, value):
    assert same(back(storage, value, Metrics), value)


@LOCAL
@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]), max_size=3)))
def test_sets_have_one_text(value):
    texts = sorted(value, key=json_values.text_of)
    assert json_values.dumps(value, set[str]) == json_values.dumps(texts, list[str])


def stored(storage, text: str, *, inline: bool = True) -> Ref:
    from firnflow.values import digest

    content = text.encode()
    if inline:
        return Ref("json", "json", digest.of_bytes(content), inline=text)
    path = storage.scratch("json")
    path.write_bytes(content)
    return Ref(
        "json",
        "json",
        digest.of_bytes(content),
        storage.put(path, digest.of_bytes(content), "json"),
        None,
        len(content),
    )


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read as json"),
        ("{", "cannot be read as json"),
        ('{"a":1,"a":2}', "twice"),
        ("[" * 100_000, "cannot be read as json"),
        ("1 2", "cannot be read as json"),
    ],
)
def test_hostile_text_is_damage(storage, text, says, inline):
    with pytest.raises(DamagedArtifactError, match=says):
        values.load(stored(storage, text, inline=inline), Any, storage)


def test_text_that_was_changed_is_damage(storage):
    ref = dataclasses.replace(values.save({"a": 1}, Any, storage), inline='{"a":2}')
    with pytest.raises(DamagedArtifactError, match="SHA-256 differs"):
        values.load(ref, Any, storage)


def test_nan_where_an_integer_belongs_does_not_fit(storage):
    with pytest.raises(DataError, match="does not fit the annotation int"):
        values.load(stored(storage, "NaN"), int, storage)


def test_json_that_no_longer_fits_says_so(storage):
    ref = values.save({"auc": 1.0}, dict[str, float], storage)
    with pytest.raises(DataError, match=r"does not fit the annotation .*Fold: number: Field required"):
        values.load(ref, Fold, storage)


def test_objects_are_refused_as_pickle_would_be_needed(storage):
    class Thing:
        pass

    for value, annotation in [(Thing(), Thing), ({"a": [Thing()]}, Any), (Fold(Thing(), 1.0), Fold)]:
        with pytest.raises((UnsafeFormatError, DataError), match="Thing"):
            values.save(value, annotation, storage)
