"""Each list of pinned requirements has what `make lock` makes it of: the installations resolve nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
RECIPE = (ROOT / "Makefile").read_text().partition("\nlock:")[2].partition("\nclean:")[0].replace("\\\n", " ")


def recipes() -> dict[str, str]:
    """Return file → the command that makes it."""
    commands = [line for line in RECIPE.splitlines() if "pip compile" in line]
    return {re.findall(r"-o (\S+)", command)[0]: command for command in commands}


def wanted(command: str) -> set[str]:
    extras = list(EXTRAS) if "--all-extras" in command else re.findall(r"--extra (\S+)", command)
    groups = PROJECT["dependency-groups"]
    lists = [EXTRAS[name] for name in extras] + [groups[name] for name in re.findall(r"--group (\S+)", command)]
    lists += [PROJECT["project"]["dependencies"]] if "pyproject.toml" in command else []
    texts = [text for each in lists for text in each if isinstance(text, str)]
    return {re.sub(r"[-_.]+", "-", Requirement(text).name).lower() for text in texts} - {"firnflow"}


@pytest.mark.parametrize("path", sorted(recipes()))
def test_a_list_has_what_its_extras_name(path):
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / path).read_text(), re.MULTILINE))
    assert wanted(recipes()[path]) - pinned == set()
    assert len(pinned) > 20
