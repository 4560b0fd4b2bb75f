"""How a handler is applied to rows, by what kind of function it is of: in the process that the function's code runs in.

Each form is called with the handler and with what the call says of it, and gives what makes an answer of each batch.
https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-introduction
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

DOCUMENTS = ("VARIANT", "OBJECT", "ARRAY")
"""Types whose values travel as JSON."""
_MARK = "_sf_vectorized_input"
"""By which clients and `_snowflake.vectorized` mark handlers that get frames of rows."""


def applied(handler: Callable[..., Any], call: dict[str, Any]) -> Callable[[Any], Any]:
    """Return what makes a table of results of a table of arguments, both of Arrow.

    Args:
        handler: as the function names it.
        call: `form`: `rows`, `groups` or `partitions`; `names` and `kinds` of the arguments, `results` (the types of
            what is returned), `strict`.
    """
    form = {"rows": _rows, "groups": _groups, "partitions": _partitions}[call["form"]]
    return form(handler, call)


def _rows(handler: Callable[..., Any], call: dict[str, Any]) -> Callable[[Any], Any]:
    """One result for each row; the first column only counts them."""
    kinds, (result,) = call["kinds"], call["results"]

    def answer(table: Any) -> Any:
        if getattr(handler, _MARK, None) is not None:
            return _table({"value": list(handler(_frame(table, range(len(kinds)))))}, [result])
        found = [None if call["strict"] and None in row else handler(*row) for row in _tuples(table, kinds)]
        return _table({"value": found}, [result])

    return answer


def _groups(handler: Callable[..., Any], call: dict[str, Any]) -> Callable[[Any], Any]:
    """One result for each group of rows: each argument is a list.

    https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-aggregate-functions
    """
    kinds, (result,) = call["kinds"], call["results"]

    def answer(table: Any) -> Any:
        columns = [column.to_pylist() for column in table.columns[1:]]
        made = [_finished(handler(), [column[at] or [] for column in columns], kinds) for at in range(table.num_rows)]
        return _table({"value": made}, [result])

    return answer


def _finished(state: Any, columns: Sequence[Sequence[Any]], kinds: Sequence[str]) -> Any:
    given = [[_value(each, kind) for each in column] for column, kind in zip(columns, kinds, strict=True)]
    for row in zip(*given, strict=True):
        state.accumulate(*row)
    return state.finish()


def _partitions(handler: Callable[..., Any], call: dict[str, Any]) -> Callable[[Any], Any]:
    """Any rows for each row, and for each partition; the first column numbers the partitions, which stand together.

    https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-tabular-functions. The answer has a column
    `row`, the place of the row that a result is of (none where it is of the partition), a column `some`, that of a row
    of the partition, and those of the results.
    """
    kinds, names, results = call["kinds"], call["names"], call["results"]

    def answer(table: Any) -> Any:
        found = [
            (at, start, made)
            for start, part in _parts(table)
            for at, made in _of_partition(handler(), part, start, kinds, names)
        ]
        for *_, made in found:
            if len(made) != len(results):
                raise TypeError(
                    f"a row of {len(made)} values was returned, but the function has {len(results)} columns"
                )
        columns: dict[str, list[Any]] = {"row": [at for at, *_ in found], "some": [some for _, some, _ in found]}
        columns |= {str(at): [made[at] for *_, made in found] for at in range(len(results))}
        return _table(columns, ["NUMBER", "NUMBER", *results])

    return answer


def _parts(table: Any) -> Iterator[tuple[int, Any]]:
    """Yield each partition, and where it begins."""
    numbers, start = table.columns[0].to_pylist(), 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[start]:
            yield start, table.slice(start, at - start)
            start = at


def _of_partition(
    made: Any, part: Any, start: int, kinds: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[int | None, tuple[Any, ...]]]:
    """Yield the rows of a partition, each with the place of the row that it is of."""
    process: Any = getattr(made, "process", None)
    end: Any = getattr(made, "end_partition", None)
    if getattr(end, _MARK, None) is not None:
        yield from ((None, row) for row in _returned(end(_frame(part, names))))
        return
    if getattr(process, _MARK, None) is not None:
        yield from ((start + at, row) for at, row in enumerate(_returned(process(_frame(part, names)))))
    elif process is not None:
        for at, row in enumerate(_tuples(part, kinds)):
            yield from ((start + at, each) for each in _returned(process(*row)))
    if end is not None:
        yield from ((None, row) for row in _returned(end()))


def _returned(found: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that a method has returned: none, a frame, several frames, or tuples."""
    import pandas as pd

    if found is None:
        return
    given: Iterable[Any] = [found] if isinstance(found, pd.DataFrame | tuple) else found
    if isinstance(found, tuple) and found and isinstance(found[0], pd.Series):
        given = [pd.concat(found, axis=1)]
    for each in given:
        if isinstance(each, pd.DataFrame):
            plain: Any = each.astype(object)
            yield from plain.where(each.notna(), None).itertuples(index=False, name=None)
        else:
            yield tuple(each) if isinstance(each, tuple | list) else (each,)


def _frame(table: Any, names: Sequence[Any]) -> Any:
    frame = table.drop_columns([table.column_names[0]]).to_pandas()
    frame.columns = list(names)
    return frame


def _tuples(table: Any, kinds: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    columns = [
        [_value(each, kind) for each in column.to_pylist()]
        for column, kind in zip(table.columns[1:], kinds, strict=True)
    ]
    return zip(*columns, strict=True) if columns else [()] * table.num_rows


def _value(value: Any, kind: str) -> Any:
    return json.loads(value) if kind in DOCUMENTS and value is not None else value


def _table(columns: dict[str, list[Any]], kinds: Sequence[str]) -> Any:
    import pyarrow as pa

    made = [
        pa.array([_sent(value, kind) for value in column], from_pandas=True)
        for column, kind in zip(columns.values(), kinds, strict=True)
    ]
    return pa.Table.from_arrays(made, names=list(columns))


def _sent(value: Any, kind: str) -> Any:
    """Return a value of a handler's as it travels."""
    if value is None:
        return None
    if kind in DOCUMENTS:
        return json.dumps(value, default=_plain)
    value = value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value
    return str(value) if kind == "VARCHAR" else value


def _plain(value: Any) -> Any:
    """Return a number of numpy's as Python's own; dates and the like as their text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
