"""How long a request is sent again when the network fails.

The connector's own `network_timeout` would do it too, but it also stops each statement that runs for so long. So the
time is kept by what says how long to wait in between: https://docs.snowflake.com/en/developer-guide/python-connector .
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 300.0
"""Seconds for which a request is sent again."""
_LONGEST_WAIT = 16


def waits() -> Iterator[int]:
    """Yield the seconds to wait before a request is sent again, which the server takes for the same one.

    Raises:
        OperationalError: the connector's, when patience is at its end.
    """
    from snowflake.connector.errors import OperationalError

    until, wait = time.monotonic() + PATIENCE, 1
    while time.monotonic() <= until:
        yield random.randint(1, wait)  # noqa: S311 - so that those that were cut at once do not come back at once
        wait = min(2 * wait, _LONGEST_WAIT)
    raise OperationalError(f"no answer for {PATIENCE:g} seconds, however often it was asked")
