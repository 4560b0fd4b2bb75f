"""The three pipelines from the command line, in a copy of the project, and the page of what they made.

One test: on two processes, each test of its own would make the project once more.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from cookies import generate
from cookies.generator import TRIAL_DAYS, feeds
from cookies.names import KEY, TARGETS
from firnflow import data

pytestmark = pytest.mark.slow

DAYS = (dt.date(2026, 1, 5), dt.date(2026, 1, 6))
CUSTOMERS = 400
QUICK = ("--set", "learning.trees=25", "--set", "learning.learning_rate=0.2", "--set", "learning.folds=2")
CHROMIUM = shutil.which("chromium")


CALLS = """
import contextlib, io, json, sys
from firnflow.cli import main
for line in sys.stdin:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(json.loads(line))
    print(json.dumps([code, out.getvalue()]), flush=True)
"""


class Project:
    """A copy of the project. Its command line is called in one process, which loads the libraries once."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {n: v for n, v in os.environ.items() if not n.startswith(("FIRNFLOW_", "STREAMLIT_"))}
        self.environment["FIRNFLOW_TRACKING"] = "none"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
        self.process = subprocess.Popen([sys.executable, "-c", CALLS], cwd=folder, env=self.environment, **pipes)  # noqa: S603

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def firnflow(self, *arguments):
        """Return what a command has printed and said."""
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        code, out = json.loads(self.process.stdout.readline())
        assert code == 0, out[-4000:]
        return out

    def run(self, *arguments):
        """Run a pipeline, and return what was said."""
        return self.firnflow("run", *arguments, "--inline")

    def rows(self, table):
        """Return the newest version of a table."""
        return data.read(table, project=self.folder).to_pandas()


def rules(*given):
    gating = {"name": "cookies", "primary": "r2", "min_rows": 100, "resamples": 100, "rules": given}
    return ("--set", f"gating={json.dumps(gating)}")


def shuffle(path, column):
    """Give each customer what another one has ordered."""
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    place = head.index(column)
    values = [row[place] for row in rows]
    random.Random(1).shuffle(values)  # noqa: S311 - no secret
    for row, value in zip(rows, values, strict=True):
        row[place] = value
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def check_scores(project):
    """Each target has a model of its own, but the one that is noise."""
    scores = project.rows("cookie_scores").set_index("target")
    assert list(scores.index) == list(TARGETS)
    assert (scores.drop("Brownies").action == "promote").all()
    assert (scores.drop("Brownies").r2 > scores.drop("Brownies").plain_r2 - 0.05).all()
    assert scores.loc["Mandelbärli", "r2"] > scores.loc["Mandelbärli", "plain_r2"] + 0.05
    assert scores.loc["Mandelbärli", "family"] == "boosting"
    assert (scores.loc["Brownies", "action"], scores.loc["Brownies", "champion"]) == ("reject", None)
    about = json.loads(project.firnflow("models", "show", "cookies_laeckerli@champion", "--json"))["metadata"]
    assert about["target"] == "Läckerli"
    assert about["metrics"]["r2"] == pytest.approx(scores.loc["Läckerli", "r2"])
    return scores


def check_predictions(project):
    """What was predicted of each customer is joined with what that customer ordered a week later."""
    found = project.rows("cookie_predictions")
    assert set(found.target) == {*TARGETS} - {"Brownies"}
    mine = found[found.day == DAYS[-1]]
    assert not mine.duplicated([KEY, "target"]).any()
    truth = feeds(DAYS[-1] + dt.timedelta(days=TRIAL_DAYS), CUSTOMERS).orders.to_pandas().set_index(KEY)
    boxes = mine.pivot_table(index=KEY, columns="target", values="boxes")
    assert set(boxes.index) == set(truth.index)
    joined = truth.join(boxes)
    for target in ("Läckerli", "Mandelbärli"):
        ordered = joined[f"{target}_boxes"]
        assert 1 - ((ordered - joined[target]) ** 2).mean() / ordered.var(ddof=0) > 0.4
    return in_order(found)


def in_order(predictions):
    return predictions.sort_values(["day", KEY, "target"], ignore_index=True)


def test_from_the_feeds_to_the_page(cookies_project, tmp_path):
    folder = tmp_path / "project"
    hidden = shutil.ignore_patterns(".firnflow", "tests", "__pycache__", "data")
    shutil.copytree(cookies_project, folder, ignore=hidden)
    with Project(folder) as project:
        for day in DAYS:
            generate.write(str(folder / "data"), day, feeds(day, CUSTOMERS))
            shuffle(folder / "data" / f"orders_{day}.csv", "Chocolate_Brownies_boxes")
            project.run("cookies_etl", "--partition", str(day))
        project.run("cookies_train", *QUICK, *rules("r2 >= 0.15"))
        scores = check_scores(project)
        for day in DAYS:
            said = project.run("cookies_predict", "--partition", str(day))
            assert "Brownies is not predicted: no cookies_brownies has passed its gate" in said
        predictions = check_predictions(project)

        # What is rejected leaves the champions where they are, and a day on which nobody is new changes no prediction.
        project.run("cookies_train", *QUICK, *rules("r2 >= 0.99"))
        again = project.rows("cookie_scores").set_index("target")
        assert set(again.action) == {"reject"}
        assert again.champion.to_dict() == scores.champion.to_dict()
        project.run("cookies_predict", "--partition", "2026-01-04")
        assert in_order(project.rows("cookie_predictions")).equals(predictions)

        if CHROMIUM is not None:
            with served(project) as url:
                look(url, scores, predictions)


@contextlib.contextmanager
def served(project):
    """Serve the page on a free port of this machine, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=project.folder, env=project.environment, **quiet) as process:  # noqa: S603
        try:
            answers(process, f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def answers(process, url):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, "the server has ended"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):  # noqa: S310
            return
        time.sleep(0.1)
    pytest.fail("the server does not answer")


def look(url, scores, predictions):
    """Look at the page as people do."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 1400})
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        expect(page.get_by_role("heading", name="What will they order?")).to_be_visible()
        tiles = page.get_by_test_id("stMetric")
        expect(tiles).to_have_count(len(TARGETS))
        for target in ("Läckerli", "Mandelbärli"):
            tile = tiles.filter(has_text=f"{target} · R²")
            expect(tile).to_contain_text(f"{scores.loc[target, 'r2']:.3f}")
        expect(page.get_by_text("not predicted: no cookies_brownies had passed its gate")).to_be_visible()
        expect(page.get_by_text(f"{CUSTOMERS} of {CUSTOMERS} customers")).to_be_visible()
        expect(page.get_by_test_id("stDataFrame").locator("canvas").first).to_be_visible()

        key = predictions[predictions.day == DAYS[-1]].iloc[0][KEY]
        page.get_by_placeholder("part of an id").fill(key)
        page.get_by_placeholder("part of an id").press("Enter")
        expect(page.get_by_text(f"1 of {CUSTOMERS} customers")).to_be_visible()

        days = page.get_by_role("combobox", name="Who began their trial on")
        expect(days).to_have_value(str(DAYS[-1]))
        page.get_by_role("combobox", name="Version of the predictions").click()
        page.get_by_role("option", name="1 · ").click()
        expect(days).to_have_value(str(DAYS[0]))
        expect(page.get_by_test_id("stException")).to_have_count(0)
        browser.close()
    assert {address.split("/")[2] for address in asked if address.startswith("http")} == {url.split("/")[2]}
