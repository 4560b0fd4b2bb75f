"""New columns from columns: logs, ratios, products, flags, quantile bands, distance to a group's mean, scores.

Bounds, means and deviations are learnt from the training part; a row's new columns depend on that row and on them only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from firnflow.errors import DataError, UsageError
from firnflow.models.preprocessing import FittedDerive, FittedFlag, GroupMeans
from firnflow.models.preprocessing.columns import require
from firnflow.models.preprocessing.deriving import as_float
from firnflow.steps._tables import one_row, quantiles, require_numbers, rounded

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis

    from firnflow.steps.config import Deriving, Flag


def fit_derive(table: ibis.Table, deriving: Deriving) -> FittedDerive:
    """Return the bounds, means and deviations of `table` that the new columns need.

    Raises:
        DataError: a setting names a column that is not there, or not a number.
        UsageError: two new columns would have one name, or the name of a column that is there.
    """
    _check(table, deriving)
    found = _quantiles(table, deriving)
    fitted = FittedDerive(
        logs=deriving.logs,
        ratios=deriving.ratios,
        products=deriving.products,
        flags=tuple(_flag(flag, found) for flag in deriving.flags),
        bands={
            name: tuple(sorted({found[name][number / count] for number in range(1, count)}))
            for name, count in deriving.bands.items()
        },
        groups=tuple(_group_means(table, deriving)),
        scores=_scores(table, deriving.scores),
    )
    _check_names(table, fitted)
    return fitted


def _check(table: ibis.Table, deriving: Deriving) -> None:
    require_numbers(table, deriving.logs, "deriving.logs")
    require_numbers(table, [name for pair in deriving.ratios for name in pair], "deriving.ratios")
    require_numbers(table, [name for pair in deriving.products for name in pair], "deriving.products")
    require_numbers(table, [flag.column for flag in deriving.flags], "deriving.flags")
    require_numbers(table, deriving.bands, "deriving.bands")
    require(table, deriving.groups, "deriving.groups")
    require_numbers(table, [name for names in deriving.groups.values() for name in names], "deriving.groups")
    require_numbers(table, deriving.scores, "deriving.scores")


def _check_names(table: ibis.Table, fitted: FittedDerive) -> None:
    seen = set(table.columns)
    for name, _ in fitted.columns(table):
        if name in seen:
            raise UsageError(f"deriving: two columns would be named {name!r}. Mend: derive it once, rename the flag.")
        seen.add(name)


def _quantiles(table: ibis.Table, deriving: Deriving) -> dict[str, dict[float, float]]:
    """Return column → level → value for all quantiles that flags and bands need."""
    levels: dict[str, set[float]] = {name: set() for name in (*(f.column for f in deriving.flags), *deriving.bands)}
    for flag in deriving.flags:
        levels[flag.column].update(q for q in (flag.above_quantile, flag.below_quantile) if q is not None)
    for name, count in deriving.bands.items():
        levels[name].update(number / count for number in range(1, count))
    wanted = {name: sorted(given) for name, given in levels.items() if given}
    floats = table.mutate(**{name: as_float(table, name) for name in wanted})
    found = quantiles(floats, wanted)
    for name, values in found.items():
        if not values:
            raise DataError(f"deriving: column {name!r} of the training part is all null, so it has no quantiles.")
    return {name: dict(zip(wanted[name], values, strict=True)) for name, values in found.items()}


def _flag(flag: Flag, found: dict[str, dict[float, float]]) -> FittedFlag:
    how: Literal[">", "<", ">=", "<="]
    if flag.above is not None:
        how, bound = ">", flag.above
    elif flag.below is not None:
        how, bound = "<", flag.below
    elif flag.above_quantile is not None:
        how, bound = ">=", found[flag.column][flag.above_quantile]
    else:
        how, bound = "<=", found[flag.column][flag.below_quantile or 0.0]
    return FittedFlag(name=flag.name, column=flag.column, how=how, bound=bound)


def _group_means(table: ibis.Table, deriving: Deriving) -> Iterator[GroupMeans]:
    for by, names in deriving.groups.items():
        means = {f"mean_{i}": as_float(table, name).mean() for i, name in enumerate(names)}
        overall = one_row(table, means)
        groups = table.group_by(group_=table[by].cast("string")).aggregate(**means).order_by("group_").limit(1001)
        rows = [row for row in groups.to_pyarrow().to_pylist() if row["group_"] is not None]
        if len(rows) > 1000:
            raise DataError(f"deriving.groups: {by!r} has more than 1,000 values; group by a coarser column.")
        for i, name in enumerate(names):
            known = {row["group_"]: value for row in rows if (value := rounded(row[f"mean_{i}"])) is not None}
            yield GroupMeans(by=by, column=name, means=known, overall=rounded(overall[f"mean_{i}"]) or 0.0)


def _scores(table: ibis.Table, names: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    wanted = {f"mean {name}": as_float(table, name).mean() for name in names}
    wanted |= {f"std {name}": as_float(table, name).std(how="pop") for name in names}
    found = one_row(table, wanted)
    # A constant column scores 0 everywhere.
    return {n: (rounded(found[f"mean {n}"]) or 0.0, rounded(found[f"std {n}"]) or 1.0) for n in names}
