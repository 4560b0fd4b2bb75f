"""Which values fit which annotations, what containers become, and what a consumer's annotation makes of a ref."""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from firnflow import values
from firnflow.errors import DamagedArtifactError, DataError
from firnflow.values.figure import Figure
from firnflow.values.html import Html
from firnflow.values.model import Model
from firnflow.values.ref import Ref

FRAME = pd.DataFrame({"a": [1, 2], "s": ["x", None]})


class Parts(NamedTuple):
    table: pd.DataFrame
    share: float
    note: str | None = None


@dataclasses.dataclass
class Report:
    auc: float
    scores: pd.DataFrame
    more: list[np.ndarray] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Tree:
    name: str
    children: list[Tree] = dataclasses.field(default_factory=list)


def through_json(ref: Ref) -> Ref:
    return Ref.from_json(json.loads(json.dumps(ref.to_json())))


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (FRAME, ibis.Table),
        (FRAME, int),
        (FRAME, list[pd.DataFrame]),
        (1.5, int),
        ("1", int),
        (True, int),
        (None, pd.DataFrame),
        ([1, 2], ibis.Table),
        ([FRAME], list[int]),
        ((FRAME, 1), tuple[pd.DataFrame, int, int]),
        ("a", Literal["b"]),
        (Parts(FRAME, "x"), Parts),
        (1.5, Annotated[int, {"no": "hash"}]),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_both_types(storage, value, annotation):
    with pytest.raises(DataError, match="annotation"):
        values.save(value, annotation, storage)


def test_the_message_names_both_types_and_what_to_do(storage):
    with pytest.raises(DataError, match=r"is of type pandas\.DataFrame, but the annotation says ibis\.Table\. Mend:"):
        values.save(FRAME, ibis.Table, storage)


@pytest.mark.parametrize("annotation", [pd.DataFrame, pd.DataFrame | None, Any, object, ibis.Table | pd.DataFrame])
def test_a_fitting_value_is_stored(storage, annotation):
    ref = values.save(FRAME, annotation, storage)
    assert (ref.kind, ref.type) == ("table", "pandas")
    pd.testing.assert_frame_equal(values.load(ref, pd.DataFrame, storage), FRAME)


def test_none_fits_optional(storage):
    ref = values.save(None, ibis.Table | None, storage)
    assert ref.inline == "null"
    assert values.load(ref, ibis.Table | None, storage) is None
    assert values.load(ref, Any, storage) is None


def test_optional_gives_the_table(storage):
    ref = values.save(FRAME, pd.DataFrame | None, storage)
    assert isinstance(values.load(ref, ibis.Table | None, storage), ibis.Table)


def test_a_union_prefers_what_was_stored(storage):
    ref = values.save(FRAME, pd.DataFrame, storage)
    assert isinstance(values.load(ref, pa.Table | pd.DataFrame, storage), pd.DataFrame)
    assert isinstance(values.load(ref, pa.Table | pl.DataFrame, storage), pa.Table)
    assert isinstance(values.load(ref, Any, storage), pd.DataFrame)


@pytest.mark.parametrize("annotation", [int, Model, Figure, np.ndarray, list[pd.DataFrame], pd.Series])
def test_a_table_is_nothing_else(storage, annotation):
    ref = values.save(FRAME, pd.DataFrame, storage)
    with pytest.raises(DataError, match=r"table 2 rows × 2 columns cannot be loaded as"):
        values.load(ref, annotation, storage)


def test_json_is_no_table(storage):
    with pytest.raises(DataError, match=r"stored json cannot be loaded as ibis\.Table"):
        values.load(values.save(1, int, storage), ibis.Table, storage)


def test_named_tuple_of_values(storage):
    ref = through_json(values.save(Parts(FRAME, 0.5), Parts, storage))
    assert ref.kind == "dict"
    assert [item.kind for item in ref.items.values()] == ["table", "json", "json"]
    back = values.load(ref, Parts, storage)
    assert isinstance(back, Parts)
    assert back[1:] == (0.5, None)
    pd.testing.assert_frame_equal(back.table, FRAME)


def test_dataclass_of_values(storage):
    ref = through_json(values.save(Report(0.9, FRAME, [np.arange(3)]), Report, storage))
    back = values.load(ref, Report, storage)
    assert back.auc == 0.9
    assert back.more[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ([FRAME, FRAME], list[pd.DataFrame]),
        ([FRAME, None], list[pd.DataFrame | None]),
        ({"é": FRAME}, dict[str, pd.DataFrame]),
        ((FRAME, 1), tuple[pd.DataFrame, int]),
        ((FRAME, FRAME), tuple[pd.DataFrame, ...]),
        ([[FRAME], []], list[list[pd.DataFrame]]),
        ([], list[pd.DataFrame]),
        ({}, dict[str, pd.DataFrame]),
        ([FRAME, 1, "x"], list[Any]),
        ([FRAME, {"a": FRAME}], Any),
        ({"a": FRAME, "b": 1.0}, dict[str, pd.DataFrame | float]),
    ],
)
def test_containers_come_back(storage, value, annotation):
    back = values.load(through_json(values.save(value, annotation, storage)), annotation, storage)
    assert type(back) is type(value)
    assert _plain(back) == _plain(value)


def _plain(value):
    if isinstance(value, pd.DataFrame):
        return value.to_json()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def test_items_of_a_list_load_as_the_consumer_wants(storage):
    ref = values.save([FRAME], list[pd.DataFrame], storage)
    (table,) = values.load(ref, list[pa.Table], storage)
    assert table.num_rows == 2


def test_gathered_json_loads_as_a_list(storage):
    refs = [values.save(number, float, storage) for number in (1.0, float("inf"))]
    assert values.load(values.gather(refs), list[float], storage) == [1.0, float("inf")]
    assert values.load(values.gather(refs), tuple[float, ...], storage) == (1.0, float("inf"))
    assert values.load(values.gather({"a": refs[0]}), dict[str, float], storage) == {"a": 1.0}


def test_a_list_is_no_dict(storage):
    with pytest.raises(DataError, match="stored list cannot be loaded as dict"):
        values.load(values.save([FRAME], list[pd.DataFrame], storage), dict[str, pd.DataFrame], storage)


def test_a_dict_of_values_needs_texts_as_keys(storage):
    with pytest.raises(DataError, match="keys"):
        values.save({1: FRAME}, dict[int, pd.DataFrame], storage)


def test_containers_digest_their_items(storage):
    one, two = values.save([FRAME], Any, storage), values.save([FRAME.iloc[:1]], Any, storage)
    assert one.digest != two.digest
    assert one.digest == values.gather([values.save(FRAME, Any, storage)]).digest
    assert values.save((FRAME,), tuple[pd.DataFrame], storage).digest == one.digest


@pytest.mark.parametrize("value", [(FRAME,), Parts(FRAME, 1.0), [(FRAME,)]])
def test_what_any_would_change_is_refused(storage, value):
    with pytest.raises(DataError, match="would come back from Any as another type"):
        values.save(value, Any, storage)


def test_a_missing_file_is_damage(storage):
    ref = values.save(FRAME, pd.DataFrame, storage)
    storage.local(ref.where).unlink()
    with pytest.raises(DamagedArtifactError, match="objects/"):
        values.load(ref, pd.DataFrame, storage)
    with pytest.raises(DamagedArtifactError, match="objects/"):
        values.verify(values.gather([ref]), storage)


def test_nothing_is_left_in_scratch(storage):
    values.save(FRAME, pd.DataFrame, storage)
    with pytest.raises(DataError, match="Sparse"):
        values.save(pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}), pd.DataFrame, storage)
    assert list((storage.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (FRAME, "table 2 rows × 2 columns"),
        (np.zeros((3, 2)), "array 3 × 2 float64"),
        ({"a": 1}, '{"a":1}'),
        ("x" * 200, '"' + "x" * 78 + "…"),
        (list(range(2000)), "json 8,891 bytes"),
        ([FRAME, FRAME], "list of 2"),
    ],
)
def test_describe(storage, value, text):
    assert values.describe(values.save(value, Any, storage)) == text


def test_plain_data_as_the_annotation_wants_it():
    assert values.from_plain([1, 2], tuple[int, ...]) == (1, 2)
    assert values.from_plain(None, pd.DataFrame | None) is None
    with pytest.raises(DataError, match="does not fit the annotation int"):
        values.from_plain("x", int)


@pytest.mark.parametrize(
    ("annotation", "item"),
    [(list[int], int), (list[int] | None, int), (tuple[str, ...], str), (list, Any), (Any, Any)],
)
def test_element_of(annotation, item):
    assert values.element_of(annotation) is item


def test_a_type_that_contains_itself(storage):
    tree = Tree("a", [Tree("b"), Tree("c", [Tree("d")])])
    assert values.load(values.save(tree, Tree, storage), Tree, storage) == tree


def test_a_record_with_an_unknown_name_in_its_annotations(storage):
    class Unknown(NamedTuple):
        x: Nowhere  # noqa: F821 - the point

    with pytest.raises(DataError, match=r"annotations of .*Unknown: name 'Nowhere' is not defined"):
        values.save(Unknown(FRAME), Unknown, storage)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Html("<p>"), str),
        (Path(__file__), os.PathLike),
        (np.arange(2), collections.abc.Sized),
        (Html("<p>"), int | str),
    ],
)
def test_a_consumer_may_ask_for_a_base_class(storage, value, annotation):
    back = values.load(values.save(value, Any, storage), annotation, storage)
    assert isinstance(back, annotation)


@pytest.mark.parametrize("annotation", [int, dict[str, int], None, Model, int | None])
def test_a_file_is_no_json(storage, annotation):
    for value in (Html("<p>"), np.arange(2), Path(__file__)):
        with pytest.raises(DataError, match="cannot be loaded as"):
            values.load(values.save(value, Any, storage), annotation, storage)
