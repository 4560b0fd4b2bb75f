"""The tasks that learn preprocessing from the training part, one step each, and the one that applies it.

Each takes the training part and what was learnt so far, and returns one more step::

    imputed = steps.impute(train_set, p.columns, p.imputing)
    capped = steps.cap_outliers(train_set, p.columns, p.capping, imputed)
"""

from __future__ import annotations

import ibis

from firnflow.errors import DataError
from firnflow.graph.task import task
from firnflow.models.preprocessing import Input, Preprocessing
from firnflow.models.preprocessing.columns import require
from firnflow.models.section import Columns
from firnflow.steps._tables import log, one_row
from firnflow.steps.capping import fit_cap
from firnflow.steps.config import Capping, Deriving, Encoding, Imputing
from firnflow.steps.deriving import fit_derive
from firnflow.steps.encoding import fit_encode
from firnflow.steps.imputing import fit_impute


def begin(table: ibis.Table, columns: Columns) -> Preprocessing:
    """Return preprocessing that does nothing yet, for tables like this one: its columns, their types, their gaps."""
    require(table, [columns.key], "columns.key")
    without = {*columns.no_features, *columns.ignore}
    names = [name for name in table.columns if name not in without]
    if not names:
        raise DataError("The table has no feature columns beside key, label and columns.ignore.")
    missing = one_row(table, {name: table[name].isnull().any() for name in names})
    kinds = {name: str(kind.copy(nullable=True)) for name, kind in table.schema().items()}
    inputs = {name: Input(type=kinds[name], nullable=bool(missing[name])) for name in names}
    return Preprocessing(columns=columns, inputs=inputs)


def _so_far(
    train_set: ibis.Table, columns: Columns, after: Preprocessing | None
) -> tuple[Preprocessing, ibis.Table, list[str]]:
    """Return what was learnt so far, the training part as it is by then, and its features."""
    before = after or begin(train_set, columns)
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
