"""What a verb can be asked here, it can be asked where pipelines run elsewhere."""

from __future__ import annotations

import importlib
import inspect

from firnflow.cli._app import VERBS


def test_both_sides_of_a_verb_take_the_same_options():
    steered = {}
    for name in VERBS:
        command = getattr(importlib.import_module(f"firnflow.cli.{name}"), "command", None)
        if hasattr(command, "__wrapped__"):
            steered[name] = set(inspect.signature(command).parameters) - {"environment"}
    there = {name: importlib.import_module(f"firnflow.cli._elsewhere.{name}").command for name in steered}
    assert {name: set(inspect.signature(command).parameters) - {"site"} for name, command in there.items()} == steered
    assert {"run", "runs", "logs", "cancel", "resume", "trigger", "pause", "unpause", "backfill", "next"} == set(
        steered
    )
