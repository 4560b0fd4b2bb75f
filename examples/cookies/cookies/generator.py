"""Cookie lovers that do not exist: who begins a trial on a day, and what they order when it ends.

The feeds of a day depend on that day, the size and the seed alone, so that any days can be made in any order, and what
somebody orders fits who they were a week before. Columns are those of the public example data. What decides:

- everybody eats by the size of the household and by how much they like sweets, within their budget;
- Läckerli are for those who like red, and for winter;
- Willisauer Ringli, which are hard, are for adults who do not like it too sweet, in proportion to the adults;
- Mandelbärli are for those who like it really sweet: from 6 of 10 on, steeply;
- Brownies are for children, all the more where they and sweets come together, and for summer.

The first two are nearly linear in the traits, the others are not. Boxes are counts with more spread than Poisson's.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from cookies.names import COOKIES, KEY, TRAITS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Columns = dict[str, np.ndarray[Any, Any]]

TRIAL_DAYS = 7
COLORS = ("red", "blue", "green", "yellow", "purple")
SEASONS = ("spring", "summer", "fall", "winter")
MISSING_BUDGET = 0.04
_SPREAD = 12.0  # of the appetite: the shape of a gamma distribution with mean 1


class Feeds(NamedTuple):
    """What comes in on a day: who begins or ends a trial, and what those order whose trial ends."""

    trial_customers: pa.Table
    orders: pa.Table


def feeds(day: dt.date, customers: int, seed: int = 42) -> Feeds:
    """Return the feeds of a day.

    Args:
        day: the day.
        customers: how many begin a trial each day, and end one.
        seed: another seed, other customers in the same world.

    Returns:
        `trial_customers`: customer_id and six traits, of those who begin and of those who end, in no order; the budget
        is missing for some. `orders`: customer_id and the boxes of four cookies, of those who end.
    """
    import numpy as np
    import pyarrow as pa

    begin, end = (_people(when, customers, seed) for when in (day, day - dt.timedelta(days=TRIAL_DAYS)))
    order = np.random.default_rng([seed, day.toordinal(), 1]).permutation(2 * customers)
    both = {name: np.concatenate([begin[name], end[name]])[order] for name in (KEY, *TRAITS)}
    columns = {name: pa.array(values, from_pandas=True) for name, values in both.items()}
    budget = columns["fun_spending_budget"].cast(pa.int64())
    ordered = {name: pa.array(end[name]) for name in (KEY, *COOKIES.values())}
    return Feeds(pa.table({**columns, "fun_spending_budget": budget}), pa.table(ordered))


def _people(day: dt.date, count: int, seed: int) -> Columns:
    """Return those who begin their trial on a day, with what they will order."""
    import numpy as np

    rng = np.random.default_rng([seed, day.toordinal(), 0])
    household = rng.choice(np.arange(1, 7), count, p=[0.24, 0.28, 0.18, 0.18, 0.08, 0.04])
    traits: Columns = {
        "household_members": household,
        "number_of_children": rng.binomial(household - 1, 0.55),
        "favorite_color": np.array(COLORS, dtype=object)[rng.choice(5, count, p=[0.26, 0.3, 0.2, 0.12, 0.12])],
        "favorite_season": np.array(SEASONS, dtype=object)[rng.choice(4, count, p=[0.26, 0.34, 0.2, 0.2])],
        "sweetness_like": rng.integers(0, 11, count),
        "fun_spending_budget": rng.integers(20, 201, count).astype(np.float64),
    }
    means = _means(traits)
    appetite = rng.gamma(_SPREAD, 1 / _SPREAD, count)
    boxes = {COOKIES[cookie]: rng.poisson(mean * appetite) for cookie, mean in means.items()}
    traits["fun_spending_budget"][rng.random(count) < MISSING_BUDGET] = np.nan
    ids = [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(count)]
    return {KEY: np.array(ids, dtype=object), **traits, **boxes}


def _means(traits: Columns) -> Columns:
    """Return how many boxes of each cookie somebody with these traits orders in the mean."""
    import numpy as np

    children = traits["number_of_children"]
    adults = traits["household_members"] - children
    sweet, season = traits["sweetness_like"], traits["favorite_season"]
    within = np.minimum(traits["fun_spending_budget"], 120) / 100
    return {
        "Läckerli": within * (2 + 0.5 * sweet + 7.0 * (traits["favorite_color"] == "red") + 4.0 * (season == "winter")),
        "Willisauer": 1.0 + 2.6 * adults + 0.35 * (10 - sweet) + 0.012 * traits["fun_spending_budget"],
        "Mandelbärli": within * (1.5 + 11.0 / (1 + np.exp(-1.8 * (sweet - 6.0)))),
        "Brownies": within * (1.0 + 0.55 * children * sweet * np.where(season == "summer", 1.5, 1.0)),
    }
