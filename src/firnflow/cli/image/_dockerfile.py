"""The folder that an image is built of: a Dockerfile, pinned requirements, and nothing else that could leak."""

from __future__ import annotations

import json
import platform
import re
from typing import TYPE_CHECKING

from firnflow.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.cli.image._requirements import Requirements

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
USER = 10001
_HEAD = "# Written by `firnflow image build`; made anew by it."
_FROM = re.compile(r"^FROM (\S+)$", re.MULTILINE)


def default_base() -> str:
    """Return the image of the Python that runs this, which has compiled the project's graphs."""
    return f"python:{platform.python_version()}-slim-bookworm"


def dockerfile(base: str, requirements: Requirements, project: str) -> str:
    """Return the text of a Dockerfile.

    Args:
        base: the image below, with its digest.
        requirements: what pip installs.
        project: the project's name.

    Raises:
        UsageError: the base has no digest: what is built would be another image each time.
    """
    if not DIGEST.search(base):
        raise UsageError(f"{base} is no image by digest. Mend: {base}@sha256:…")
    lines = [
        _HEAD,
        f"FROM {base}",
        f"LABEL org.opencontainers.image.title={json.dumps(project)}",
        "ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1",
    ]
    if requirements.has("lightgbm"):  # its wheel lacks OpenMP, which others bring
        lines.append(
            "RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 "
            "&& rm -rf /var/lib/apt/lists/*"
        )
    install = ["python", "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--no-deps"]
    install += ["--require-hashes"] if requirements.is_hashed else []
    lines += [
        "COPY requirements.txt /opt/firnflow/requirements.txt",
        f"RUN {json.dumps([*install, '--requirement', '/opt/firnflow/requirements.txt'])}",
        f"RUN useradd --uid {USER} --user-group --create-home --shell /usr/sbin/nologin firnflow",
        f"USER {USER}:{USER}",
        "WORKDIR /home/firnflow",
    ]
    return "\n".join([*lines, ""])


def write(folder: Path, text: str, requirements: Requirements) -> None:
    """Write the folder; the build sees the requirements only, whatever else is put there."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"Dockerfile": text, "requirements.txt": requirements.text, ".dockerignore": "*\n!requirements.txt\n"}
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")


def pinned_before(folder: Path, base: str) -> str | None:
    """Return a base with the digest that an earlier build has found for it; None: there was none."""
    file = folder / "Dockerfile"
    found = _FROM.search(file.read_text(encoding="utf-8")) if file.is_file() else None
    return found[1] if found is not None and found[1].partition("@")[0] == base and DIGEST.search(found[1]) else None
