"""The tasks of `cookies_predict`: what new customers will order, by the model in production of each target."""

from __future__ import annotations

import datetime as dt
import logging

import ibis
import pyarrow as pa
import pyarrow.compute as pc

import firnflow as ff
from cookies.names import DAY, KEY, model_name
from firnflow import models
from firnflow.engine import services
from firnflow.models.registry import Registry

log = logging.getLogger(__name__)

SCHEMA = pa.schema(
    {DAY: pa.date32(), KEY: pa.string(), "target": pa.string(), "boxes": pa.float64(), "model": pa.string()}
)


@ff.task
def of_day(newcomers: ibis.Table, day: dt.date) -> ibis.Table:
    """Return those who came on a day. Metric: `customers`."""
    found = newcomers.filter(newcomers[DAY] == day)
    ff.log_metric("customers", found.count().execute())
    return found


@ff.task(cache=False)
def predict(customers: ibis.Table, target: str) -> pa.Table:
    """Return how many boxes each customer will order, by the champion with the preprocessing that it was stored with.

    What a linear model says below 0 is 0. A target without a champion has no rows, and the log says so: the others are
    predicted all the same. Metric: `predicted`, of customers.
    """
    here, _ = services.here("predict")
    registry, name = Registry(here.state, here.stores), model_name(target)
    champion = registry.champion(name)
    if champion is None:
        log.warning(
            "%s is not predicted: no %s has passed its gate. See: firnflow models history %s", target, name, name
        )
        return SCHEMA.empty_table()
    said = models.predict(registry.load(champion), customers, keep=[DAY])
    rows = said.num_rows
    ff.log_metric("predicted", rows)
    boxes = pc.max_element_wise(said["prediction"], 0.0)
    columns = [said[DAY], said[KEY], pa.repeat(target, rows), boxes, pa.repeat(champion.place, rows)]
    return pa.table(columns, schema=SCHEMA)


@ff.task
def together(predictions: list[pa.Table]) -> pa.Table:
    """Return the predictions of all targets as one table: a row per customer and target."""
    return pa.concat_tables(predictions)
