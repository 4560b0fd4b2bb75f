"""`firnflow init`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import typer

from firnflow._text import printable

_FOLDER = typer.Argument(".", metavar="[FOLDER]", help="Where; default: here.")


def command(folder: str = _FOLDER) -> None:
    """Write a small complete project: a pipeline that runs, and a test that passes.

    Nothing that is there is overwritten.
    """
    from firnflow._text import listing
    from firnflow.cli import _template
    from firnflow.errors import UsageError

    root = Path(folder)
    files = _template.files(_name(root.absolute().name))
    there = [path for path in files if (root / path).exists()]
    for path in [path for path in there if path in _template.LEFT_ALONE]:
        there.remove(path)
        typer.echo(f"  {root / path} is left as it is" + (": add .firnflow/ to it" if path == ".gitignore" else ""))
        del files[path]
    if there:
        raise UsageError(
            f"{root.absolute()} has {listing(there)}, and nothing is overwritten. Mend: firnflow init ANOTHER_FOLDER"
        )
    _write(root, files)
    enter = "" if root.resolve() == Path.cwd() else f"cd {shlex.quote(folder)} && "
    typer.echo(printable(f"\nRun it: {enter}firnflow run sales\nSee its graph: {enter}firnflow show sales"))


def _write(root: Path, files: dict[str, str]) -> None:
    """Write all files, or none."""
    written: list[Path] = []
    try:
        for path in map(root.joinpath, files):
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
            path.write_text(files[path.relative_to(root).as_posix()], encoding="utf-8")
    except OSError:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    for path in written:
        typer.echo(printable(f"  {path}"))


def _name(folder: str) -> str:
    """Return a project's name made of that of its folder."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", folder).lstrip("_-0123456789")[:100] or "project"
