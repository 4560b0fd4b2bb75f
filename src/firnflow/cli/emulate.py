"""`firnflow emulate`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotation

import typer

_WHAT = typer.Argument("snowflake", metavar="[snowflake]", help="What to emulate.")
_PORT = typer.Option(8084, "--port", min=0, max=65535, help="The port on this machine; 0 is a free one.")
_DATA = typer.Option(None, "--data", metavar="DIR", help="Where the account is kept. Default: nowhere.")
_IDLE = typer.Option(
    300.0, "--idle", min=0.0, help="Seconds after which a transaction is undone that others wait for, left alone."
)


def command(what: str = _WHAT, port: int = _PORT, data: Path | None = _DATA, idle: float = _IDLE) -> None:
    """Serve a local Snowflake for tests and rehearsals, until Ctrl-C."""
    from firnflow._text import nearest
    from firnflow.emulator.server.run import LOOPBACK, serve
    from firnflow.errors import UsageError

    if what != "snowflake":
        raise UsageError(f"There is no emulator for {what!r}.{nearest(what, ['snowflake'])} Known: snowflake")

    def ready(chosen: int) -> None:
        typer.echo(f"A local Snowflake on http://{LOOPBACK}:{chosen}, for tests and rehearsals only", err=True)
        typer.echo(
            "What works here is verified against the emulator, not Snowflake. Nobody's password is checked", err=True
        )
        typer.echo(
            f"Connect: protocol='http', host='{LOOPBACK}', port={chosen}, account='emulator', user='EMULATOR'", err=True
        )
        typer.echo(f"Kept in {data}" if data else "Nothing is kept: --data DIR keeps it", err=True)

    serve(port, data, ready, idle)
