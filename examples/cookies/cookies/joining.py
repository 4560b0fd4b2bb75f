"""From the two feeds of a day to what was ordered by whom, and to those who have ordered nothing yet."""

from __future__ import annotations

import datetime as dt
import logging
from typing import NamedTuple

import ibis

import firnflow as ff
from cookies.names import COOKIES, DAY, KEY, TOTAL, TRAITS

log = logging.getLogger(__name__)


class Joined(NamedTuple):
    """Both have `day`, `customer_id` and the traits; `orders` also has the boxes of each cookie and `total`."""

    orders: ibis.Table
    newcomers: ibis.Table


@ff.task
def join(orders: ibis.Table, trial_customers: ibis.Table, day: dt.date) -> Joined:
    """Join the feeds of a day by customer: who has ordered is there to learn from, who has not is to be predicted.

    Metrics: `customers`, `newcomers`, `orders`, and `orders_lost` of customers that the other feed does not know.
    """
    boxes = orders.select(KEY, **{cookie: orders[column] for cookie, column in COOKIES.items()})
    boxes = boxes.mutate(**{TOTAL: sum((boxes[cookie] for cookie in COOKIES), ibis.literal(0))})
    people = trial_customers.mutate(**{DAY: ibis.date(day)}).select(DAY, KEY, *TRAITS)
    joined, newcomers = people.inner_join(boxes, KEY), people.anti_join(boxes, KEY)
    known = joined.count().execute()
    ff.log_metric("customers", people.count().execute())
    ff.log_metric("newcomers", newcomers.count().execute())
    ff.log_metric("orders", known)
    lost = boxes.count().execute() - known
    ff.log_metric("orders_lost", lost)
    if lost:
        log.warning("%s of %s orders are left out: nothing is known of who ordered", lost, known + lost)
    return Joined(joined.select(DAY, KEY, *TRAITS, *COOKIES, TOTAL), newcomers)
