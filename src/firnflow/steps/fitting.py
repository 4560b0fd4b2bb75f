"""The tasks that learn preprocessing from the training part, one step each, and the one that applies it.

Each takes the training part and what was learnt so far, and returns one more step::

    imputed = steps.impute(train_set, p.columns, p.imputing)
    capped = steps.cap_outliers(train_set, p.columns, p.capping, imputed)
"""

from __future__ import annotations

import ibis

from firnflow.graph.task import task
from firnflow.steps._tables import log
from firnflow.steps.capping import fit_cap
from firnflow.steps.config import Capping, Columns, Deriving, Encoding, Imputing
from firnflow.steps.deriving import fit_derive
from firnflow.steps.encoding import fit_encode
from firnflow.steps.imputing import fit_impute
from firnflow.steps.preprocessing import Preprocessing


def _so_far(
    train_set: ibis.Table, columns: Columns, after: Preprocessing | None
) -> tuple[Preprocessing, ibis.Table, list[str]]:
    """Return what was learnt so far, the training part as it is by then, and its features."""
    before = after or Preprocessing.start(train_set, columns)
    table = before.partly(train_set)
    return before, table, before.features(table)


@task
def impute(
    train_set: ibis.Table, columns: Columns, imputing: Imputing, after: Preprocessing | None = None
) -> Preprocessing:
    """Learn what stands in for missing values. Raises DataError where a column is all null."""
    before, table, features = _so_far(train_set, columns, after)
    return before.and_then(fit_impute(table, features, imputing))


@task
def cap_outliers(
    train_set: ibis.Table, columns: Columns, capping: Capping, after: Preprocessing | None = None
) -> Preprocessing:
    """Learn the bounds that outliers are moved to. Raises DataError where a named column is no number."""
    before, table, features = _so_far(train_set, columns, after)
    return before.and_then(fit_cap(table, features, capping))


@task
def derive(
    train_set: ibis.Table, columns: Columns, deriving: Deriving, after: Preprocessing | None = None
) -> Preprocessing:
    """Learn what new columns need: quantiles, means by group, deviations. Raises DataError for an unknown column."""
    before, table, features = _so_far(train_set, columns, after)
    return before.and_then(fit_derive(table.select(features), deriving))


@task
def encode(
    train_set: ibis.Table, columns: Columns, encoding: Encoding, after: Preprocessing | None = None
) -> Preprocessing:
    """Learn which values of text columns become 0/1 columns. Raises DataError where a column is all null."""
    before, table, features = _so_far(train_set, columns, after)
    return before.and_then(fit_encode(table, features, encoding))


@task
def transform(table: ibis.Table, preprocessing: Preprocessing) -> ibis.Table:
    """Return key, label and features of a table, by what was learnt; nothing is learnt here.

    Raises:
        DataError: the table lacks a column, or a feature is no number.
    """
    result = preprocessing.apply(table)
    log.info("%s features", len(preprocessing.features(result)))
    return result
