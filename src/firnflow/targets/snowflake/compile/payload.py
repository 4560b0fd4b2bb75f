"""The project's code as files for a stage: the same bytes for the same code, named by their digest.

Only what is declared goes: the project's Python files and TOML files, what the section's `files` names, and the
Firnflow that compiles. Data, tests, environments and hidden files stay here; so does what looks like a key.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow.errors import ConfigError
from firnflow.project.settings import FILE
from firnflow.stores.snowflake.code import archive, this_firnflow
from firnflow.targets.snowflake.compile.place import where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firnflow.project import Project

MANIFEST = "payload.json"
"""Written last: a payload without it is not whole."""
_OWN = (FILE, "catalog.toml")
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "tests", "build", "dist"}
_SECRET = ("*.pem", "*.p8", "*.key", "*.p12", "*.pfx", "*.env", ".env*", "id_rsa*", "connections.toml")


@dataclass(frozen=True)
class Payload:
    """What a job needs of the project.

    Attributes:
        digest: of all of it.
        files: name on the stage → its bytes, the manifest last.
        own: the files of the project that are in it, relative to it.
    """

    digest: str
    files: Mapping[str, bytes]
    own: frozenset[str]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.files.values()))


def payload_of(project: Project, graphs: Mapping[str, str]) -> Payload:
    """Return the payload of a project.

    Args:
        project: the project.
        graphs: pipeline → its graph as JSON.

    Raises:
        ConfigError: a file that is named is not there, lies outside of the project, or looks like a secret.
    """
    own = {str(path.relative_to(project.root)): path for path in sorted({*_code(project.root), *_named(project)})}
    found = {
        "project.zip": archive({name: path.read_bytes() for name, path in own.items()}),
        "firnflow.zip": this_firnflow(),
        "launcher.py": (package_files("firnflow.targets.snowflake") / "beside" / "launcher.py").read_bytes(),
        **{f"{name}.graph.json": text.encode() for name, text in sorted(graphs.items())},
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}
    manifest = json.dumps({"version": 1, "files": digests}, indent=1, sort_keys=True).encode()
    return Payload(hashlib.sha256(manifest).hexdigest()[:16], {**found, MANIFEST: manifest}, frozenset(own))


def _code(root: Path) -> Iterator[Path]:
    """Yield the project's Python files, and its TOML files."""
    yield from (root / name for name in _OWN if (root / name).is_file())
    folders = [root]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.name.startswith(".") or path.name in _SKIPPED or path.is_symlink():
                continue
            if path.is_dir() and not (path / "pyvenv.cfg").exists():
                folders.append(path)
            elif path.suffix == ".py":
                yield path


def _named(project: Project) -> Iterator[Path]:
    """Yield the files that the section names."""
    root = project.root.resolve()
    for pattern in project.settings.snowflake.files:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise ConfigError(f"{where(project)}: files: {pattern!r} lies outside of the project")
        found = [path for path in sorted(project.root.glob(pattern)) if path.is_file()]
        if not found:
            raise ConfigError(f"{where(project)}: files: there is nothing like {pattern!r} in {project.root}")
        for path in found:
            if not path.resolve().is_relative_to(root):
                raise ConfigError(f"{where(project)}: files: {path} is a link out of the project")
            if any(fnmatch.fnmatch(path.name.lower(), each) for each in _SECRET):
                raise ConfigError(
                    f"{where(project)}: files: {path.relative_to(project.root)} looks like a secret, which never goes "
                    "to a stage. Mend: a SECRET in Snowflake, and secrets = {VARIABLE = 'name'}"
                )
            yield path
