from __future__ import annotations

import collections.abc
import datetime as dt
import enum
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
import xgboost

from firnflow.graph.annotations import accepts_none, element, literals, readable
from firnflow.graph.types import adapter, assignable, is_json_like

T = TypeVar("T")
UserId = NewType("UserId", int)
Model = type("Model", (), {"__module__": "firnflow.values.model"})


class Base(pydantic.BaseModel):
    day: dt.date


class Derived(Base): ...


@dataclass
class Report:
    auc: float


@dataclass
class Holder:
    table: pd.DataFrame


@dataclass
class Node:
    value: int
    children: list[Node]


class Row(TypedDict):
    a: int


class Point(NamedTuple):
    x: float
    y: float


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (None, "None"),
        (ibis.Table, "ibis.Table"),
        (pd.DataFrame, "pandas.DataFrame"),
        (pl.LazyFrame, "polars.LazyFrame"),
        (pa.RecordBatchReader, "pyarrow.RecordBatchReader"),
        (xgboost.Booster, "xgboost.Booster"),
        (Model, "firnflow.Model"),
        (list[int], "list[int]"),
        (list, "list"),
        (dict[str, list[ibis.Table]], "dict[str, list[ibis.Table]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (int | None, "int | None"),
        (Optional[int], "int | None"),  # noqa: UP045 - the older spelling
        (Literal["promote", 'a"b', 1, True], r'Literal["promote", "a\"b", 1, True]'),
        (Annotated[int, pydantic.Field(gt=0)], "int"),
        (UserId, "int"),
        (collections.abc.Sequence[int], "collections.Sequence[int]"),
        (Any, "Any"),
        (pydantic.JsonValue, "JsonValue"),
        (dict[str, pydantic.JsonValue], "dict[str, JsonValue]"),
        (dt.date, "datetime.date"),
        (typing.List[int], "list[int]"),  # noqa: UP006 - the older spelling
    ],
)
def test_readable(annotation: Any, text: str):
    assert readable(annotation) == text


def test_a_local_class_reads_without_its_function():
    class Local: ...

    assert readable(Local).endswith(".Local")
    assert "<locals>" not in readable(Local)


FITS = [
    (int, int),
    (int, float),
    (bool, int),
    (bool, float),
    (int, int | None),
    (int, str | float),
    (int, object),
    (dict[str, list[float]], pydantic.JsonValue),
    (Any, int),
    (int, Any),
    (T, int),
    (UserId, int),
    (Annotated[int, "x"], int),
    (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]),
    (Literal["a"] | None, str | None),
    (Literal["a", 1], str | int),
    (Literal["a"], Literal["a"] | None),
    (None, int | None),
    (ibis.Table, pd.DataFrame),
    (pd.DataFrame, pl.LazyFrame),
    (pa.RecordBatchReader, ibis.Table),
    (list[pd.DataFrame], list[ibis.Table]),
    (dict[str, ibis.Table], dict[str, pd.DataFrame]),
    (list[int], list[float]),
    (list[int], list),
    (list, list[int]),
    (list[int], collections.abc.Sequence[int]),
    (list[int], collections.abc.Iterable[float]),
    (tuple[int, int], tuple[int, ...]),
    (tuple[int, int], tuple[float, float]),
    (tuple[int, ...], collections.abc.Sequence[int]),
    (tuple[int, str], tuple),
    (dict[str, int], collections.abc.Mapping[str, float]),
    (Derived, Base),
    (Row, Row),
    (Report, Report),
    (xgboost.Booster, Model),
    (xgboost.XGBClassifier, Model),
    (xgboost.XGBClassifier, xgboost.XGBModel),
    (npt.NDArray[np.float64], np.ndarray),
    (np.ndarray, npt.NDArray[np.float64]),
    (Path, Path),
]
FITS_NOT = [
    (float, int),
    (str, int),
    (int, bool),
    (int, str),
    (int | None, int),
    (None, int),
    (int | str, int),
    (str, Literal["a"]),
    (Literal["a", "b"], Literal["a"]),
    (Literal[1], Literal[True]),
    (Literal[1], str),
    (ibis.Table, str),
    (dict, ibis.Table),
    (list[str], list[int]),
    (int, list[int]),
    (list[int], int),
    (list[int], tuple[int, ...]),
    (tuple[int, int], tuple[int]),
    (tuple[int, ...], tuple[int, int]),
    (tuple[int, str], collections.abc.Sequence[int]),
    (dict[str, str], dict[str, int]),
    (dict[str, int], dict[int, int]),
    (Base, Derived),
    (Base, dict[str, Any]),
    (dict[str, Any], Base),
    (Report, Base),
    (Row, dict[str, int]),
    (Model, xgboost.Booster),
    (ibis.Table, Model),
    (npt.NDArray[np.float64], npt.NDArray[np.int64]),
    (Path, str),
    (str, Path),
    (pd.Series, pd.DataFrame),
    (pd.DataFrame, pydantic.JsonValue),
    (pydantic.JsonValue, int),
]


@pytest.mark.parametrize(("given", "wanted"), FITS)
def test_fits(given: Any, wanted: Any):
    assert assignable(given, wanted)


@pytest.mark.parametrize(("given", "wanted"), FITS_NOT)
def test_does_not_fit(given: Any, wanted: Any):
    assert not assignable(given, wanted)


@pytest.mark.parametrize("annotation", [a for pair in [*FITS, *FITS_NOT] for a in pair])
def test_everything_fits_itself_and_reads_as_text(annotation: Any):
    assert assignable(annotation, annotation)
    assert readable(annotation)


@pytest.mark.parametrize(
    "annotation",
    [
        *(int, float | None, str, bool, list[int], dict[str, list[float]], tuple[int, ...], list, dict, Any, set[str]),
        *(Literal["a"], dt.date, dt.datetime, dt.timedelta, Base, Report, Row, Point, Colour, None, UserId),
        *(Node, pydantic.JsonValue, dict[str, pydantic.JsonValue]),
        *(collections.abc.Sequence[int], collections.abc.Mapping[str, int]),
    ],
)
def test_json_like(annotation: Any):
    assert is_json_like(annotation)


@pytest.mark.parametrize(
    "annotation",
    [ibis.Table, pd.DataFrame, list[pd.DataFrame], Holder, Path, np.ndarray, Model, int | pd.DataFrame, bytes, object],
)
def test_not_json_like(annotation: Any):
    assert not is_json_like(annotation)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Literal["a", "b"], ("a", "b")),
        (Literal["a"] | None, ("a",)),
        (bool, (True, False)),
        (Literal[1, 2], (1, 2)),
        (str, ()),
        (Literal["a"] | int, ()),
        (None, ()),
    ],
)
def test_literals(annotation: Any, expected: tuple[Any, ...]):
    assert literals(annotation) == expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (list[int], int),
        (collections.abc.Sequence[str], str),
        (tuple[int, ...], int),
        (tuple[int, int], None),
        (list, Any),
        (Any, Any),
        (dict[str, int], None),
        (int, None),
    ],
)
def test_element(annotation: Any, expected: Any):
    assert element(annotation) is expected


def test_accepts_none():
    assert accepts_none(int | None)
    assert accepts_none(Any)
    assert accepts_none(None)
    assert not accepts_none(int)


def test_an_adapter_for_metadata_without_a_hash():
    assert adapter(Annotated[int, {"unit": "s"}]).validate_python(3) == 3
