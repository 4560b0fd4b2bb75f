"""FLATTEN as DuckDB says it: https://docs.snowflake.com/en/sql-reference/functions/flatten .

Equal inputs have equal numbers in SEQ. With RECURSIVE, keys that are no plain names stand in PATH without quotes.
"""

# ruff: noqa: S608 - all names are above
from __future__ import annotations

import re
from typing import Any

from firnflow.emulator import errors

_ENTRIES, _ALL_ENTRIES, _FLATTENED = "_firnflow_entries", "_firnflow_all_entries", "_firnflow_flattened"
_ORDER = ("INPUT", "PATH", "OUTER", "RECURSIVE", "MODE")
_COLUMNS = ("SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS")
_STEP = re.compile(r"""\.?([A-Za-z_][\w$]*)|\.?"([^"]+)"|\['([^']+)'\]|\["([^"]+)"\]|\[(\d+)\]""")
_NOTHING = "[{KEY: NULL::VARCHAR, PATH: base, INDEX: NULL::BIGINT, VALUE: NULL::JSON, THIS: found}]"

MACROS = (
    f"""CREATE MACRO {_ENTRIES}(found, base, mode) AS CASE
        WHEN json_type(found) = 'OBJECT' AND mode <> 'ARRAY' THEN list_transform(json_keys(found), lambda k: {{
            KEY: k,
            PATH: base || CASE WHEN NOT regexp_full_match(k, '[A-Za-z_][A-Za-z0-9_$]*') THEN '[''' || k || ''']'
                  WHEN base = '' THEN k ELSE '.' || k END,
            INDEX: NULL::BIGINT,
            VALUE: json_extract(found, '/' || replace(replace(k, '~', '~0'), '/', '~1')),
            THIS: found}})
        WHEN json_type(found) = 'ARRAY' AND mode <> 'OBJECT'
        THEN list_transform(from_json(found, '["JSON"]'), lambda x, i: {{
            KEY: NULL::VARCHAR, PATH: base || '[' || (i - 1) || ']', INDEX: i - 1, VALUE: coalesce(x, 'null'::JSON),
            THIS: found}})
        END""",
    f"""CREATE MACRO {_ALL_ENTRIES}(found, base, mode) AS (
        SELECT list({{
            KEY: CASE WHEN above.type = 'OBJECT' THEN entry.key END,
            PATH: base || CASE WHEN base = '' THEN ltrim(entry.fullkey[2:], '.') ELSE entry.fullkey[2:] END,
            INDEX: CASE WHEN above.type = 'ARRAY' THEN entry.key::BIGINT END,
            VALUE: coalesce(entry.value, 'null'::JSON),
            THIS: above.value}} ORDER BY entry.id)
        FROM json_tree(found) entry, json_tree(found) above
        WHERE entry.parent = above.id AND NOT contains(entry.fullkey, CASE mode WHEN 'OBJECT' THEN '[' WHEN 'ARRAY'
            THEN '.' ELSE chr(0) END))""",
    *(
        f"""CREATE MACRO {_FLATTENED}{suffix}(input, path, base, mode, keeps) AS TABLE
        SELECT hash(found) >> 1 AS SEQ, entry.KEY AS KEY, entry.PATH AS PATH, entry.INDEX AS INDEX,
            entry.VALUE AS VALUE, entry.THIS AS THIS
        FROM (SELECT found, unnest(CASE WHEN keeps AND coalesce(len(entries), 0) = 0 THEN {_NOTHING} ELSE entries END)
                AS entry
            FROM (SELECT found, {entries}(found, base, mode) AS entries
                FROM (SELECT json_extract(to_json(input), path) AS found)))"""
        for suffix, entries in (("", _ENTRIES), ("_all", _ALL_ENTRIES))
    ),
)
"""The entries of a compound value, and those of all in it, as lists and as rows."""


def as_duckdb(tree: Any) -> None:
    """Put rows of DuckDB's in the place of each FLATTEN.

    Raises:
        SnowflakeError: an argument is not known, or no constant where there one is needed.
    """
    from sqlglot import exp

    for node in list(tree.find_all(exp.Lateral, exp.TableFromRows)):
        if isinstance(node.this, exp.Explode):
            node.replace(_rows(node))


def _rows(node: Any) -> Any:
    from sqlglot import exp

    given = _arguments(node.this)
    path = "" if given["PATH"] is None else _text(given["PATH"])
    mode = "BOTH" if given["MODE"] is None else _text(given["MODE"]).upper()
    if mode not in ("OBJECT", "ARRAY", "BOTH"):
        raise errors.invalid(f"invalid value '{mode}' for parameter 'MODE' of FLATTEN: OBJECT, ARRAY or BOTH")
    name = f"{_FLATTENED}_all" if _truth(given["RECURSIVE"]) else _FLATTENED
    options = [*map(exp.Literal.string, (_duckdb_path(path), path, mode)), exp.convert(_truth(given["OUTER"]))]
    return exp.Table(
        this=exp.Anonymous(this=name, expressions=[given["INPUT"], *options]), alias=node.args.get("alias")
    )


def _arguments(call: Any) -> dict[str, Any]:
    """Return the arguments by name, None where one is not given."""
    from sqlglot import exp

    found: dict[str, Any] = dict.fromkeys(_ORDER)
    for at, each in enumerate([call.this, *call.expressions]):
        name = str(each.this.this).upper() if isinstance(each, exp.Kwarg) else _ORDER[at]
        if name not in found:
            raise errors.invalid(f"invalid argument name '{name}' of FLATTEN. It knows {', '.join(_ORDER)}")
        found[name] = each.expression if isinstance(each, exp.Kwarg) else each
    if found["INPUT"] is None:
        raise errors.invalid("missing argument 'INPUT' of FLATTEN")
    return found


def _text(node: Any) -> str:
    if not node.is_string:
        raise errors.invalid(f"argument {node.sql(dialect='snowflake')} of FLATTEN needs to be constant")
    return str(node.this)


def _truth(node: Any) -> bool:
    from sqlglot import exp

    if node is None or isinstance(node, exp.Boolean):
        return bool(node is not None and node.this)
    raise errors.invalid(f"argument {node.sql(dialect='snowflake')} of FLATTEN needs to be TRUE or FALSE")


def _duckdb_path(path: str) -> str:
    """Return a path such as `a.b[0]` as DuckDB reads it.

    Raises:
        SnowflakeError: it cannot be read.
    """
    made, at = "$", 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise errors.invalid(f"Invalid extraction path '{path}'")
        *names, index = step.groups()
        name = next((each for each in names if each), None)
        made += f"[{index}]" if name is None else f'."{name}"'
        at = step.end()
    return made
