"""`firnflow models card`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import Literal

import typer

from firnflow.cli import _options
from firnflow.cli.models import _shared

_FORMAT = typer.Option("markdown", "--format", "-f", help="How: markdown or html.")
_OUTPUT = typer.Option(None, "--output", "-o", metavar="PATH", help="Write it to a file; .html decides the format.")


def command(
    model: str = _shared.MODEL,
    form: str = _FORMAT,
    output: Path | None = _OUTPUT,
    environment: str | None = _options.ENVIRONMENT,
) -> None:
    """Write a version's card: what it is for, its data, its figures, the gates, its limits, who decided what."""
    from firnflow.cli._print import say
    from firnflow.models import card
    from firnflow.project import redact

    kind = _kind(form, output)
    registry = _shared.opened(environment)
    found = registry.get(model)
    write = card.html if kind == "html" else card.markdown
    text = redact(write(found, registry.aliases(found.name), registry.history(found.name)))
    if output is None:
        say(text.rstrip("\n"))
        return
    from firnflow._disk import writing

    with writing(output):
        output.write_text(text, encoding="utf-8")
    say(f"{found.place}: {output}")


def _kind(form: str, output: Path | None) -> Literal["markdown", "html"]:
    from firnflow._text import nearest
    from firnflow.errors import UsageError

    if output is not None and output.suffix in {".html", ".htm"}:
        return "html"
    if form not in {"markdown", "html"}:
        raise UsageError(f"--format {form!r}: there is no such format.{nearest(form, ['markdown', 'html'])}")
    return "html" if form == "html" else "markdown"
