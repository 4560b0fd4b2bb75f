"""The page: what new customers will order, by which models, and how good those are. `streamlit run app.py`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from cookies.names import DAY, KEY, PREDICTIONS, SCORES, TARGETS, TOTAL, model_name
from firnflow import data
from firnflow.errors import FirnflowError, NotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from firnflow.stores.tables.versions import Version

PROJECT = Path(__file__).parent
EVEN = 0.0005  # what is shown as +0.000


@st.cache_data(show_spinner="Reading the predictions …", max_entries=8)
def predictions(version: int) -> pd.DataFrame:
    """Return a version of the predictions: it never changes, so it is read once."""
    return data.read(PREDICTIONS, version, project=PROJECT).to_pandas()


@st.cache_data(max_entries=64)
def trained(version: int) -> pd.DataFrame:
    """Return what came of one training."""
    return data.read(SCORES, version, project=PROJECT).to_pandas()


def scores(models: set[str]) -> dict[str, dict[str, object]]:
    """Return model → family, R² and R² of the plain lasso, of those that made the predictions."""
    found: dict[str, dict[str, object]] = {}
    try:
        versions = data.versions(SCORES, project=PROJECT)
    except NotFoundError:  # a training was killed before it could say
        versions = []
    for version in reversed(versions):
        found |= {row["model"]: row for row in trained(version.number).to_dict("records") if row["model"] in models}
        if models <= found.keys():
            break
    return found


def called(version: Version) -> str:
    """Return how people tell versions apart."""
    when = dt.datetime.fromtimestamp(version.at, dt.UTC)
    return f"{version.number} · {when:%Y-%m-%d %H:%M} UTC · {', '.join(version.partitions or ()) or 'no day'}"


def main() -> None:
    """Draw the page."""
    st.set_page_config("Cookies", "🍪", layout="wide")
    st.title("What will they order?")
    try:
        versions = data.versions(PREDICTIONS, project=PROJECT)[::-1]
    except NotFoundError:
        st.info("There are no predictions yet. Mend: `firnflow run cookies_train`, `firnflow run cookies_predict`")
        return
    except FirnflowError as error:
        st.error(str(error))
        return
    chosen, day = choose(versions)
    rows = predictions(chosen.number)
    rows = rows[rows[DAY] == day]
    draw_models(rows)
    draw_customers(rows, day)


def choose(versions: list[Version]) -> tuple[Version, dt.date | None]:
    """Let people choose a version of the table and a day in it."""
    left, right = st.columns(2)
    chosen = left.selectbox("Version of the predictions", versions, format_func=called)
    days = sorted(set(predictions(chosen.number)[DAY]), reverse=True)
    return chosen, right.selectbox("Who began their trial on", days, format_func=str, placeholder="no day")


def draw_models(rows: pd.DataFrame) -> None:
    """Draw a tile for each target: R² of its model, and how much better that is than the plain lasso."""
    st.subheader("How good the models are")
    models = dict(zip(rows["target"], rows["model"], strict=True))
    known = scores(set(models.values()))
    for tile, target in zip(st.columns(len(TARGETS)), TARGETS, strict=True):
        about = known.get(models.get(target, ""))
        with tile.container(border=True):
            if about is None:
                st.metric(f"{target} · R²", "–")
                st.caption(models.get(target, f"not predicted: no {model_name(target)} had passed its gate"))
                continue
            gain = float(str(about["r2"])) - float(str(about["plain_r2"]))
            better = f"{gain:+.3f} vs plain lasso"
            st.metric(
                f"{target} · R²", f"{about['r2']:.3f}", better, delta_color="normal" if abs(gain) > EVEN else "off"
            )
            st.caption(f"{about['family']}  \n{about['model']}")


def draw_customers(rows: pd.DataFrame, day: dt.date | None) -> None:
    """Draw what each customer will order, and what that comes to."""
    st.subheader("What each new customer will order, in boxes")
    if rows.empty:
        st.info(f"Nobody is predicted for {day}." if day else "Nobody is predicted yet.")
        return
    boxes = rows.pivot_table(index=KEY, columns="target", values="boxes")
    boxes = boxes[[target for target in TARGETS if target in boxes]]
    wanted = st.text_input("Customer", placeholder="part of an id", label_visibility="collapsed")
    shown = boxes[boxes.index.str.contains(wanted, regex=False)]
    st.dataframe(
        shown.sort_values(boxes.columns[-1], ascending=False).reset_index(),
        hide_index=True,
        height=420,
        column_config={target: bar(target, boxes[target].max()) for target in boxes.columns},
    )
    st.caption(f"{len(shown):,} of {len(boxes):,} customers, the largest orders first")
    st.subheader("Boxes to have ready")
    sums = boxes.drop(columns=TOTAL, errors="ignore").sum().round().rename("boxes")
    st.bar_chart(sums, x_label="", y_label="", horizontal=True, color="#b45309", height=260)


def bar(target: str, highest: float) -> dict[str, object]:
    """Return how the column of a target is drawn."""
    return st.column_config.ProgressColumn(target, format="%.1f", min_value=0, max_value=max(float(highest), 1.0))


main()
