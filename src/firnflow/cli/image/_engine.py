"""Docker or Podman: the program that builds and pushes images."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from firnflow.errors import RunError

PLATFORM = "linux/amd64"
"""https://docs.snowflake.com/en/developer-guide/snowpark-container-services/working-with-registry-repository"""


def find() -> Engine | None:
    """Return Docker, or Podman where Docker is not there or its daemon is not; None: neither is on the PATH."""
    found = [Engine(path) for name in ("docker", "podman") if (path := shutil.which(name))]
    if len(found) > 1 and not found[0].answers():
        return found[1]
    return found[0] if found else None


class Engine:
    """One of the two, whose options are the same as far as they are used here.

    Args:
        program: its path.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self.name = Path(program).name

    def answers(self) -> bool:
        """Whether it can build: the program is often there without its daemon."""
        return self._called("version").returncode == 0

    def pinned(self, base: str) -> str:
        """Return an image with the digest that its registry has for it now. Raises RunError."""
        try:
            self._do("pull", "--platform", PLATFORM, base)
        except RunError as error:
            raise RunError(
                f"{error}, so the digest of {base} is not known. Mend: what it says above, or image_base = "
                f"'{base}@sha256:…' in the section"
            ) from error
        said = self._asked("image", "inspect", "--format", "{{json .RepoDigests}}", base)
        digests = [each.partition("@")[2] for each in json.loads(said or "null") or ()]
        if not digests:
            raise RunError(f"{self.name} knows no digest of {base}. Mend: image_base = '{base}@sha256:…'")
        return f"{base}@{digests[0]}"

    def build(self, folder: Path, tag: str) -> None:
        """Build the image of a folder. Raises RunError."""
        self._do("build", "--platform", PLATFORM, f"--tag={tag}", str(folder))

    def has(self, tag: str) -> bool:
        """Whether there is an image of this tag here. Raises RunError where nobody answers."""
        done = self._called("image", "inspect", "--format", "{{.Id}}", tag)
        if done.returncode and "no such" not in done.stderr.lower() and "not known" not in done.stderr.lower():
            raise self._failed(["image", "inspect"], done.returncode, done.stderr)
        return done.returncode == 0

    def push(self, tag: str, address: str) -> None:
        """Push an image to an address. Raises RunError."""
        self._do("tag", tag, address)
        self._do("push", address)

    def _do(self, *words: str) -> None:
        """Call it, and show what it says on stderr."""
        done = subprocess.run([self._program, *words], stdout=2, check=False)  # noqa: S603 - no shell
        if done.returncode:
            raise self._failed(words, done.returncode)

    def _asked(self, *words: str) -> str:
        done = self._called(*words)
        if done.returncode:
            raise self._failed(words, done.returncode, done.stderr)
        return done.stdout

    def _called(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self._program, *words], capture_output=True, text=True, check=False)  # noqa: S603

    def _failed(self, words: object, code: int, said: str = "") -> RunError:
        what = " ".join([self.name, *(words if isinstance(words, list | tuple) else ())])
        told = f":\n{said.strip()}" if said.strip() else ""
        return RunError(f"`{what}` has failed, exit code {code}{told}")
