"""`firnflow clean`."""

from __future__ import annotations

import os
import shutil
import time

import pytest


@pytest.fixture
def old(shop):
    """Three runs of one pipeline, all that they stored two hours old."""
    for rows in (4, 5, 6):
        shop.call("run", "flow", "--inline", "--set", f"rows={rows}")
    for path in (shop.root / ".firnflow" / "artifacts").rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 7200,) * 2)
    return shop


def stored(shop):
    return len(list((shop.root / ".firnflow" / "artifacts" / "objects").glob("*/*")))


def test_a_dry_run_first(old):
    before = stored(old)
    called = old.call("clean", "--older-than", "0s", "--keep", "1")
    assert called.code == 0
    assert called.out.splitlines()[-1].startswith("Would delete 2 runs, 6 stored values, ")
    assert stored(old) == before
    assert len(old.state.runs()) == 3


def test_yes_deletes(old):
    before = stored(old)
    called = old.call("clean", "--older-than", "0s", "--keep", "1", "--yes")
    assert called.out.splitlines()[-1].startswith("Deleted 2 runs, 6 stored values, ")
    assert stored(old) == before - 6
    assert len(old.state.runs()) == 1
    assert old.call("sql", "SELECT count(*) AS n FROM make", "--json").json == [{"n": 6}]
    assert old.call("clean", "--older-than", "0s", "--keep", "1").out == "Nothing to delete.\n"


def test_json(old):
    data = old.call("clean", "--older-than", "0s", "--keep", "0", "--json").json
    assert (data["deleted"], len(data["runs"]), len(data["objects"])) == (False, 2, 6)
    assert data["bytes"] > 0


def test_by_default_new_runs_stay(old):
    assert old.call("clean").out == "Nothing to delete.\n"


def test_a_wrong_age(old):
    called = old.call("clean", "--older-than", "soon")
    assert called.code == 2
    assert "'soon' is not a duration" in called.err


def test_an_environment_that_shares_the_store_is_asked(old):
    settings = old.root / "firnflow.toml"
    settings.write_text(settings.read_text() + 'state = "sqlite:///other.db"\n')  # of the environment dev
    assert old.call("run", "flow", "--env", "dev", "--inline", "--set", "rows=4").code == 0
    called = old.call("clean", "--older-than", "0s", "--keep", "0", "--yes")
    assert "Deleted 2 runs, 3 stored values" in called.out  # what was made of 4 rows is in use in dev
    assert old.call("sql", "SELECT count(*) AS n FROM make", "--env", "dev", "--json").json == [{"n": 4}]


def test_an_environment_that_cannot_be_asked_stops_it(old):
    settings = old.root / "firnflow.toml"
    settings.write_text(settings.read_text() + 'state = "env:OTHER_STATE"\n')
    called = old.call("clean", "--older-than", "0s", "--keep", "0", "--yes")
    assert called.code == 1
    assert "environment 'dev' keeps its values in the same store" in called.err
    assert "OTHER_STATE" in called.err
    assert len(old.state.runs()) == 3


def test_before_the_first_run(shop):
    called = shop.call("clean")
    assert called.code == 2
    assert "There is no run yet" in called.err


def test_another_project_s_state_on_the_same_store_stops_it(old, tmp_path, monkeypatch):
    other = tmp_path / "other"
    shutil.copytree(old.root, other, ignore=shutil.ignore_patterns(".firnflow"))
    settings = other / "firnflow.toml"
    shared = f'[environments.local]\nartifacts = "{old.root}/.firnflow/artifacts"\n'
    settings.write_text(settings.read_text().replace("[environments.local]\n", shared))
    monkeypatch.chdir(other)
    assert old.call("run", "flow", "--inline", "--set", "rows=7").code == 0
    before = stored(old)
    for folder, neighbour in ((old.root, other), (other, old.root)):
        monkeypatch.chdir(folder)
        for yes in ((), ("--yes",)):
            called = old.call("clean", "--older-than", "0s", "--keep", "0", *yes)
            assert called.code == 1
            assert "holds values of other state databases too" in called.err
            assert f"in {neighbour}, since " in called.err
    assert stored(old) == before
    monkeypatch.chdir(old.root)
    gone = called.err.rpartition("--forget-owner ")[2].strip()
    monkeypatch.chdir(other)
    assert old.call("clean", "--forget-owner", gone).code == 0
    assert old.call("clean").code == 1, "nothing was done without --yes"
    assert old.call("clean", "--forget-owner", gone, "--yes").code == 0
    assert old.call("clean").code == 0
    called = old.call("clean", "--forget-owner", gone)
    assert (called.code, "no mark of such a state" in called.err) == (2, True)
    monkeypatch.chdir(old.root)
    assert old.call("run", "flow", "--inline", "--set", "rows=7").code == 0
    monkeypatch.chdir(other)
    assert old.call("clean").code == 1, "it was not gone"


def test_a_copied_project_and_its_original_keep_what_either_needs(old, tmp_path, monkeypatch):
    store = tmp_path / "store"
    shutil.copytree(old.root / ".firnflow" / "artifacts", store)
    shutil.rmtree(old.root / ".firnflow" / "artifacts")
    settings = old.root / "firnflow.toml"
    shared = f'[environments.local]\nartifacts = "{store}"\n'
    settings.write_text(settings.read_text().replace("[environments.local]\n", shared))
    shutil.rmtree(store / "owners")
    assert old.call("run", "flow", "--inline", "--set", "rows=6").code == 0
    copy = tmp_path / "copy"
    shutil.copytree(old.root, copy)
    monkeypatch.chdir(copy)
    called = old.call("clean", "--older-than", "0s", "--keep", "1", "--yes")
    assert called.code == 1
    assert f"in {old.root}, since" in called.err
    assert old.call("run", "flow", "--inline", "--set", "rows=9").code == 0
    for path in store.glob("objects/*/*"):
        os.utime(path, (time.time() - 7200,) * 2)
    monkeypatch.chdir(old.root)
    called = old.call("clean", "--older-than", "0s", "--keep", "1", "--yes")
    assert called.code == 1
    assert f"in {copy}, since" in called.err
    monkeypatch.chdir(copy)
    assert old.call("sql", "SELECT count(*) AS n FROM make", "--json").json == [{"n": 9}]


def test_a_copied_project_with_a_store_of_its_own_can_be_cleaned(old, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(old.root, copy)
    monkeypatch.chdir(copy)
    assert "Deleted 2 runs" in old.call("clean", "--older-than", "0s", "--keep", "1", "--yes").out
    monkeypatch.chdir(old.root)
    assert len(old.state.runs()) == 3


@pytest.mark.server
def test_local_copies_of_remote_values_go_by_age(shop, s3_url):
    with (shop.root / "firnflow.toml").open("a") as file:
        file.write(f'artifacts = "{s3_url}"\n')
    for rows in (4, 5):
        shop.call("run", "flow", "--inline", "--env", "dev", "--set", f"rows={rows}")
    cache = shop.root / ".firnflow" / "cache" / "objects"
    copies = sorted(cache.glob("*/*"))
    for path in copies[1:]:
        os.utime(path, (time.time() - 7200,) * 2)
    called = shop.call("clean", "--env", "dev", "--older-than", "1h")
    assert f"Would delete 0 runs, 0 stored values, {len(copies) - 1} cached files, " in called.out
    assert len(shop.call("clean", "--env", "dev", "--older-than", "1h", "--json").json["copies"]) == len(copies) - 1
    assert sorted(cache.glob("*/*")) == copies
    assert shop.call("clean", "--env", "dev", "--older-than", "3h").out == "Nothing to delete.\n"
    assert "Deleted" in shop.call("clean", "--env", "dev", "--older-than", "1h", "--yes").out
    assert sorted(cache.glob("*/*")) == copies[:1]
    again = shop.call("run", "flow", "--inline", "--env", "dev", "--set", "rows=4")
    assert "cached" in again.out
    assert shop.call("sql", "SELECT count(*) AS n FROM make", "--env", "dev", "--json").json == [{"n": 4}]
