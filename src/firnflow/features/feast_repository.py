"""Feature views as a repository of Feast: definitions in Python, rows in Parquet. Feast is not needed to write it.

Feast joins by one time. So what is written of a view is its timeline (`features.timeline`): what `training_set` gives
for a moment `get_historical_features` gives, too. Feast counts lives from the time that it joins by, so rows without
values say where one ends.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from firnflow._disk import writing
from firnflow.errors import FeatureError, UsageError
from firnflow.features import joining, moments
from firnflow.features.rows import features, rows
from firnflow.features.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import ibis

    from firnflow.features.view import FeatureView
    from firnflow.stores.warehouse import DuckDBWarehouse

TIME = "event_timestamp"
DEFINITIONS, SETTINGS = "definitions.py", "feature_store.yaml"
_HEAD = '''"""Feature views of {project}, written by `firnflow features export`: change them where they come from."""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp
'''
_YAML = """# Written by `firnflow features export`.
project: {project}
provider: local
registry: registry.db
offline_store:
  type: duckdb
online_store:
  type: sqlite
  path: online.db
entity_key_serialization_version: 3
"""


def export_feast(
    views: Sequence[FeatureView],
    folder: Path,
    project: str,
    sources: Mapping[str, ibis.Table],
    warehouse: DuckDBWarehouse,
    *,
    force: bool = False,
) -> dict[str, int]:
    """Write views as a repository of Feast, and return name of view → how many rows it has there.

    Args:
        views: which.
        folder: where to; made if need be.
        project: what Feast is to call it.
        sources: name → table, for views that name their source.
        warehouse: that writes Parquet.
        force: write over what is there.

    Raises:
        UsageError: there is something in the folder.
        FeatureError: a source is not there or not what its view says, or Feast has no type for a column.
        StoreError: the disk is full.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not force:
        raise UsageError(f"{folder} is not empty. Mend: name a new folder, or write over what is there: --force")
    made = [(view, rows(view, sources)) for view in views]
    blocks = [_block(view, table) for view, table in made]
    (folder / "data").mkdir(parents=True, exist_ok=True)
    counts = {}
    for view, table in made:
        path = folder / "data" / f"{view.name}.parquet"
        warehouse.write_parquet(_dated(view, table), path)
        counts[view.name] = _rows_of(path)
    name = project.replace("-", "_")
    entities = dict.fromkeys(text for view, table in made for text in _entities(view, table).values())
    head = _HEAD.format(project=name)
    texts = {DEFINITIONS: "\n".join([head, *entities, "", *blocks]), SETTINGS: _YAML.format(project=name)}
    for file, text in texts.items():
        with writing(folder / file):
            (folder / file).write_text(text, encoding="utf-8")
    return counts


def _dated(view: FeatureView, table: ibis.Table) -> ibis.Table:
    """Return the timeline of a view as Feast takes it: `event_timestamp`, keys, features, sorted."""
    import ibis

    seen = timeline(view, table)
    keys = {key: seen[key].cast("int64") if seen[key].type().is_integer() else seen[key] for key in view.keys}
    found = {name: seen[name] for name in features(view, table)}
    dates = {name: column.cast("timestamp") for name, column in found.items() if column.type().is_date()}
    whole = {name: column.cast("float64") for name, column in found.items() if column.type().is_decimal()}
    result: ibis.Table = seen.select(**{TIME: seen[joining.SEEN]}, **keys, **{**found, **dates, **whole})
    return result.order_by(ibis.asc(TIME), *keys)


def _rows_of(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _entities(view: FeatureView, table: ibis.Table) -> dict[str, str]:
    """Return name → definition of Feast's entities, each of which has one key."""
    found = {}
    for entity in view.entities:
        for key in entity.keys:
            name = entity.name if len(entity.keys) == 1 else f"{entity.name}_{key}"
            kind = table[key].type()
            value = _key_type(kind).upper()
            if not value:
                raise FeatureError(
                    f"{view}: key {key!r} is {kind}; Feast takes whole numbers and texts as keys. Mend: cast it"
                )
            said = f", description={entity.description!r}" if entity.description else ""
            found[name] = (
                f"{_variable(name, 'entity')} = "
                f"Entity(name={name!r}, join_keys=[{key!r}], value_type=ValueType.{value}{said})"
            )
    return found


def _block(view: FeatureView, table: ibis.Table) -> str:
    """Return the definition of a view. Names and words are written as literals of Python, whatever they hold."""
    entities = ", ".join(_variable(name, "entity") for name in _entities(view, table))
    tags = {**dict(view.tags), "firnflow_version": view.version}
    taken = {TIME.lower()} & {name.lower() for name in (*view.keys, *features(view, table))}
    if taken:
        raise FeatureError(f"{view}: Feast's time is called {TIME!r}, as a column of it is. Mend: rename the column")
    lines = [
        f"{_variable(view.name, 'view')} = FeatureView(",
        f"    name={view.name!r},",
        f"    entities=[{entities}],",
        f"    ttl={_ttl(view)},",
        "    schema=[",
        *(f"        {_field(view, name, table[name])}," for name in (*view.keys, *features(view, table))),
        "    ],",
        f"    source=FileSource(name={view.name!r}, path={f'data/{view.name}.parquet'!r}, timestamp_field={TIME!r}),",
        f"    description={view.description!r},",
        f"    tags={tags!r},",
        f"    owner={view.owner!r},",
        ")",
    ]
    return "\n".join(lines) + "\n"


def _ttl(view: FeatureView) -> str:
    if view.ttl is None:
        return "timedelta(0)"
    length = dt.timedelta(microseconds=moments.microseconds(view.ttl, f"{view}: ttl"))
    return f"{length!r}".removeprefix("datetime.")


def _key_type(kind: Any) -> str:
    return "Int64" if kind.is_integer() else "String" if kind.is_string() else ""


def _field(view: FeatureView, name: str, column: ibis.Column) -> str:
    if name in view.keys:
        return f"Field(name={name!r}, dtype={_key_type(column.type())})"
    said = f", description={view.columns[name]!r}" if view.columns.get(name) else ""
    return f"Field(name={name!r}, dtype={_type(column.type(), f'{view}: column {name!r}')}{said})"


_TYPES = {
    "boolean": "Bool",
    **dict.fromkeys(("int8", "int16", "uint8", "uint16", "int32"), "Int32"),
    **dict.fromkeys(("uint32", "int64"), "Int64"),
    "float32": "Float32",
    "float64": "Float64",
    "decimal": "Float64",
    **dict.fromkeys(("string", "json", "uuid"), "String"),
    "binary": "Bytes",
    **dict.fromkeys(("timestamp", "date"), "UnixTimestamp"),
}
"""Types of Ibis → Feast's. Decimals become floats there, and dates moments."""


def _type(kind: Any, what: str) -> str:
    if kind.is_array():
        return f"Array({_type(kind.value_type, what)})"
    name = str(kind.copy(nullable=True)).partition("(")[0]
    if name not in _TYPES:
        raise FeatureError(f"{what} is {kind}, for which Feast has no type. Mend: cast it, or leave it out: columns=…")
    return _TYPES[name]


def _variable(name: str, kind: str) -> str:
    """Return a name of Python for a view or an entity: theirs are letters, digits and `_`, and no keyword ends so."""
    return f"{name}_{kind}"
