"""What apply writes into the DAGs folder: a folder of ours, in it one small file for each DAG, below it the rest.

What a DAG file names is called by its digest, and is written before it: Airflow, which may look at any moment, finds
the old DAG or the new one, never a part of each.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Any

from firnflow._disk import sync, writing
from firnflow.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTS = "parts"
_NEW = ".new"
_PART = re.compile(r"\b[A-Za-z]\w*-[0-9a-f]{16}\.[a-z.]*[a-z]")
_DAG_FILE = '''\
"""The DAG {dag} of Airflow, written by `firnflow apply --env {environment}`: it puts back what is changed here."""
# {mark}
# graph: {graph}
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

PARTS = Path(__file__).resolve().parent / "{parts}"
NAME = "{package}"
MODULES = "{modules}"

if NAME + ".dag" not in sys.modules:
    sys.modules[NAME] = ModuleType(NAME)
    for part in MODULES.split():
        name = NAME + "." + part.partition("-")[0]
        loader = SourceFileLoader(name, str(PARTS / part))
        sys.modules[name] = module_from_spec(spec_from_loader(name, loader))
        loader.exec_module(sys.modules[name])

dag = sys.modules[NAME + ".dag"].build(PARTS / "{compiled}")
'''
_MODULES = ("program", "secrets", "links", "lineage", "pod", "task", "failure", "dag")
"""What is copied of `beside`, each after those that it imports."""


@dataclass(frozen=True)
class Part:
    """A file that a DAG file names; its name says what is in it."""

    name: str
    text: str

    @classmethod
    def of(cls, stem: str, text: str, suffix: str) -> Part:
        """Return a part that is named by its content."""
        return cls(f"{stem}-{cls.digest(text)}{suffix}", text)

    @staticmethod
    def digest(text: str) -> str:
        """Return what stands in the name."""
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Bundle:
    """All files of one DAG: its DAG file, and the parts that this names."""

    name: str
    text: str
    parts: tuple[Part, ...]


def modules() -> tuple[Part, ...]:
    """Return the modules that build DAGs and run tasks. None ends in `.py`: Airflow looks for DAGs in files that do."""
    folder = package_files("firnflow.targets.airflow.beside")
    return tuple(Part.of(name, (folder / f"{name}.py").read_text(encoding="utf-8"), ".py.txt") for name in _MODULES)


def bundle(dag: dict[str, Any], graph: str, call: dict[str, Any], mark: str) -> Bundle:
    """Return the files of a DAG.

    Args:
        dag: what `compile_graph` has returned.
        graph: the graph as JSON, for `firnflow exec`.
        call: what is called: `python`, `project`, `env`, and what that needs.
        mark: says whose it is.
    """
    from firnflow.targets.airflow.compile import FORMAT, VERSION

    name = dag["pipeline"]
    graph_part = Part.of(name, graph, ".graph.json")
    spec = {"format": FORMAT, "version": VERSION, "call": call, "graph": graph_part.name, "dag": dag}
    compiled = Part.of(name, json.dumps(spec, indent=1, ensure_ascii=False), ".dag.json")
    runtime = modules()
    names = " ".join(part.name for part in runtime)
    text = _DAG_FILE.format(
        dag=dag["dag_id"],
        environment=call["env"],
        mark=mark,
        parts=PARTS,
        package=f"firnflow_{Part.digest(names)}",
        modules=names,
        compiled=compiled.name,
        graph=graph_part.name,
    )
    return Bundle(f"{name}.py", text, (*runtime, graph_part, compiled))


class Folder:
    """The folder of one environment of one project in a DAGs folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> str | None:
        """Return the text of a DAG file and, below it, which of its parts are not as written; None: no such file."""
        text = _text(self.path / name)
        if text is None:
            return None
        damaged = [part for part in _named(text) if not _is_whole(self.path / PARTS / part)]
        return text + "".join(f"# {PARTS}/{part} is missing, or was changed\n" for part in damaged)

    def write(self, bundle: Bundle) -> None:
        """Write a DAG, its parts first, so that there is never a DAG file whose parts are not there."""
        for part in bundle.parts:
            if not _is_whole(self.path / PARTS / part.name):
                _write(self.path / PARTS / part.name, part.text)
        _write(self.path / bundle.name, bundle.text)
        self.sweep()

    def remove(self, name: str) -> None:
        """Take a DAG file away, the parts that only it has named, and the folder if nothing else is in it."""
        with _told(self.path / name):
            (self.path / name).unlink(missing_ok=True)
        self.sweep()
        if not list(self.path.glob("*.py")):
            for cache in (self.path / "__pycache__", self.path / PARTS / "__pycache__"):
                shutil.rmtree(cache, ignore_errors=True)
        for folder in (self.path / PARTS, self.path):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def sweep(self) -> None:
        """Delete the parts that no DAG file names, and what a killed apply has left half written."""
        named = {part for path in self.path.glob("*.py") for part in _named(_text(path) or "")}
        for path in [*(self.path / PARTS).glob("*"), *self.path.glob(f"*{_NEW}")]:
            if path.is_file() and path.name not in named and _PART.fullmatch(path.name.removesuffix(_NEW)):
                with _told(path):
                    path.unlink(missing_ok=True)


def _named(text: str) -> list[str]:
    """Return the parts that a DAG file names, each once."""
    return list(dict.fromkeys(_PART.findall(text)))


def _is_whole(path: Path) -> bool:
    text = _text(path)
    return text is not None and Part.digest(text) == path.name.partition(".")[0].rpartition("-")[2]


def _text(path: Path) -> str | None:
    """Return the text of a file; None: there is none. What is no UTF-8 is not ours, and only looked at."""
    with _told(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return path.read_bytes().decode(errors="replace")
    return None


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, so that it is there when the machine stops."""
    new = path.with_name(path.name + _NEW)
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(new):
            new.write_text(text, encoding="utf-8")
            sync(new)
            new.replace(path)
        sync(path.parent)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into our error."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}. Mend: see who may write there, then do the same again") from error
