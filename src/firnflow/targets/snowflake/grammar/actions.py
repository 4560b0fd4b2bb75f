"""What ALTER does to each kind: one table, read by the parser and by the renderer.

Each is on the page alter-KIND below https://docs.snowflake.com/en/sql-reference/sql/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firnflow.targets.snowflake.grammar import kinds, rules
from firnflow.targets.snowflake.grammar.kinds import KINDS, TEXT
from firnflow.targets.snowflake.grammar.rules import Rule, in_list

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME, NAMES, TEXTS = Rule(rules.name, ""), Rule(in_list(rules.name), "list"), Rule(in_list(rules.string), "list")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that ALTER does.

    Attributes:
        value: how what it takes is read; None: it takes nothing.
        settings: of SET and UNSET, which settings there are.
        versioned: whether a version stands behind the word VERSION of the action's name.
    """

    value: Rule | None = None
    settings: Mapping[str, Rule] | None = None
    versioned: bool = False


_NOT_SET = {
    "TAG",
    "CONTACT",
    "CLONE",
    "AT",
    "BEFORE",
    "FINALIZE",
    "INITIALLY_SUSPENDED",
    "FOR APPLICATION",
    "INSTANCE_FAMILY",
    "TYPE",
    "COPY GRANTS",
    "WITH MANAGED ACCESS",
    "CLUSTER BY",
}
"""What CREATE says, but ALTER … SET does not, or by an action of its own."""
_SERVICE = {"COMMENT": TEXT, "MIN_INSTANCES": kinds.WHOLE, "MAX_INSTANCES": kinds.WHOLE, "QUERY_WAREHOUSE": kinds.NAMED}
_MODEL = {"COMMENT": TEXT, "DEFAULT_VERSION": Rule(rules.version)}
_MONITOR = {
    "BASELINE": TEXT,  # the name in a string, other than in CREATE
    **{name: kinds.MODEL_MONITOR.settings[name] for name in ("REFRESH_INTERVAL", "WAREHOUSE", "COMMENT")},
}
_VERSION = {"COMMENT": TEXT, "METADATA": kinds.CODE, "ALIAS": Rule(rules.version)}


def _settings(kind: kinds.Kind) -> dict[str, Rule]:
    if kind is kinds.MODEL:
        return _MODEL
    if kind is kinds.SERVICE:
        return _SERVICE
    if kind is kinds.MODEL_MONITOR:
        return _MONITOR
    if kind is kinds.TAG:
        return {name: rule for name, rule in kind.settings.items() if name != "ALLOWED_VALUES"}
    return {name: rule for name, rule in kind.settings.items() if name not in _NOT_SET and rule.form == "="}


def _shared(kind: kinds.Kind) -> dict[str, Action]:
    settings = _settings(kind)
    found = {"SET": Action(settings=settings), "UNSET": Action(settings=settings)}
    if kind is kinds.MODEL_MONITOR:  # no tags, no other name
        return found
    if kind is not kinds.TAG:
        found |= {"SET TAG": Action(Rule(rules.pair_list, "list")), "UNSET TAG": Action(NAMES)}
    return found | {"RENAME TO": Action(NAME)}


_RUNS = {"RESUME": Action(), "SUSPEND": Action()}
_OWN: dict[str, dict[str, Action]] = {
    "TASK": {
        **_RUNS,
        "ADD AFTER": Action(NAMES),
        "REMOVE AFTER": Action(NAMES),
        "SET FINALIZE": Action(Rule(rules.name)),
        "UNSET FINALIZE": Action(),
        "MODIFY AS": Action(Rule(rules.body, "")),
        "MODIFY WHEN": Action(Rule(rules.condition, "")),
        "REMOVE WHEN": Action(),
    },
    "COMPUTE POOL": {**_RUNS, "STOP ALL": Action()},
    "WAREHOUSE": {
        **_RUNS,
        "RESUME IF SUSPENDED": Action(),
        "ABORT ALL QUERIES": Action(),
    },
    "SCHEMA": {
        "SWAP WITH": Action(NAME),
        "ENABLE MANAGED ACCESS": Action(),
        "DISABLE MANAGED ACCESS": Action(),
    },
    "DATABASE": {"SWAP WITH": Action(NAME)},
    "STAGE": {"REFRESH": Action(), "REFRESH SUBPATH": Action(TEXT)},
    "TAG": {
        "ADD ALLOWED_VALUES": Action(TEXTS),
        "DROP ALLOWED_VALUES": Action(TEXTS),
        "UNSET ALLOWED_VALUES": Action(),
    },
    "DYNAMIC TABLE": {
        **_RUNS,
        "REFRESH": Action(),
        "SWAP WITH": Action(NAME),
        "CLUSTER BY": Action(kinds.DYNAMIC_TABLE.settings["CLUSTER BY"]),
        "DROP CLUSTERING KEY": Action(),
    },
    "MODEL MONITOR": {
        **_RUNS,
        "ADD SEGMENT_COLUMN": Action(Rule(rules.name_as_text)),
        "DROP SEGMENT_COLUMN": Action(Rule(rules.name_as_text)),
    },
    "MODEL": {
        "ADD VERSION": Action(versioned=True),
        "ADD VERSION FROM": Action(Rule(rules.location, ""), versioned=True),
        "DROP VERSION": Action(versioned=True),
        "VERSION SET ALIAS": Action(Rule(rules.version), versioned=True),
        "VERSION UNSET ALIAS": Action(versioned=True),
        "MODIFY VERSION SET": Action(settings=_VERSION, versioned=True),
    },
    "PROCEDURE": {"EXECUTE AS": Action(kinds.PROCEDURE.settings["EXECUTE AS"])},
    "SERVICE": _RUNS,
}
ACTIONS = {name: {**_shared(kind), **_OWN.get(name, {})} for name, kind in KINDS.items()}
"""Kind → action → what it takes."""
