"""The columns of both feeds and of the tables, and what each cookie is called where only plain letters are allowed."""

from __future__ import annotations

import unicodedata

KEY, DAY = "customer_id", "day"
TRAITS = (
    *("household_members", "number_of_children", "favorite_color"),
    *("favorite_season", "sweetness_like", "fun_spending_budget"),
)
"""What the feed of trial customers says of each, besides the key: seven columns."""
COOKIES = {
    "Läckerli": "Läckerli_boxes",
    "Willisauer": "Willisauer_Ringli_boxes",
    "Mandelbärli": "Mandelbärli_boxes",
    "Brownies": "Chocolate_Brownies_boxes",
}
"""Cookie → its column in the feed of orders: with the key five columns."""
TOTAL = "total"
TARGETS = (*COOKIES, TOTAL)
"""What is predicted: boxes of each cookie, and of all together."""
ORDERS, NEWCOMERS = "cookie_orders", "new_customers"
SCORES, PREDICTIONS = "cookie_scores", "cookie_predictions"
"""The named tables."""


def model_name(target: str) -> str:
    """Return how the registry calls the model of a target: `cookies_laeckerli`."""
    german = target.lower().translate(str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"}))
    return "cookies_" + unicodedata.normalize("NFKD", german).encode("ascii", "ignore").decode()
