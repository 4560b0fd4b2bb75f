"""What an image installs: the project's own pinned requirements, or what is installed here, pinned."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from firnflow._text import listing
from firnflow.cli._installed import extras_here
from firnflow.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILE = "requirements.txt"
_PINNED = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w.,\s-]*\])?\s*==\s*[\w.!+-]+\s*(;[^#]*?)?\s*")
_HASH = re.compile(r"\s--hash[= ]sha(?:256|384|512):[0-9a-f]{64,128}(?=\s|$)")
_NOT_THERE = {"emulator", "airflow"}
"""Extras of Firnflow that no job needs."""
_PLATFORM = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
}
"""What Snowflake's containers run on."""


@dataclass(frozen=True)
class Requirements:
    """What pip installs.

    Attributes:
        text: of a requirements file; it is complete, so that nothing has to be resolved.
        is_hashed: whether each line names the digests of its files.
        origin: where it comes from, for people.
    """

    text: str
    is_hashed: bool
    origin: str

    def has(self, name: str) -> bool:
        """Whether a package is among them."""
        return re.search(rf"^{re.escape(name)}\s*(\[|==)", self.text, re.MULTILINE | re.IGNORECASE) is not None


def requirements_of(root: Path, more: Iterable[str]) -> Requirements:
    """Return what a project's image installs: its requirements.txt, else what is installed here of what is needed.

    Args:
        root: the project's folder.
        more: what jobs need beside Firnflow's own libraries, where there is no such file.

    Raises:
        UsageError: a line is not pinned, or something that is needed is not installed here.
    """
    file = root / FILE
    if file.is_file():
        text = file.read_text(encoding="utf-8")
        return Requirements(text, _check(text, file), str(file))
    pins = _closure([*extras_here(without=_NOT_THERE), *more])
    lines = [f"{name}=={version}" for name, version in sorted(pins.items())]
    return Requirements("\n".join([*lines, ""]), is_hashed=False, origin="what is installed here")


def _check(text: str, file: Path) -> bool:
    """Return whether all lines have hashes. Raises UsageError where a line is not pinned, or only some have hashes."""
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.partition("#")[0].strip()]
    hashed = 0
    for line in lines:
        plain = _HASH.sub("", re.sub(r"(^|\s)#.*", "", line))
        hashed += plain != re.sub(r"(^|\s)#.*", "", line)
        if not _PINNED.fullmatch(plain.strip()):
            first = plain.split()[0][:80]  # of an option, not the address behind it, which may hold a password
            raise UsageError(
                f"{file}: {first!r} is no pinned version, so that the image would be another one each time. "
                f"Mend: uv pip compile --generate-hashes pyproject.toml -o {FILE}"
            )
    if hashed not in {0, len(lines)}:
        raise UsageError(
            f"{file}: {hashed} of {len(lines)} lines have hashes, and pip wants all or none. Mend: uv pip compile "
            f"--generate-hashes pyproject.toml -o {FILE}"
        )
    return bool(lines) and hashed == len(lines)


def _closure(wanted: Iterable[str]) -> Mapping[str, str]:
    """Return package → version of requirements and of all that they need, as it is installed here.

    Raises:
        UsageError: some of it is not installed.
    """
    try:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name
    except ImportError:
        raise MissingExtraError("packaging", "snowflake") from None
    found: dict[str, str] = {}
    missing: list[str] = []
    left = [Requirement(text) for text in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while left:
        each = left.pop()
        name, extras = canonicalize_name(each.name), frozenset(each.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(str(each))
            continue
        for text in metadata.requires(name) or ():
            inner = Requirement(text)
            if inner.marker is None or any(inner.marker.evaluate({**_PLATFORM, "extra": x}) for x in ("", *extras)):
                left.append(inner)
    if missing:
        raise UsageError(
            f"the image needs {listing(missing)}, which is not installed here, so that no version can be pinned. "
            f"Mend: install it, or write the project's {FILE}"
        )
    return found
