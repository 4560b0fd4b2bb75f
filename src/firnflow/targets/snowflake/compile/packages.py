"""What the Python of a procedure has that executes tasks itself: what Firnflow needs, in the versions of this machine.

They come from PyPI by Snowflake's own repository, which every role may use unless an administrator has forbidden it:
https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-packages (Artifact Repository). All of them have
wheels for both kinds of processors that warehouses run on.
"""

from __future__ import annotations

import sys
from importlib.metadata import version

REPOSITORY = ("SNOWFLAKE", "SNOWPARK", "PYPI_SHARED_REPOSITORY")
_PINNED = (
    *("cronsim", "duckdb", "fsspec", "ibis-framework", "numpy", "packaging", "pandas", "psutil", "pyarrow"),
    *("pyarrow-hotfix", "pydantic", "rich", "sqlalchemy", "sqlglot", "typer", "snowflake-sqlalchemy"),
)
_FREE = ("snowflake-snowpark-python",)
"""Snowflake decides which of its own."""
MODULES = frozenset(
    {
        *("cronsim", "dateutil", "duckdb", "fsspec", "ibis", "numpy", "packaging", "pandas", "psutil"),
        *(
            "pyarrow",
            "pydantic",
            "pydantic_core",
            "pytz",
            "rich",
            "sqlalchemy",
            "sqlglot",
            "typer",
            "typing_extensions",
        ),
        *("firnflow", "tzdata"),
    }
)
"""What tasks may import there, beside Python's own modules."""


def packages() -> tuple[str, ...]:
    """Return the packages, as PACKAGES of a procedure names them."""
    return (*_FREE, *(f"{name}=={version(name)}" for name in _PINNED))


def python() -> str:
    """Return the Python that it runs on: this one, as it is what tells code apart (`engine/fingerprint.py`)."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"
