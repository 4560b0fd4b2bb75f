"""The documents say what is so: links lead somewhere, commands and settings exist, code runs."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import types
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from firnflow.cli import _app
from firnflow.graph.pipeline import Pipeline
from firnflow.project import load_catalog, load_settings

ROOT = Path(__file__).parents[1]
DOCS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "changelog.d/*.md", "examples/*/README.md")
    for path in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(path.read_text()) if found == language]


def commands(path: Path) -> list[str]:
    """Return the command lines in console blocks and in `code`, without prompts and comments."""
    text = path.read_text()
    lines = [
        line.removeprefix("$ ") for block in blocks(path, "console") for line in block.splitlines() if line[:2] == "$ "
    ]
    return [line.partition("  #")[0].strip() for line in [*lines, *re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))]]


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def module_of(path: Path, text: str) -> types.ModuleType:
    module = types.ModuleType(f"documented_{path.stem.replace('-', '_')}")
    sys.modules[module.__name__] = module
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


@pytest.fixture
def forgotten():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("documented_"):
            del sys.modules[name]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    text = BLOCK.sub("", path.read_text())
    images = [(source, "") for source in re.findall(r'src="([^"]+)"', re.sub(r"`[^`]*`", "", text))]
    for target, anchor in [*re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", text), *images]:
        if "://" in target:
            continue
        place = (path.parent / target).resolve() if target else path
        assert place.exists(), f"{path}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", place.read_text()), re.MULTILINE)
            assert anchor in map(slug, headings), f"{path}: {target}#{anchor}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_exist(path):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in commands(path):
        words = [word for word in command.split() if "=" not in word]
        if words[:1] == ["make"]:
            assert set(words[1:]) <= set(targets), f"{path}: {command}"


def options_of(verb: str) -> set[str]:
    """Return the options of a verb, of which `models.list` is one."""
    app = typer.Typer()
    app.command(verb)(import_module(f"firnflow.cli.{verb}").command)
    found: Any = typer.main.get_command(app)
    return {"--help", "-h", *itertools.chain.from_iterable((*each.opts, *each.secondary_opts) for each in found.params)}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_verbs_and_their_options_exist(path):
    program: Any = typer.main.get_command(_app._program)
    own = {"--help", *(option for each in program.params for option in each.opts)}
    for command in commands(path):
        words = shlex.split(command.replace("…", ""))
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if len(words) < 2 or Path(words[0]).name != "firnflow" or words[1] == "VERB":
            continue
        if words[1].startswith("-"):
            assert words[1] in own, f"{path}: {command}"
            continue
        assert words[1] in _app.VERBS, f"{path}: {command}"
        group = getattr(import_module(f"firnflow.cli.{words[1]}"), "VERBS", None)
        if group is not None:
            if len(words) == 2:
                continue
            several = words[2].split("|")
            assert set(several) <= set(group), f"{path}: {command}"
            words = ["firnflow", f"{words[1]}.{several[0]}", *words[3:]]
        given = {word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)}
        assert given <= options_of(words[1]), f"{path}: {command}"


@pytest.mark.parametrize("path", [path for path in DOCS if blocks(path, "python")], ids=lambda path: path.stem)
@pytest.mark.usefixtures("forgotten")
def test_python_runs_and_its_pipelines_can_be_built(path):
    module = module_of(path, "\n".join(blocks(path, "python")))
    for value in list(vars(module).values()):
        if isinstance(value, Pipeline) and not is_only_for_others(value):
            assert value.build().tasks


def is_only_for_others(pipeline: Pipeline) -> bool:
    """Whether a pipeline takes more than parameters, so that it can only be called in another."""
    return pipeline.function.__code__.co_argcount > (1 if pipeline.params else 0)


@pytest.mark.parametrize("path", [path for path in DOCS if blocks(path, "toml")], ids=lambda path: path.stem)
def test_toml_is_valid(path, tmp_path, monkeypatch):
    monkeypatch.setenv("CRM_URL", "postgresql://reader@db.example/crm")
    monkeypatch.setenv("STATE_URL", "postgresql://firnflow@db.example/state")
    for text in blocks(path, "toml"):
        data = tomllib.loads(text)
        if text.startswith("# firnflow.toml"):
            (tmp_path / "firnflow.toml").write_text(text)
            for environment in ["local", *data.get("environments", {})]:
                assert load_settings(tmp_path, environment).project == data["project"]["name"]
        elif text.startswith("# catalog.toml"):
            (tmp_path / "catalog.toml").write_text(text)
            assert set(load_catalog(tmp_path)) == set(data)


def whole_examples() -> list[Any]:
    return [
        pytest.param(text, id=path.stem)
        for path in DOCS
        for text in blocks(path, "python")
        if text.startswith("# pipelines.py")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("text", whole_examples())
def test_whole_examples_run_and_come_from_the_cache(text, tmp_path):
    (tmp_path / "firnflow.toml").write_text('[project]\nname = "documented"\n')
    (tmp_path / "pipelines.py").write_text(text)
    name = re.findall(r"^@ff\.pipeline.*\ndef (\w+)", text, re.MULTILINE)[-1]
    for said in ("✓", "≡"):
        command = [sys.executable, "-m", "firnflow", "run", name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert said in done.stderr
    assert "✓" not in done.stderr


@pytest.mark.slow
def test_the_plugin_of_the_documents_stores_its_type(tmp_path):
    plugin = next(text for text in blocks(ROOT / "docs/values.md", "python") if text.startswith("# sparse_values.py"))
    entry = next(text for text in blocks(ROOT / "docs/values.md", "toml") if "entry-points" in text)
    ((name, value),) = tomllib.loads(entry)["project"]["entry-points"]["firnflow.value_types"].items()
    (tmp_path / "sparse_values.py").write_text(plugin)
    info = tmp_path / "sparse_values-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sparse-values\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[firnflow.value_types]\n{name} = {value}\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "firnflow.toml").write_text('[project]\nname = "sparse"\n')
    (project / "pipelines.py").write_text(
        "import scipy.sparse\nimport firnflow as ff\n\n"
        "@ff.task\ndef make() -> scipy.sparse.csr_array:\n    return scipy.sparse.csr_array([[0, 1], [2, 0]])\n\n"
        "@ff.task\ndef total(matrix: scipy.sparse.csr_array) -> int:\n    return int(matrix.sum())\n\n"
        "@ff.pipeline\ndef sparse():\n    total(make())\n"
    )
    command = [sys.executable, "-m", "firnflow", "run", "sparse", "--json", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    digests = set()
    for _ in range(2):
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        digests.add(json.loads(done.stdout)["outputs"]["make"]["digest"])
    assert len(digests) == 1
