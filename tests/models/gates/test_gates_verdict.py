from __future__ import annotations

import warnings

import numpy as np
import pytest

from firnflow.models.gates.evaluate import judged
from firnflow.models.gates.picture import draw, write_png
from firnflow.models.gates.verdict import Verdict


@pytest.fixture
def verdict(helpers):
    """A rejection with rules of all kinds that need no model, in a hostile county."""
    labels, chance = helpers.world(2000)
    county = np.array(["Adams", "$\\frac{1}{0}$ *bold* [x](y)", "Åland 县" * 30])[np.arange(2000) % 3]
    rules = [
        "auc >= 0.99",
        {"segment": "county", "metric": "auc", "floor": 0.9},
        {"fairness": "demographic_parity", "by": "county", "max": 0.3},
        {"calibration": 0.2},
        {"data": "rows", "at_least": 10_000},
    ]
    evidence = helpers.evidence(labels, chance, chance, rows={"county": county}, rules=rules)
    return Verdict(
        decision="reject",
        mode="auto",
        model="credit",
        version=4,
        champion=3,
        primary="roc_auc",
        metrics={"roc_auc": 0.7},
        champion_metrics={"roc_auc": 0.7},
        results=tuple(judged(evidence)),
        holdout=evidence.use,
        notes=("Which rows the champion learnt from is not known.",),
        confidence=0.95,
        resamples=300,
        seed=42,
    )


def test_a_verdict_survives_json(verdict):
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_a_verdict_is_one_line_and_a_page(verdict):
    assert verdict.summary == (
        "credit rejected against version 3: 4 of 11 rules failed: roc_auc > champion; auc >= 0.99;"
        " auc >= 0.9 per county; rows >= 10000"
    )
    text = verdict.markdown()
    assert text.splitlines()[0].startswith("**credit rejected against version 3")
    assert text.count("- ✗") == 4
    assert text.count("- ✓") == 7
    assert text.index("- ✗") < text.index("- ✓")
    assert "*bold*" not in text
    assert "[x](y)" not in text
    passed = verdict.model_copy(update={"results": verdict.results[:1], "decision": "wait"})
    assert passed.summary == "credit waits for approval against version 3: all 1 rules passed"


def test_the_picture_is_the_same_every_time_and_fits_a_phone(verdict, tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("one.png", "two.png"):
        write_png(verdict, tmp_path / name)
    content = (tmp_path / "one.png").read_bytes()
    assert content == (tmp_path / "two.png").read_bytes()
    width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
    assert 600 < width < 720
    assert width < height < 3000


def test_nothing_in_the_picture_leaves_the_page(verdict):
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = draw(verdict)
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings(action="ignore"):  # the font has no Chinese
        canvas.draw()
    box = figure.bbox
    for text in figure.texts:
        with warnings.catch_warnings(action="ignore"):
            extent = text.get_window_extent(canvas.get_renderer())
        assert extent.x0 >= 0
        assert extent.x1 <= box.x1, text.get_text()
        assert extent.y0 >= 0
        assert extent.y1 <= box.y1
