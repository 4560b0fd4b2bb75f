"""Functions of models in queries: `MODEL(name, version)!function(…)`, and `name!function(…)` of the default version.

https://docs.snowflake.com/en/sql-reference/commands-model-function. The code that `Registry.log_model` has packed runs
in a process of its own, with the emulator's Python and its packages.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.engine import trees
from firnflow.emulator.models import versions
from firnflow.emulator.programs import calling

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session


def called(session: Session, node: Any) -> calling.Called:
    """Return what a call of a model's function runs.

    Args:
        session: who calls.
        node: the call.

    Raises:
        SnowflakeError: there is no such model, version or function, it may not be used, it does not run in a
            warehouse, or it takes other arguments.
    """
    from sqlglot import exp

    name, version = node.this, None
    is_said = isinstance(name, exp.Anonymous) and str(name.this).upper() == "MODEL" and len(name.expressions) in (1, 2)
    if is_said:
        name, *rest = name.expressions
        version = _word(rest[0]) if rest else None
    path = session.path("MODEL", _parts(name))
    model, asked = _model(session, path, is_said=is_said), node.expression
    held = versions.resolved(model, version or "DEFAULT")
    function = _function(session, model, held, _word(asked.this))
    inputs = function.get("inputs") or []
    if len(asked.expressions) != len(inputs):
        takes = ", ".join(f"{each['name']} {each['type']}" for each in inputs)
        raise errors.SnowflakeError(
            2141,
            "42601",
            f"SQL compilation error:\nInvalid argument types for function '{function['name']}': it takes ({takes})",
        )
    is_table = function.get("type") == "TABLE_FUNCTION"
    outputs = [[str(each.get("name", "")), str(each["type"])] for each in function.get("outputs") or []]
    module, _, handler = function["handler"].rpartition(".")
    return calling.Called(
        spoken=f"MODEL({full(path)}, {held})!{function['name']}",
        arguments=[[str(each["name"]), str(each["type"])] for each in inputs],
        given=list(asked.expressions),
        returns="OBJECT" if is_table else outputs[0][1],
        columns=outputs if is_table else None,
        is_aggregate=False,
        is_strict=False,
        sql=None,
        handler=(module, handler),
        put=lambda folder: _put_files(versions.files_of(session.account, path, held), folder),
    )


def _put_files(source: Path, folder: Path) -> None:
    shutil.copytree(source, folder, dirs_exist_ok=True)


def _model(session: Session, path: FullName, *, is_said: bool) -> Object:
    """Return a model that may be used; a name before `!` without MODEL(…) may be a service's, and none serves here."""
    if not is_said and session.account.catalog.get("MODEL", path) is None:
        raise errors.unknown(
            f"{full(path)}!, a function of a service: no service is run for a model",
            ["MODEL(name, version)!function(…), which is run() without service_name"],
        )
    return session.need("MODEL", path, "USAGE")


def _function(session: Session, model: Object, version: str, name: str) -> dict[str, Any]:
    """Return what the manifest says of a function."""
    if "WAREHOUSE" not in versions.platforms(session.account, model, version):
        raise errors.invalid(
            f"Version '{version}' of model '{full(model.path)}' does not run in a warehouse. Mend: log it with "
            'target_platforms=["WAREHOUSE"]'
        )
    found = {str(each["name"]).upper(): each for each in versions.functions(session.account, model, version)}
    if name.upper() not in found:
        raise errors.SnowflakeError(
            2140,
            "42601",
            f"SQL compilation error:\nUnknown function {name} of model '{full(model.path)}': it has "
            f"{', '.join(sorted(found))}",
        )
    return found[name.upper()]


def _parts(node: Any) -> list[str]:
    from sqlglot import exp

    if isinstance(node, exp.Dot):
        return [*_parts(node.this), *_parts(node.expression)]
    if isinstance(node, exp.Column):
        return [trees.part(each) for each in node.parts]
    return [_word(node)]


def _word(node: Any) -> str:
    """Return a name that stands as a word, in quotes, or as a text."""
    from sqlglot import exp

    if isinstance(node, str):
        return node.upper()
    if isinstance(node, exp.Column):
        return trees.part(node.this)
    if isinstance(node, exp.Identifier):
        return trees.part(node)
    return str(node.this) if isinstance(node, exp.Literal) else node.sql(dialect="snowflake").upper()
