"""The same value has the same digest in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, json, warnings, pathlib, importlib.util
warnings.simplefilter("ignore")
spec = importlib.util.spec_from_file_location("stores_for_tests", sys.argv[1])
stores = importlib.util.module_from_spec(spec)
sys.modules["stores_for_tests"] = stores
spec.loader.exec_module(stores)
import ibis, numpy as np, pandas as pd, polars as pl, pyarrow as pa
import altair as alt, matplotlib as mpl, plotly.graph_objects as go, xgboost as xgb, lightgbm as lgb
mpl.use("agg")
from matplotlib import pyplot as plt
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typing import Any
from firnflow import values
from firnflow.values.html import Html
from firnflow.values.model import Model

storage = stores.FolderStorage(pathlib.Path(sys.argv[2]), stores.FolderWarehouse())
rng = np.random.default_rng(0)
x = rng.normal(size=(200, 3))
y = (x[:, 0] > 0).astype(int)
frame = pd.DataFrame(x, columns=["a", "b", "é"]).assign(
    s=[f"v{i % 7}" for i in range(200)],
    c=pd.Categorical([f"v{i % 7}" for i in range(200)]),
    t=pd.Timestamp("2020-01-01"),
)
table = ibis.memtable(frame.drop(columns="c"))
figure, axes = plt.subplots()
axes.plot([1, 2, 3], label="é")
axes.legend()
found = {
    "set": {f"k{i}" for i in range(50)},
    "nested": {"a": frozenset({"x", "y", "z"}), "b": [{1, 2, 3}]},
    "array": x,
    "pandas": frame,
    "polars": pl.DataFrame({"a": x[:, 0], "c": pl.Series(["b", "a"] * 100, dtype=pl.Categorical)}),
    "lazy": pl.LazyFrame({"a": x[:, 0]}).with_columns(b=pl.col("a") * 2),
    "arrow": pa.Table.from_pandas(frame).replace_schema_metadata(None),
    "ibis": table.group_by("s").agg(n=table.count(), m=table.a.max()),
    "sorted": table.order_by("a"),
    "joined": table.join(table.select("s", z="b"), "s"),
    "html": Html("<p>"),
    "plotly": go.Figure(go.Scatter(x=x[:, 0], y=x[:, 1])),
    "altair": alt.Chart(frame.head(9)).mark_bar().encode(x="a", y="b").add_params(alt.selection_interval()),
    "matplotlib": figure,
    "xgboost": xgb.XGBClassifier(n_estimators=5, n_jobs=1).fit(x, y),
    "model": Model(xgb.train({"nthread": 1}, xgb.DMatrix(x, y), 3), ("a",), {"k": 1.5}),
    "sklearn": make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y),
    "forest": RandomForestClassifier(3, random_state=0).fit(x, y),
    "lightgbm": lgb.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(x, y),
    "list": [frame, {"a": x}],
}
hints = {"set": set[str], "nested": dict[str, frozenset[str] | list[set[int]]]}
print(json.dumps({name: values.save(value, hints.get(name, Any), storage).digest for name, value in found.items()}))
"""


def started(folder: Path, seed: int) -> subprocess.Popen[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, script, Path(__file__).with_name("conftest.py"), folder / f"store{seed}"],
        env={**os.environ, "PYTHONHASHSEED": str(seed), "TZ": ["UTC", "Asia/Tokyo"][seed % 2]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_digests_do_not_depend_on_the_process(tmp_path):
    found = []
    for process in [started(tmp_path, 1), started(tmp_path, 2)]:
        out, err = process.communicate()
        assert process.returncode == 0, err
        found.append(json.loads(out))
    one, other = found
    assert {name: digest == other[name] for name, digest in one.items()} == dict.fromkeys(one, True)
    assert len(set(one.values())) == len(one)
