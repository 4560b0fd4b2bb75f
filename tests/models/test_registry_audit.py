"""What an operator does to the registry: back and forth, answers that come late, versions that were put aside."""

from __future__ import annotations

import json
import math
import random
import threading

import pytest

from firnflow.errors import DamagedArtifactError, ModelConflictError, NotFoundError, UsageError
from firnflow.models.registry import CHAMPION, Promotion, Registry
from firnflow.stores.state import State


def promote(registry, version, expected, **more):
    return registry.promote("credit", version, expected=expected, reason="better", **more)


def damage(registry, stores, place):
    path = stores.local(registry.get(place).ref["where"])
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])


def request(version, champion):
    return Promotion("credit", CHAMPION, "request", champion, version, "run", "gates passed")


def test_a_version_that_was_champion_twice_is_passed_twice_on_the_way_back(three):
    promote(three, 1, None)
    promote(three, 2, 1)
    promote(three, 1, 2)
    assert [three.rollback("credit", reason="bad").to_version for _ in range(2)] == [2, 1]
    with pytest.raises(NotFoundError, match="credit/1 is the first champion"):
        three.rollback("credit", reason="bad")


@pytest.mark.parametrize("seed", range(5))
def test_rollbacks_take_promotions_back_in_their_order(three, seed):
    chance, champions = random.Random(seed), []
    for _ in range(30):
        if len(champions) > 1 and chance.random() < 0.5:
            champions.pop()
            assert three.rollback("credit", reason="bad").to_version == champions[-1]
        else:
            now = champions[-1] if champions else None
            version = chance.choice([number for number in (1, 2, 3) if number != now])
            promote(three, version, now)
            champions.append(version)
        assert three.champion("credit").version == champions[-1]
    moves = three.history("credit")
    assert len(moves) == 30
    assert [row.from_version for row in moves[:-1]] == [row.to_version for row in moves[1:]]


def test_a_rollback_does_not_bring_back_a_changed_file(three, stores):
    promote(three, 1, None)
    promote(three, 2, 1)
    damage(three, stores, "credit/1")
    with pytest.raises(DamagedArtifactError, match=r"bytes, but .* were committed"):
        three.rollback("credit", reason="bad")
    assert three.champion("credit").version == 2
    assert len(three.history("credit")) == 2


def test_of_two_rollbacks_at_once_one_is_told(url, three, stores):
    for now, version in ((None, 1), (1, 2), (2, 3)):
        promote(three, version, now)
    both, answers = threading.Barrier(2), []

    def back():
        state = State(url)
        registry = Registry(state, stores)
        verify = registry.verify
        registry.verify = lambda found: (verify(found), both.wait(30))
        try:
            answers.append(registry.rollback("credit", reason="bad").to_version)
        except ModelConflictError as error:
            answers.append(str(error))
        state.close()

    threads = [threading.Thread(target=back) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 2 in answers
    assert any("credit@champion was moved meanwhile" in str(answer) for answer in answers)
    assert three.champion("credit").version == 2


def test_what_was_put_aside_is_taken_up_again_with_an_alias(three):
    for number in (1, 2):
        three.archive("credit", number, reason="old")
    promote(three, 1, None)
    three.set_alias("credit", "challenger", 2, reason="try")
    assert [version.status for version in three.versions("credit")] == ["registered"] * 3


def test_a_request_stays_open_until_it_is_answered(three):
    three.note(request(2, None))
    three.set_alias("credit", "challenger", 2, reason="look at it")
    three.archive("credit", 3, reason="old")
    assert [row.to_version for row in three.waiting("credit")] == [2]
    assert three.why_needed(three.get("credit/2")) == "it is @challenger"
    three.set_alias("credit", "challenger", None, reason="enough")
    assert three.why_needed(three.get("credit/2")) == "it waits for an approval"
    with pytest.raises(ModelConflictError, match=r"credit/2 waits for an approval\. Mend: firnflow models reject"):
        three.delete("credit", 2, reason="x")
    promote(three, 1, None)
    assert three.why_needed(three.get("credit/2")) is None
    with pytest.raises(ModelConflictError, match="moved meanwhile"):
        three.approve("credit", 2, reason="late")
    assert three.delete("credit", 2, reason="late").status == "deleted"
    assert three.waiting("credit") == []


def test_figures_that_are_none_and_zero_bytes_can_be_written_down(registry, a_model):
    metadata = {"metrics": {"auc": math.nan, "gain": [math.inf, 1.0]}}
    found = registry.register("credit", a_model(), metadata=metadata, tags={"a\0": "b\0"})
    assert registry.get("credit/1") == found
    json.dumps(found.metadata, allow_nan=False)
    assert found.metadata == {"metrics": {"auc": None, "gain": [None, 1.0]}}
    done = promote(registry, 1, None, verdict={"value": -math.inf, "segments": [{"segment": "x\0"}]})
    assert registry.history("credit") == [done]
    assert done.verdict["value"] is None
    registry.note(Promotion("credit", CHAMPION, "reject", 1, 1, "run", "county 'a\0b' falls"))
    assert registry.history("credit")[0].reason == "county 'a␀b' falls"


@pytest.mark.parametrize("by", ["", " ", "x" * 201, "a\nb", "\x1b[31m"])
def test_who_decides_must_be_readable(three, by):
    for decide in (three.archive, three.delete, three.restore):
        with pytest.raises(UsageError, match="says nobody who decides"):
            decide("credit", 1, reason="x", by=by)
    with pytest.raises(UsageError, match="says nobody who decides"):
        promote(three, 1, None, by=by)
    assert three.history("credit") == []


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_decision_says_why(three, reason):
    with pytest.raises(UsageError, match="Say why, for the audit"):
        three.promote("credit", 1, expected=None, reason=reason)
    with pytest.raises(UsageError, match="Say why, for the audit"):
        three.archive("credit", 1, reason=reason)


def test_a_ref_of_something_else_is_no_model(registry, a_model, stores):
    from firnflow import values

    with pytest.raises(UsageError, match="only a model can be registered, not json"):
        registry.register("credit", values.save({"a": 1}, dict[str, int], stores))
    ref = values.save(a_model(), type(a_model()), stores)
    assert registry.register("credit", ref).digest == ref.digest
    damage(registry, stores, "credit/1")
    with pytest.raises(DamagedArtifactError, match=r"bytes, but .* were committed"):
        registry.register("credit", ref)
