"""The feeds: in the public layout, the same every time, consistent from day to day, with something to learn."""

from __future__ import annotations

import csv
import datetime as dt
import re

import numpy as np
import pandas as pd
import pytest

from cookies import generate, names
from cookies.generator import TRIAL_DAYS, feeds

DAY = dt.date(2026, 1, 5)
LATER = DAY + dt.timedelta(days=TRIAL_DAYS)


@pytest.fixture(scope="module")
def joined():
    made = feeds(DAY, 4_000)
    return made.orders.to_pandas().merge(made.trial_customers.to_pandas(), on="customer_id")


def test_the_layout_is_that_of_the_public_files():
    made = feeds(DAY, 10)
    assert made.orders.column_names == [
        *("customer_id", "Läckerli_boxes", "Willisauer_Ringli_boxes", "Mandelbärli_boxes", "Chocolate_Brownies_boxes")
    ]
    assert made.trial_customers.column_names == [
        *("customer_id", "household_members", "number_of_children", "favorite_color", "favorite_season"),
        *("sweetness_like", "fun_spending_budget"),
    ]


def test_who_begins_a_trial_orders_a_week_later():
    made, later = feeds(DAY, 50), feeds(LATER, 50)
    new = set(made.trial_customers["customer_id"].to_pylist()) - set(made.orders["customer_id"].to_pylist())
    assert len(new) == 50
    assert set(later.orders["customer_id"].to_pylist()) == new
    then, now = (each.trial_customers.to_pandas().set_index("customer_id").loc[sorted(new)] for each in (made, later))
    pd.testing.assert_frame_equal(then, now)


def test_the_same_seed_the_same_people_another_seed_others():
    assert feeds(DAY, 20).orders.equals(feeds(DAY, 20).orders)
    assert not set(feeds(DAY, 20).orders["customer_id"].to_pylist()) & set(
        feeds(DAY, 20, seed=1).orders["customer_id"].to_pylist()
    )


def test_traits_decide_what_is_ordered(joined):
    red = joined.favorite_color == "red"
    assert joined["Läckerli_boxes"][red].mean() > 1.5 * joined["Läckerli_boxes"][~red].mean()
    sweet = joined.sweetness_like
    assert joined["Mandelbärli_boxes"][sweet >= 8].mean() > 3 * joined["Mandelbärli_boxes"][sweet <= 3].mean()
    assert np.corrcoef(joined["Chocolate_Brownies_boxes"], joined.number_of_children)[0, 1] > 0.4
    adults = joined.household_members - joined.number_of_children
    assert np.corrcoef(joined["Willisauer_Ringli_boxes"], adults)[0, 1] > 0.3
    assert 0.02 < joined.fun_spending_budget.isna().mean() < 0.06


def test_files_are_written_whole_in_utf8_with_the_orders_last(tmp_path, capsys):
    generate.main(["2026-01-05", "--days", "2", "--customers", "7", "--to", str(tmp_path / "new" / "folder")])
    written = capsys.readouterr().out.split()
    assert [re.sub(r".*/", "", place) for place in written] == [
        *("trial_customers_2026-01-05.csv", "orders_2026-01-05.csv"),
        *("trial_customers_2026-01-06.csv", "orders_2026-01-06.csv"),
    ]
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == sorted(re.sub(r".*/", "", place) for place in written)
    with (folder / "orders_2026-01-05.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head[1] == "Läckerli_boxes"
    assert len(rows) == 7


@pytest.mark.parametrize("wrong", [["05.01.2026"], ["2026-01-05", "--days", "0"], ["2026-01-05", "--customers", "-3"]])
def test_a_wrong_call_is_said(wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        generate.main(wrong)
    assert "error" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_said(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for place in (str(tmp_path / "file" / "folder"), "nowhere://bucket"):
        with pytest.raises(SystemExit, match="1"):
            generate.main(["2026-01-05", "--customers", "2", "--to", place])
        assert f"error: {place} cannot be written to: " in capsys.readouterr().err


def test_names_of_models_are_plain_and_all_different():
    found = [names.model_name(target) for target in names.TARGETS]
    assert found[0] == "cookies_laeckerli"
    assert found[2] == "cookies_mandelbaerli"
    assert len(set(found)) == len(names.TARGETS) == 5
    assert all(re.fullmatch("[a-z_]+", name) for name in found)
