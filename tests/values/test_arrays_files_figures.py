"""Arrays, files, pages and figures."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from firnflow import values
from firnflow.errors import DataError, UnsafeFormatError
from firnflow.values.figure import Figure
from firnflow.values.html import Html

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import altair as alt
    import matplotlib as mpl
    import plotly.graph_objects as go

mpl.use("agg")
from matplotlib import pyplot as plt

ARRAYS = hnp.arrays(
    st.one_of(
        hnp.scalar_dtypes(),
        hnp.unicode_string_dtypes(),
        hnp.byte_string_dtypes(),
        hnp.array_dtypes(hnp.scalar_dtypes(), max_size=3),
    ),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ARRAYS, st.booleans())
def test_any_array_comes_back_read_only(storage, array, fortran):
    array = np.asfortranarray(array) if fortran else array
    ref = values.save(array, np.ndarray, storage)
    back = values.load(ref, np.ndarray, storage)
    assert type(back) is np.ndarray
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()
    assert not back.flags.writeable
    assert values.save(array.copy(order="K"), np.ndarray, storage).digest == ref.digest


def test_different_arrays_have_different_digests(storage):
    arrays = [
        np.zeros(4),
        np.zeros((2, 2)),
        np.zeros(4, "float32"),
        np.zeros(8, "float32"),
        np.array([0.0, 0.0, 0.0, np.nan]),
        np.zeros(0),
        np.zeros((0, 2)),
    ]
    assert len({values.save(array, np.ndarray, storage).digest for array in arrays}) == len(arrays)


@pytest.mark.parametrize(
    "array", [np.array([None, 1], dtype=object), np.array([({},)], dtype=[("a", "O")])], ids=["object", "struct"]
)
def test_arrays_of_objects_are_refused(storage, array):
    with pytest.raises(UnsafeFormatError, match=r"would have to be pickled\. Mend: convert it by `astype`"):
        values.save(array, np.ndarray, storage)


@pytest.mark.parametrize("array", [np.ma.array([1], mask=[1]), np.rec.array([(1,)], dtype=[("a", int)])])
def test_subclasses_that_would_lose_a_part_are_refused(storage, array):
    with pytest.raises(DataError, match="cannot be stored without loss"):
        values.save(array, np.ndarray, storage)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("report.PDF", "pdf"),
        ("data.tar.gz", "tar.gz"),
        ("no_suffix", "bin"),
        ("é.csv", "csv"),
        ("x.cs v", "bin"),
        ("x." + "y" * 40, "bin"),
        (".hidden", "hidden"),
        ("a.b.c", "c"),
    ],
)
def test_files_are_copied_and_keep_a_plain_suffix(storage, tmp_path, name, suffix):
    path = tmp_path / name
    path.write_bytes(b"content")
    ref = values.save(path, Path, storage)
    path.write_bytes(b"changed")
    assert ref.where.endswith(f"{ref.digest}.{suffix}")
    assert ref.meta == {"name": name}
    back = values.load(ref, Path, storage)
    assert isinstance(back, Path)
    assert back.read_bytes() == b"content"
    assert back.stat().st_mode & 0o222 == 0


def test_equal_files_have_one_digest(storage, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"x")
    refs = [values.save(tmp_path / name, Path, storage) for name in ("a.csv", "b.csv")]
    assert refs[0].digest == refs[1].digest


def test_a_folder_is_refused_with_what_to_do(storage, tmp_path):
    with pytest.raises(DataError, match=r"is a folder.*make_archive"):
        values.save(tmp_path, Path, storage)


def test_what_is_no_plain_file_is_refused(storage, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "missing"):
        with pytest.raises(DataError, match="not there, or is no plain file"):
            values.save(path, Path, storage)


def test_html(storage):
    page = Html("<!doctype html><p>é</p>")
    ref = values.save(page, Html, storage)
    assert ref.where.endswith(".html")
    back = values.load(ref, Html, storage)
    assert (type(back), back) == (Html, page)
    figure = values.load(ref, Figure, storage)
    assert figure.media_type == "text/html"
    assert figure.path.read_text("utf-8") == page
    assert values.describe(ref) == "html 24 bytes"


def matplotlib_figure():
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3])
    axes.set_title("é")
    return figure


def test_matplotlib_becomes_one_png(storage):
    first, second = (values.save(matplotlib_figure(), mpl.figure.Figure, storage) for _ in range(2))
    assert first.digest == second.digest
    figure = values.load(first, Figure, storage)
    assert figure.path.read_bytes().startswith(b"\x89PNG")
    assert figure.data_uri().startswith("data:image/png;base64,iVBOR")
    assert plt.get_fignums() == []
    again = values.save(figure, Figure, storage)
    assert again.digest == first.digest
    assert values.load(again, Figure, storage) == figure


def plotly_figure():
    return go.Figure(go.Scatter(x=[1.0, float("nan")], y=["é", None]))


def chart():
    return alt.Chart(pd.DataFrame({"a": [1], "é": ["x"]})).mark_bar().encode(x="a:Q")


@pytest.mark.parametrize(
    ("make", "annotation", "as_dict"),
    [
        (plotly_figure, go.Figure, lambda figure: figure.to_json()),
        (chart, alt.Chart, lambda figure: figure.to_json()),
        (lambda: chart() | chart(), alt.HConcatChart, lambda figure: figure.to_json()),
        (lambda: alt.layer(chart(), chart()), alt.LayerChart, lambda figure: figure.to_json()),
    ],
    ids=["plotly", "altair", "concat", "layer"],
)
def test_figures_that_are_data_come_back(storage, make, annotation, as_dict):
    import json

    ref = values.save(make(), annotation, storage)
    assert values.save(make(), annotation, storage).digest == ref.digest
    back = values.load(ref, annotation, storage)
    assert isinstance(back, annotation)
    assert json.loads(as_dict(back)) == json.loads(as_dict(make()))
    assert values.save(back, annotation, storage).digest == ref.digest
    assert values.load(ref, Figure, storage).path.suffix == ".json"


def test_any_figure_fits_the_annotation_figure(storage):
    for make in (matplotlib_figure, plotly_figure, chart):
        ref = values.save(make(), Figure, storage)
        assert isinstance(values.load(ref, Figure, storage), Figure)
        assert values.load(ref, Any, storage) is not None


def test_a_picture_does_not_become_a_matplotlib_figure_again(storage):
    ref = values.save(matplotlib_figure(), mpl.figure.Figure, storage)
    with pytest.raises(DataError, match=r"Mend: annotate the argument `ff\.Figure`"):
        values.load(ref, mpl.figure.Figure, storage)


def test_a_chart_that_altair_refuses_says_why(storage):
    big = alt.Chart(pd.DataFrame({"a": range(6000)})).mark_bar().encode(x="a")
    with pytest.raises(DataError, match="chart cannot be stored"):
        values.save(big, alt.Chart, storage)
