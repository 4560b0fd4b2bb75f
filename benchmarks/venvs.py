"""Makes the environments of the peers, each once, under `.benchmarks/venvs`."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".benchmarks"
EXTRAS = ("train", "plots")  # what examples/churn needs
INSTALL_SECONDS = 1800


@dataclass(frozen=True)
class Peer:
    """A peer that can be run, or the reason why it cannot."""

    name: str
    version: str
    python: Path
    error: str | None = None


def peers() -> list[Peer]:
    """Return the peers of `peers.toml`, each with its environment made or the error of making it."""
    wanted = tomllib.loads((ROOT / "benchmarks/peers.toml").read_text(encoding="utf-8"))
    return [_peer(name, entry["version"], entry.get("with", [])) for name, entry in wanted.items()]


def _peer(name: str, version: str, extra: list[str]) -> Peer:
    folder = WORK / "venvs" / name
    python = folder / "bin" / "python"
    requirements = [f"{name}=={version}", *extra, *_ours()]
    stamp, made_of = folder / "made-of", hashlib.sha256(json.dumps(requirements).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == made_of:
        return Peer(name, version, python)
    print(f"making the environment of {name} {version} ...", flush=True)
    try:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", "-q", *requirements])
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or str(error)
        lines = [line[:300] for line in said.strip().splitlines() if "WARNING" not in line]
        return Peer(name, version, python, f"cannot be installed: {' '.join(lines[-2:])}")
    stamp.write_text(made_of, encoding="utf-8")
    return Peer(name, version, python)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)


def _ours() -> list[str]:
    """Return Firnflow's dependencies, each pinned to the version that runs here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(w for extra in EXTRAS for w in project["optional-dependencies"][extra])]
    names = dict.fromkeys(re.match(r"[\w-]+(\[\w+\])?", want)[0] for want in wanted)
    return [f"{name}=={metadata.version(name.partition('[')[0])}" for name in names]
