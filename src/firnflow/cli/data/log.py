"""`firnflow data log`."""

from __future__ import annotations

from firnflow.cli import _options
from firnflow.cli.data import _shared


def command(
    name: str = _shared.NAME, environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON
) -> None:
    """List the versions of a table that are kept, the newest first."""
    from firnflow.cli import _format
    from firnflow.cli._print import print_json, print_table
    from firnflow.stores.tables.versions import versions

    found = versions(_shared.opened(environment).get(name))[::-1]
    if as_json:
        print_json([version.to_json() for version in found])
        return
    rows = [
        (str(each.number), f"{each.rows:,}", _shared.how(each), _format.when(each.at), _shared.made_by(each))
        for each in found
    ]
    print_table(("version", "rows", "how", "published", "by"), rows)
