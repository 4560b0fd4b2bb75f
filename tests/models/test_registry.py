"""Versions, aliases, promotions and their audit, on SQLite and PostgreSQL; two at once; tampered files."""

from __future__ import annotations

import subprocess
import sys

import pytest

from firnflow.errors import DamagedArtifactError, ModelConflictError, NotFoundError, UsageError
from firnflow.models.registry import CHAMPION, Place, Promotion


def promote(registry, version, expected, **more):
    return registry.promote("credit", version, expected=expected, reason="better", **more)


def test_versions_count_up_and_load_again(three):
    assert [v.version for v in three.versions("credit")] == [3, 2, 1]
    assert three.load("credit/3").estimator.get_depth() == 3
    assert three.get("credit/2").metadata == {"depth": 2}
    assert three.names() == ["credit"]


def test_a_task_that_is_tried_again_registers_once(registry, a_model):
    first = registry.register("credit", a_model(), run="r", task="register")
    again = registry.register("credit", a_model(), run="r", task="register")
    other = registry.register("credit", a_model(), run="r2", task="register")
    assert (first.version, again.version, other.version) == (1, 1, 2)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a", Place("a")),
        ("a/3", Place("a", 3)),
        ("a.b-c_D@champion", Place("a.b-c_D", alias="champion")),
    ],
)
def test_places_are_read(text, place):
    assert Place.parse(text) == place


@pytest.mark.parametrize(
    "text",
    ["", "/3", "a/", "a/x", "a/-1", "a@", "a@b@c", "../a", "a/../b", "a b", "a\n", "é", "a/1/2", "1a", "a" * 101],
)
def test_what_is_no_place_is_refused(registry, text):
    with pytest.raises(UsageError, match=r"is no model\. Write NAME, NAME/3 or NAME@champion"):
        registry.get(text)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "a\0", "x" * 101, "'; DROP TABLE run; --"])
def test_hostile_names_are_refused(registry, a_model, name):
    with pytest.raises(UsageError, match="is no name of a model"):
        registry.register(name, a_model())
    assert registry.names() == []


def test_unknown_places_name_the_nearest(three):
    with pytest.raises(NotFoundError, match=r"There is no model 'credti'.*credit"):
        three.get("credti")
    with pytest.raises(NotFoundError, match=r"There is no model credit/9\. It has the versions 1, 2, 3"):
        three.get("credit/9")
    with pytest.raises(NotFoundError, match=r"has no 'champion'\. It has no alias yet\. Newest: credit/3"):
        three.get("credit")


def test_a_promotion_moves_the_alias_and_is_written_down(three):
    done = promote(three, 2, None, by="ann", verdict={"decision": "promote"}, run="run-2", task="promote")
    assert three.champion("credit").version == 2
    (row,) = three.history("credit")
    assert row == done
    assert (row.by, row.action, row.from_version, row.to_version, row.reason) == ("ann", "promote", None, 2, "better")
    assert row.verdict == {"decision": "promote"}


def test_a_task_that_is_tried_again_promotes_once(three):
    for _ in range(2):
        promote(three, 2, None, run="run-2", task="promote")
    promote(three, 3, 2, run="run-3", task="promote")
    late = promote(three, 2, None, run="run-2", task="promote")
    assert late.to_version == 2
    assert three.champion("credit").version == 3
    assert len(three.history("credit")) == 2


def test_a_promotion_against_another_champion_is_a_conflict(three):
    promote(three, 1, None, by="ann")
    with pytest.raises(ModelConflictError, match=r"moved meanwhile: it was no version .* and is version 1 now, by ann"):
        promote(three, 2, None)
    assert three.champion("credit").version == 1
    assert len(three.history("credit")) == 1


def test_rollback_goes_back_a_promotion_at_a_time(three):
    promote(three, 1, None)
    promote(three, 2, 1)
    promote(three, 3, 2)
    assert three.rollback("credit", reason="bad").to_version == 2
    assert three.rollback("credit", reason="bad too").to_version == 1
    with pytest.raises(NotFoundError, match="credit/1 is the first champion"):
        three.rollback("credit", reason="bad again")
    assert [row.action for row in three.history("credit")] == ["rollback"] * 2 + ["promote"] * 3
    promote(three, 3, 1)
    assert three.rollback("credit", reason="no").to_version == 1


def test_a_champion_is_not_promoted_again(three):
    promote(three, 1, None)
    with pytest.raises(ModelConflictError, match="credit/1 is @champion already"):
        promote(three, 1, 1)
    assert len(three.history("credit")) == 1


def test_nothing_to_roll_back_is_said(three):
    with pytest.raises(NotFoundError, match="'credit' has no champion, so there is nothing to roll back"):
        three.rollback("credit", reason="x")


def test_an_approval_is_asked_for_and_answered(three):
    with pytest.raises(NotFoundError, match="credit/2 does not wait for an approval"):
        three.approve("credit", 2, reason="fine")
    three.note(Promotion("credit", CHAMPION, "request", None, 2, "run", "gates passed", {"auc": 0.8}))
    assert [row.to_version for row in three.waiting("credit")] == [2]
    done = three.approve("credit", 2, reason="fine", by="boss")
    assert (done.action, done.by, done.verdict) == ("approve", "boss", {"auc": 0.8})
    assert three.waiting("credit") == []
    three.note(Promotion("credit", CHAMPION, "request", 2, 3, "run", "gates passed"))
    three.reject("credit", 3, reason="not now", by="boss")
    assert three.waiting("credit") == []
    assert three.champion("credit").version == 2


def test_an_approval_is_for_the_champion_that_was_compared(three):
    three.note(Promotion("credit", CHAMPION, "request", None, 2, "run", "gates passed"))
    promote(three, 1, None)
    with pytest.raises(ModelConflictError, match="moved meanwhile"):
        three.approve("credit", 2, reason="fine")


def test_other_aliases_move_freely_and_the_champions_does_not(three):
    three.set_alias("credit", "challenger", 2, reason="try")
    three.set_alias("credit", "challenger", 3, reason="try")
    assert three.get("credit@challenger").version == 3
    three.set_alias("credit", "challenger", None, reason="enough")
    assert three.aliases("credit") == {}
    with pytest.raises(UsageError, match="moved by promotion only"):
        three.set_alias("credit", CHAMPION, 1, reason="x")


def test_what_is_needed_is_not_deleted(three):
    promote(three, 1, None)
    promote(three, 2, 1)
    with pytest.raises(ModelConflictError, match="credit/2 is @champion"):
        three.delete("credit", 2, reason="x")
    with pytest.raises(ModelConflictError, match="credit/1 has been champion"):
        three.delete("credit", 1, reason="x")
    assert three.archive("credit", 1, reason="old").status == "archived"
    assert three.delete("credit", 3, reason="bad").status == "deleted"
    with pytest.raises(NotFoundError, match="credit/3 was deleted"):
        three.load("credit/3")
    with pytest.raises(NotFoundError, match="credit/3 was deleted"):
        promote(three, 3, 2)
    assert three.rollback("credit", reason="x").to_version == 1
    assert three.get("credit/1").status == "registered"


def test_a_changed_file_is_not_promoted(three, stores):
    path = stores.local(three.get("credit/2").ref["where"])
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedArtifactError, match="is not what was"):
        promote(three, 2, None)
    with pytest.raises(DamagedArtifactError, match="is not what was"):
        three.load("credit/2")
    assert three.aliases("credit") == {}


def test_the_state_keeps_the_files_of_models(three, state):
    kept = {used.get("where") for used in state.outputs_in_use()}
    assert {version.ref["where"] for version in three.versions("credit")} <= kept


RACE = """
import sys
from firnflow.errors import ModelConflictError
from firnflow.models.registry import Registry
from firnflow.stores import Stores
from firnflow.stores.artifacts import ArtifactStore
from firnflow.stores.state import State
from firnflow.stores.warehouse import DuckDBWarehouse
from pathlib import Path

url, root, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
stores = Stores(ArtifactStore(str(root / "artifacts"), root / "cache"), DuckDBWarehouse(None, 1, root / "tmp"))
registry = Registry(State(url), stores)
print("ready", flush=True)
for line in sys.stdin:
    version, expected = (None if word == "-" else int(word) for word in line.split())
    try:
        registry.promote("credit", version, expected=expected, reason="race", by=name)
        print("won", flush=True)
    except ModelConflictError as error:
        assert "was moved meanwhile" in str(error)
        print("lost", flush=True)
"""


@pytest.mark.slow
def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(three, url, tmp_path):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, url, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("ann", "bob")
    ]
    try:
        assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 2
        champion = "-"
        for turn in range(50):
            wanted = [version for version in (1, 2, 3) if version != champion][:2]
            for racer, version in zip(racers, wanted, strict=True):
                racer.stdin.write(f"{version} {champion}\n")
                racer.stdin.flush()
            answers = [racer.stdout.readline().strip() for racer in racers]
            assert sorted(answers) == ["lost", "won"], (turn, answers)
            winner = answers.index("won")
            champion = three.champion("credit").version
            assert champion == wanted[winner]
            history = three.history("credit")
            assert len(history) == turn + 1
            assert (history[0].to_version, history[0].by) == (champion, ("ann", "bob")[winner])
            assert [row.from_version for row in history[:-1]] == [row.to_version for row in history[1:]]
    finally:
        for racer in racers:
            racer.stdin.close()
            racer.stdout.close()
            racer.kill()
            racer.wait()
