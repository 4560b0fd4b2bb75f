"""`split`: a training and a test part, alike and never overlapping, the same whatever the order of the rows."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import ibis

from firnflow._text import counted, listing
from firnflow.context import log_metric
from firnflow.errors import DataError
from firnflow.graph.task import task
from firnflow.models.evaluation.holdout import Holdout
from firnflow.models.evaluation.keyhash import HASH, with_hash
from firnflow.models.preprocessing.columns import require
from firnflow.models.section import Columns, Section
from firnflow.steps._hash import smallest
from firnflow.steps._tables import label_counts, log, numbers, one_row, require_numbers, rounded
from firnflow.steps.config import Splitting

MIN_PER_CLASS = 10


class MeanDifference(Section):
    """A numeric column in both parts; `difference` is relative to the mean or the deviation, whichever is larger."""

    column: str
    train: float
    test: float
    difference: float
    passed: bool


class SplitQuality(Section):
    """How alike the parts are, and how they were divided. `failures` is empty where every check passed."""

    holdout: Holdout

    train_rows: int
    test_rows: int
    train_rate: float
    test_rate: float
    dropped: int
    means: tuple[MeanDifference, ...]
    failures: tuple[str, ...]


class Split(NamedTuple):
    """The parts, whose label is 0 or 1, and how alike they are."""

    train: ibis.Table
    test: ibis.Table
    quality: SplitQuality


@task
def split(table: ibis.Table, columns: Columns, splitting: Splitting) -> Split:
    """Divide rows by a hash of their key, exactly by `test_share`; of a label with two values, within each of them.

    Rows without a label are dropped; `columns.ignore` is left out. Metrics: rows of both parts, and their rate of
    positives, or mean label.

    Raises:
        DataError: the label has not two values, or is no number without `stratify`; there are fewer than 10 rows, of
            each class if there are such; or a check failed.
    """
    require(table, [columns.key, columns.label, *columns.ignore], "columns")
    prepare = _with_binary_label if splitting.stratify else _with_number
    labelled, rows = prepare(table.drop(*columns.ignore), columns)
    labelled = with_hash(labelled, columns.key, splitting.seed, "split")
    bounds = _bounds(labelled, labelled[columns.label], rows, splitting)
    holdout = Holdout(
        key=columns.key,
        label=columns.label,
        seed=splitting.seed,
        test_share=splitting.test_share,
        bounds=bounds,
    )
    in_train = holdout.for_training(labelled)
    quality = _compare(labelled, in_train, holdout, splitting, rows.get(None, 0))
    for part, part_rows, rate in (
        ("train", quality.train_rows, quality.train_rate),
        ("test", quality.test_rows, quality.test_rate),
    ):
        log_metric(f"{part}_rows", part_rows)
        log_metric(f"{part}_{'rate' if splitting.stratify else 'mean'}", rate)
    _report(quality, splitting)
    return Split(labelled.filter(in_train).drop(HASH), labelled.filter(~in_train).drop(HASH), quality)


def _bounds(hashed: ibis.Table, label: Any, rows: dict[int | None, int], splitting: Splitting) -> tuple[float, float]:
    """Return below which hash a row is in the training part, by its class; without classes twice the same."""
    if not splitting.stratify:
        wanted = rows[0] - round(rows[0] * splitting.test_share)
        bound = smallest(hashed, {"all": (None, rows[0], wanted)})["all"]
        return bound, bound
    groups = {v: (label == v, n, n - round(n * splitting.test_share)) for v, n in rows.items() if v is not None}
    found = smallest(hashed, groups)
    return found[0], found[1]


def _with_number(table: ibis.Table, columns: Columns) -> tuple[ibis.Table, dict[int | None, int]]:
    """Return the rows that have a label, as float64, and how many have one (as 0) and none."""
    require_numbers(table, [columns.label], "columns.label")
    value = table[columns.label].cast("float64")
    found = one_row(table, {"rows": value.count(), "missing": value.isnull().sum(), "values": value.nunique()})
    if found["rows"] < MIN_PER_CLASS or found["values"] < 2:
        raise DataError(
            f"columns.label {columns.label!r}: {counted(found['rows'], 'row')} with"
            f" {counted(found['values'], 'value')}; at least {MIN_PER_CLASS} rows with numbers that differ are needed."
        )
    rows: dict[int | None, int] = {0: found["rows"]}
    if found["missing"]:
        log.info("%s rows without %s are left out", f"{found['missing']:,}", columns.label)
        rows[None] = found["missing"]
    return table.filter(table[columns.label].notnull()).mutate(**{columns.label: value}), rows


def _with_binary_label(table: ibis.Table, columns: Columns) -> tuple[ibis.Table, dict[int | None, int]]:
    """Return the rows that have a label, as 0 or 1 (int8), and how many rows have 0, 1 and none."""
    counts = label_counts(table, columns.label)
    missing = counts.pop(None, 0)
    positive = _positive(columns, list(counts))
    rows: dict[int | None, int] = {0: 0, 1: 0}
    for value, count in counts.items():
        rows[int(value == positive)] += count
    for value, count in rows.items():
        if count < MIN_PER_CLASS:
            kind = "positive" if value else "negative"
            raise DataError(
                f"columns.label {columns.label!r}: {counted(count, kind)} ({columns.positive!r} counts as positive);"
                f" each class needs at least {MIN_PER_CLASS} rows."
            )
    if missing:
        log.info("%s rows without %s are left out", f"{missing:,}", columns.label)
        rows[None] = missing
    table = table.filter(table[columns.label].notnull())
    return table.mutate(**{columns.label: (table[columns.label] == positive).cast("int8")}), rows


def _positive(columns: Columns, values: list[Any]) -> Any:
    """Return the positive one of the label's two values. Raises DataError where there is no such thing."""
    seen = listing(map(repr, values))
    if len(values) > 2:
        more = " and more" if len(values) > 10 else ""
        raise DataError(
            f"columns.label {columns.label!r} has the values {seen}{more}; only binary classification is supported."
            " Mend: derive a column with two values and name it; or, if it is a number: splitting.stratify = false."
        )
    if len(values) < 2:
        raise DataError(f"columns.label {columns.label!r} is constant ({seen}); there is nothing to learn.")
    for value in values:
        if value == columns.positive and isinstance(value, str) == isinstance(columns.positive, str):
            return value
    raise DataError(
        f"columns.positive {columns.positive!r} is no value of {columns.label!r}, which has {seen}."
        " Mend: set columns.positive to one of them."
    )


def _compare(table: ibis.Table, in_train: Any, holdout: Holdout, splitting: Splitting, dropped: int) -> SplitQuality:
    names = numbers(table, [holdout.key, HASH, *([holdout.label] if splitting.stratify else [])])
    found = _figures(table.mutate(part_=in_train), holdout.label, names)
    means = tuple(m for name in names if (m := _difference(name, found, splitting)) is not None)
    rates = rounded(found["rate train"]) or 0.0, rounded(found["rate test"]) or 0.0
    failures = [
        f"mean of {m.column}: {m.train:.4g} in training, {m.test:.4g} in test ({100 * m.difference:.1f} % apart)"
        for m in means
        if not m.passed
    ]
    if splitting.stratify and abs(rates[0] - rates[1]) > splitting.max_rate_difference:
        failures.append(f"share of positives: {rates[0]:.4f} in training, {rates[1]:.4f} in test")
    return SplitQuality(
        holdout=holdout,
        train_rows=found["rows train"],
        test_rows=found["rows test"],
        train_rate=rates[0],
        test_rate=rates[1],
        dropped=dropped,
        means=means,
        failures=tuple(failures),
    )


def _figures(table: ibis.Table, label: str, names: list[str]) -> dict[str, Any]:
    """Return `rows train`, `rate test`, `mean train COLUMN` and so on, of the parts that `part_` tells apart.

    Grouped: the same figures with the part as a condition of each take three times as long.
    """
    wanted: dict[tuple[str, ...], Any] = {("rows",): table.count(), ("rate",): table[label].mean()}
    for name in names:
        value = table[name].cast("float64")
        wanted |= {("n", name): value.count(), ("mean", name): value.mean(), ("std", name): value.std(how="pop")}
    numbered = {f"a{i}": figure for i, figure in enumerate(wanted.values())}
    rows = {row.pop("part_"): row for row in table.group_by("part_").aggregate(**numbered).to_pyarrow().to_pylist()}
    found: dict[str, Any] = {}
    for part, row in (("train", rows.get(True)), ("test", rows.get(False))):
        values = row.values() if row else [0 if kind in {"rows", "n"} else None for kind, *_ in wanted]
        for figure, value in zip(wanted, values, strict=True):
            found[" ".join([figure[0], part, *figure[1:]])] = value
    return found


def _difference(name: str, found: dict[str, Any], splitting: Splitting) -> MeanDifference | None:
    counts = [found[f"n {part} {name}"] for part in ("train", "test")]
    if not all(counts):
        return None
    train, test = (found[f"mean {part} {name}"] for part in ("train", "test"))
    deviation = max(found[f"std {part} {name}"] for part in ("train", "test"))
    scale = max(abs(train), deviation)
    difference = abs(train - test) / scale if scale else 0.0
    by_chance = 3 * deviation * math.sqrt(sum(1 / n for n in counts)) / scale if scale else 0.0
    passed = difference <= max(splitting.max_mean_difference, by_chance)
    return MeanDifference(
        column=name,
        train=rounded(train) or 0.0,
        test=rounded(test) or 0.0,
        difference=rounded(difference) or 0.0,
        passed=passed,
    )


def _report(quality: SplitQuality, splitting: Splitting) -> None:
    if not quality.failures:
        return
    found = "; ".join(quality.failures)
    if splitting.on_failure == "error":
        raise DataError(
            f"The training and the test part differ: {found}."
            " Mend: another splitting.seed, wider splitting.max_…_difference, or splitting.on_failure = 'warn'."
        )
    log.warning("the training and the test part differ: %s", found)
