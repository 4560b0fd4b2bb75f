"""Statement → text; what is parsed from the text is equal to the statement."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from firnflow.stores.snowflake.names import dollars, identifier, literal
from firnflow.targets.snowflake.grammar import others
from firnflow.targets.snowflake.grammar import statements as st
from firnflow.targets.snowflake.grammar import values as v
from firnflow.targets.snowflake.grammar.actions import ACTIONS
from firnflow.targets.snowflake.grammar.expressions import LEVELS
from firnflow.targets.snowflake.grammar.kinds import KINDS, SESSION
from firnflow.targets.snowflake.grammar.objects import split_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from firnflow.targets.snowflake.grammar.rules import Rule

_BARE = re.compile(r"@[\w$.~%]+(/[\w.=+/-]*)?", re.ASCII)
"""A place of files that needs no quotes; `//` begins a comment."""


def render(statement: st.Statement) -> str:
    """Return a statement as text.

    Raises:
        UsageError: a name in it cannot be one.
    """
    parts = _STATEMENTS[type(statement)](statement)
    return " ".join(part for part in parts if part)


def render_name(value: v.Name) -> str:
    """Return a name as text."""
    if value.bound is not None:
        return f"IDENTIFIER({value.bound})"
    return ".".join(identifier(part) if part else "" for part in value.parts)


# -- values -----------------------------------------------------------------------------------------------------------


def render_expression(value: v.Expression) -> str:
    """Return an expression as text."""
    return _value(value)


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))})"
    return _VALUES[type(value)](value)


def render_location(value: v.Location) -> str:
    """Return a place of files as text, in quotes where it needs them."""
    text = location_text(value)
    return text if _BARE.fullmatch(text) else literal(text)


def location_text(value: v.Location) -> str:
    """Return a place of files as it stands outside of SQL, or in a string of it: `@DB."My schema".STAGE/path`."""
    stage = "~" if value.stage is None else value.of + render_name(value.stage)
    return f"@{stage}{'/' + value.path if value.path else ''}"


def _options(value: v.Options) -> str:
    return f"({' '.join(f'{key} = {_value(each)}' for key, each in value.entries)})"


def _pair_list(value: v.Pairs) -> str:
    return ", ".join(f"{_value(key)} = {_value(each)}" for key, each in value.entries)


def _column(value: v.Column) -> str:
    parts = [identifier(value.name), value.type or ""]
    if value.comment is not None:
        parts.append(f"COMMENT {literal(value.comment)}")
    if value.tags is not None:
        parts.append(f"TAG {_value(value.tags)}")
    if value.default is not None:
        parts.append(f"DEFAULT {_value(value.default)}")
    return " ".join(part for part in parts if part)


def _constant(value: v.Constant) -> str:
    return "NULL" if value.value is None else _value(value.value)


def _call(value: v.Call) -> str:
    arguments = [*map(_value, value.arguments), *(f"{identifier(key)} => {_value(each)}" for key, each in value.named)]
    return f"{render_name(value.name)}({', '.join(arguments)})"


def _operation(value: v.Operation) -> str:
    operator, operands = value.operator, value.operands
    if operator == "NOT":
        return f"NOT {_inside(operands[0], 2)}"
    if operator in {"IS NULL", "IS NOT NULL"}:
        return f"{_inside(operands[0], 3)} {operator}"
    if operator in {"IN", "NOT IN"}:
        return f"{_inside(operands[0], 3)} {operator} {_value(operands[1:])}"
    if len(operands) == 1:
        return f"-({_value(operands[0])})"
    level = _level(value)
    return f"{_inside(operands[0], level)} {operator} {_inside(operands[1], level + 1)}"


def _level(value: v.Expression) -> float:
    """Return how tightly an expression holds together: a level of LEVELS, one more, or for NOT one between."""
    if not isinstance(value, v.Operation) or (value.operator == "-" and len(value.operands) == 1):
        return len(LEVELS)
    if value.operator == "NOT":
        return 1.5
    return next((level for level, words in enumerate(LEVELS) if value.operator in words), 2)


def _inside(value: v.Expression, level: float) -> str:
    text = _value(value)
    return f"({text})" if _level(value) < level else text


def _cast(value: v.Cast) -> str:
    inner = _value(value.value)
    is_simple = isinstance(value.value, v.Constant | v.Variable | v.Name | v.Call | v.Cast | v.Items | v.Fields)
    return f"{inner}::{value.type}" if is_simple and not inner.startswith("-") else f"({inner})::{value.type}"


_VALUES: dict[type, Callable[[Any], str]] = {
    str: literal,
    bool: lambda value: "TRUE" if value else "FALSE",
    int: str,
    Decimal: str,
    v.Name: render_name,
    v.Word: lambda value: value.text,
    v.Body: lambda value: value.text,
    v.Code: lambda value: dollars(value.text),
    v.Location: render_location,
    v.Uri: lambda value: literal(value.text),
    v.Options: _options,
    v.Pairs: lambda value: f"({_pair_list(value)})",
    v.Column: _column,
    v.Constant: _constant,
    v.Variable: lambda value: value.text,
    v.Call: _call,
    v.Method: lambda value: f"{_value(value.of)}!{_call(value.call)}",
    v.Operation: _operation,
    v.Cast: _cast,
    v.Items: lambda value: f"[{', '.join(map(_value, value.items))}]",
    v.Fields: lambda value: "{" + ", ".join(f"{literal(key)}: {_value(each)}" for key, each in value.fields) + "}",
}


def _clause(lead: str, value: Any, rule: Rule) -> str:
    if rule.form == "flag":
        return lead
    if rule.form == "call":
        return _value(value)
    if rule.form == "list":
        return f"{lead} {_pair_list(value) if isinstance(value, v.Pairs) else ', '.join(map(_value, value))}".strip()
    return f"{lead} {'= ' if rule.form == '=' else ''}{_value(value)}"


def _clauses(properties: Iterable[v.Property], rules: Mapping[str, Rule]) -> list[str]:
    return [_clause(each.name, each.value, rules[each.name]) for each in properties]


def _if(flag: object, words: str) -> str:
    return words if flag else ""


def _types(arguments: tuple[str, ...] | None) -> str:
    return "" if arguments is None else f"({', '.join(arguments)})"


# -- statements -------------------------------------------------------------------------------------------------------


def _create(each: st.Create) -> list[str]:
    kind = KINDS[each.kind]
    columns = "" if each.columns is None else _value(each.columns)
    opening = "WITH" if each.kind == "MODEL MONITOR" else ""
    rules = {**kind.settings, **kind.last}
    head = [
        "CREATE",
        *each.variants,
        each.kind,
        _if(each.if_not_exists, "IF NOT EXISTS"),
        render_name(each.name) + columns,
    ]
    return [*head, opening, *_clauses(each.properties, rules)]


def _alter(each: st.Alter) -> list[str]:
    action = ACTIONS[each.kind][each.action]
    parts = ["ALTER", each.kind, _if(each.if_exists, "IF EXISTS"), render_name(each.name) + _types(each.arguments)]
    if each.version is not None:
        before, behind = split_version(each.action)
        parts += [before, render_name(each.version)]
    else:
        behind = each.action
    if action.value is not None:
        return [*parts, _clause(behind, each.value, action.value)]
    return [*parts, behind, ", ".join(each.unset), *_clauses(each.properties, action.settings or {})]


def _drop(each: st.Drop) -> list[str]:
    shown = render_name(each.name) + _types(each.arguments)
    return ["DROP", each.kind, _if(each.if_exists, "IF EXISTS"), shown, each.how or ""]


def _show(each: st.Show) -> list[str]:
    def text(lead: str, value: str | None) -> str:
        return f"{lead} {literal(value)}" if value is not None else ""

    of = "" if each.of is None else f"{each.of[0]}{' ' + render_name(each.of[1]) if each.of[1] is not None else ''}"
    flags = {flag: _if(flag in each.flags, flag) for flag in ("TERSE", "HISTORY", "ROOT ONLY")}
    limit = f"LIMIT {each.limit}" if each.limit is not None else ""
    asked = ["SHOW", flags["TERSE"], each.what, flags["HISTORY"], text("LIKE", each.like), of, flags["ROOT ONLY"]]
    return [*asked, text("STARTS WITH", each.starts_with), limit, text("FROM", each.after)]


def _execute_task(each: st.ExecuteTask) -> list[str]:
    config = f"USING CONFIG = {dollars(each.config)}" if each.config is not None else ""
    group = f"RETRY GRAPH RUN GROUP {literal(each.retry_group)}" if each.retry_group is not None else ""
    again = [_if(each.retry_last, "RETRY LAST"), group]
    return ["EXECUTE TASK", render_name(each.name), config, *again, _if(each.awaits, "AWAIT")]


def _job(each: st.ExecuteJobService) -> list[str]:
    form = "SPECIFICATION_TEMPLATE" if each.is_template else "SPECIFICATION"
    given = f"FROM {form} {dollars(each.specification)}"
    if each.source is not None:
        given = f"FROM {_value(each.source)} {form}_FILE = {literal(each.specification)}"
    using = f"USING ({_given(each.using)})" if each.using else ""
    head = [
        "EXECUTE JOB SERVICE IN COMPUTE POOL",
        render_name(each.pool),
        given,
        using,
        f"NAME = {render_name(each.name)}",
    ]
    return [*head, *_clauses(each.properties, others.JOB)]


def _given(pairs: Iterable[Any]) -> str:
    return ", ".join(f"{identifier(key)} => {_value(value)}" for key, value in pairs)


def _execute_immediate(each: st.ExecuteImmediate) -> list[str]:
    is_file = isinstance(each.what, v.Location | v.Uri)
    using = "" if not each.using else f"USING ({_given(each.using)})" if is_file else f"USING {_value(each.using)}"
    return ["EXECUTE IMMEDIATE", _if(is_file, "FROM"), _value(each.what), using]


def _grant(each: st.Grant) -> list[str]:
    on = f"ON {each.on}{' ' + render_name(each.name) if each.name is not None else ''}{_types(each.arguments)}"
    before, behind = ("GRANT OPTION FOR", "") if each.revokes else ("", "WITH GRANT OPTION")
    verb, to = ("REVOKE", "FROM") if each.revokes else ("GRANT", "TO")
    role = f"{to} {each.kind} {render_name(each.role)}"
    head = [verb, _if(each.option, before), ", ".join(each.privileges), on, role]
    return [*head, _if(each.option, behind), each.how or ""]


def _grant_role(each: st.GrantRole) -> list[str]:
    verb, to = ("REVOKE", "FROM") if each.revokes else ("GRANT", "TO")
    return [verb, "ROLE", render_name(each.role), to, each.kind, render_name(each.to)]


def _alter_session(each: st.AlterSession) -> list[str]:
    if each.unset:
        return ["ALTER SESSION UNSET", ", ".join(each.unset)]
    return ["ALTER SESSION SET", *_clauses(each.properties, SESSION)]


def _files(verb: str) -> Callable[[Any], list[str]]:
    def listed(each: st.ListFiles | st.RemoveFiles) -> list[str]:
        return [verb, _value(each.stage), f"PATTERN = {literal(each.pattern)}" if each.pattern is not None else ""]

    return listed


def _comment(each: st.Comment) -> list[str]:
    shown = render_name(each.name) + _types(each.arguments)
    return ["COMMENT", _if(each.if_exists, "IF EXISTS"), "ON", each.kind, shown, "IS", literal(each.text)]


_STATEMENTS: dict[type, Callable[[Any], list[str]]] = {
    st.Create: _create,
    st.Alter: _alter,
    st.Drop: _drop,
    st.Describe: lambda each: ["DESCRIBE", each.kind, render_name(each.name) + _types(each.arguments)],
    st.Show: _show,
    st.ExecuteTask: _execute_task,
    st.ExecuteJobService: _job,
    st.ExecuteImmediate: _execute_immediate,
    st.CallProcedure: lambda each: ["CALL", _value(each.call)],
    st.Select: lambda each: ["SELECT", ", ".join(map(_value, each.items))],
    st.Grant: _grant,
    st.GrantRole: _grant_role,
    st.Use: lambda each: ["USE", each.kind, each.name if isinstance(each.name, str) else render_name(each.name)],
    st.AlterSession: _alter_session,
    st.Put: lambda each: ["PUT", _value(each.file), _value(each.stage), *_clauses(each.properties, others.PUT)],
    st.Get: lambda each: ["GET", _value(each.stage), _value(each.file), *_clauses(each.properties, others.GET)],
    st.ListFiles: _files("LIST"),
    st.RemoveFiles: _files("REMOVE"),
    st.CopyFiles: lambda each: [
        "COPY FILES INTO",
        _value(each.into),
        "FROM",
        _value(each.source),
        *_clauses(each.properties, others.COPY),
    ],
    st.Comment: _comment,
}
