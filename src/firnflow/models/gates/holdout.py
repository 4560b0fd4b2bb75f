"""The holdout: raw rows, less those that a model could have learnt from, with what each model says of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from firnflow._text import listing
from firnflow.errors import DataError, FirnflowError, UsageError
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.holdout import holdout_of
from firnflow.models.evaluation.keyhash import HASH, PRIME, with_hash
from firnflow.models.gates.evidence import Evidence
from firnflow.models.gates.rules import MetricRule
from firnflow.models.gates.verdict import HoldoutUse
from firnflow.models.prediction import Predictor
from firnflow.models.preprocessing import Preprocessing
from firnflow.models.preprocessing.columns import require

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

    from firnflow.models.gates.evidence import Champion
    from firnflow.models.gates.settings import Gating
    from firnflow.models.section import Columns
    from firnflow.values.model import Model


def gather(
    gating: Gating, challenger: Model, champion: Champion | None, table: ibis.Table, baseline: Model | None = None
) -> Evidence:
    """Return the rows that none of the models has seen, scored by all.

    Args:
        gating: the settings.
        challenger: the model to judge.
        champion: the one in production, if there is one.
        table: raw rows: key, label, features, and what rules read.
        baseline: another model to bear comparison with, if there is one.

    Raises:
        DataError: the table lacks a column, or its label is none.
        SignatureError: the challenger or the baseline cannot read it.
        UsageError: nobody says which column is the key and which the label.
    """
    predictor, columns = Predictor(challenger), columns_of(gating, challenger)
    wanted = [columns.key, columns.label, *_read_by_rules(gating)]
    require(table, wanted, "the holdout")
    labelled, given = _labelled(table, columns, binary=predictor.output.task == "binary")
    models = {"model": challenger, "champion": champion.model if champion else None, "baseline": baseline}
    marked, notes = _marked(labelled, columns, models)
    counts = _counts(marked)
    fresh = marked.filter(~_seen(marked)).drop(*_BY.values())
    if counts["fresh"] > gating.max_rows:
        hashed = with_hash(fresh, columns.key, gating.seed, "gate")
        fresh = hashed.filter(hashed[HASH] < PRIME * gating.max_rows // counts["fresh"]).drop(HASH)
        notes.append(f"A sample of about {gating.max_rows:,} of {counts['fresh']:,} rows was judged: gating.max_rows.")
    rival, other = _predictor(champion), Predictor(baseline) if baseline else None
    reads = [name for each in (predictor, rival, other) if isinstance(each, Predictor) for name in each.inputs]
    names = [name for name in dict.fromkeys([*wanted, *reads]) if name in fresh.columns]
    rows = fresh.select(*names).order_by(columns.key).to_pyarrow()
    labels = rows[columns.label].to_numpy().astype("float64")
    asked, trouble = _asked(rival, rows, labels)
    return Evidence(
        gating=gating,
        kind=predictor.output.task,
        predictor=predictor,
        rows=rows,
        challenger=_scored(predictor, rows, labels),
        champion=asked,
        trouble=trouble,
        use=HoldoutUse(
            rows=rows.num_rows,
            given=given,
            **{f"seen_by_{who}": counts[who] for who in ("challenger", "champion", "baseline")},
            unlabelled=given - counts["all"],
            digest=_digest(rows, columns),
        ),
        baseline=_scored(other, rows, labels) if other else None,
        notes=tuple(notes),
    )


def columns_of(gating: Gating, model: Model) -> Columns:
    """Return which column is what. Raises UsageError where neither settings nor model say."""
    if gating.columns is not None:
        return gating.columns
    if model.preprocessing is not None:
        return Preprocessing.model_validate(model.preprocessing).columns
    raise UsageError(
        "The model does not say which column is its key and which its label."
        " Mend: gating.columns = {key = …, label = …}"
    )


def _read_by_rules(gating: Gating) -> list[str]:
    found = [name for rule in gating.rules for name in rule.columns]
    if any(isinstance(rule, MetricRule) and rule.reference == "last" for rule in gating.rules):
        found += [name for name in (gating.time, gating.series) if name]
    return found


_BY = {who: f"firnflow_seen_by_{who}" for who in ("challenger", "champion", "baseline")}


def _labelled(table: ibis.Table, columns: Columns, *, binary: bool) -> tuple[ibis.Table, int]:
    """Return the rows that have a label, as 0 and 1 or as a number, and how many rows there were."""
    label = table[columns.label]
    given = int(table.count().execute())
    if binary:
        label = _zero_and_one(table, columns)
    elif label.type().is_numeric():
        label = label.cast("float64")
    else:
        raise DataError(f"The holdout's label {columns.label!r} is {label.type()}, not a number")
    table = table.mutate(**{columns.label: label})
    return table.filter(table[columns.label].notnull()), given


def _zero_and_one(table: ibis.Table, columns: Columns) -> Any:
    """Return the label as 0 and 1: as `split` leaves it, or as raw values of which `columns.positive` is one."""
    label = table[columns.label]
    values = table.select(value=label)
    found = values.filter(values.value.notnull()).distinct().limit(3).to_pyarrow()["value"].to_pylist()
    if not label.type().is_boolean() and all(value in (0, 1) and not isinstance(value, str) for value in found):
        return label.cast("int8")
    positive = columns.positive
    if label.type().is_boolean() and not isinstance(positive, bool):
        return label.cast("int8")
    if len(found) > 2 or positive not in found:
        raise DataError(
            f"The holdout's label {columns.label!r} has the values {listing(map(repr, found))}; it must be 0 and 1, or"
            f" two values of which {positive!r} is one. Mend: columns.positive"
        )
    return (label == positive).cast("int8")


def _marked(table: ibis.Table, columns: Columns, models: dict[str, Model | None]) -> tuple[ibis.Table, list[str]]:
    """Return the table with a column for each model, whether it could have seen the row, and what is not known."""
    import ibis

    notes = []
    for mark, (who, model) in zip(_BY.values(), models.items(), strict=True):
        held = holdout_of(model) if model else None
        if held is not None and held.label == columns.label and held.key in table.columns:
            table = held.seen(table, mark)
            continue
        table = table.mutate(**{mark: ibis.literal(False)})  # noqa: FBT003 - SQL's
        if model is not None:
            notes.append(
                f"Which rows the {who} learnt from is not known: it says nothing of its division, or of one by other"
                " columns. All rows are taken as unseen."
            )
    return table, notes


def _counts(marked: ibis.Table) -> dict[str, int]:
    by = {who: marked[name].sum() for who, name in _BY.items()}
    row = marked.aggregate(all=marked.count(), **by, fresh=(~_seen(marked)).sum())
    return {name: int(value or 0) for name, value in row.to_pyarrow().to_pylist()[0].items()}


def _seen(marked: ibis.Table) -> Any:
    """Return the condition of the rows that any of the models could have seen."""
    first, *others = (marked[name] for name in _BY.values())
    for each in others:
        first |= each
    return first


def _predictor(champion: Champion | None) -> Predictor | FirnflowError | None:
    """Return the champion, ready to predict, or why it is not."""
    try:
        return Predictor(champion.model) if champion else None
    except FirnflowError as error:
        return error


def _asked(rival: Predictor | FirnflowError | None, rows: pa.Table, labels: Any) -> tuple[Scored | None, str | None]:
    """Return what the champion says, or why it cannot be asked: its model may read columns that are gone."""
    if rival is None:
        return None, None
    if isinstance(rival, FirnflowError):
        return None, str(rival)
    try:
        return _scored(rival, rows, labels), None
    except FirnflowError as error:
        return None, str(error)


def _scored(predictor: Predictor, rows: pa.Table, labels: Any) -> Scored:
    name = predictor.output.columns[0]
    threshold = predictor.output.threshold
    return Scored(labels, predictor(rows)[name].to_numpy(), 0.5 if threshold is None else threshold)


def _digest(rows: pa.Table, columns: Columns) -> str:
    import pyarrow as pa

    sha = hashlib.sha256()
    parts = rows.select([columns.key, columns.label])
    for key, label in zip(*(parts[i].cast(pa.string()).to_pylist() for i in (0, 1)), strict=True):
        sha.update(f"{key}\x1f{label}\x1e".encode())
    return sha.hexdigest()
