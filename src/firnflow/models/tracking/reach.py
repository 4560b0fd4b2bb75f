"""Looks whether a service is there, quickly, and says where it is without its password."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

from firnflow.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 5.0


def shown(url: str, root: Path) -> str:
    """Return a URL for people: no password, no query, of a server no path (it may be a key), a short file."""
    import sqlalchemy as sa

    if url.startswith("sqlite:///"):
        return url.partition("?")[0].replace(f"sqlite:///{root}/", "sqlite:///")
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return url
    port = f":{parsed.port}" if parsed.port else ""
    database = parsed.database if not url.startswith(("http://", "https://")) else ""
    return f"{parsed.get_backend_name()}://{parsed.host or ''}{port}/{database or ''}".rstrip("/")


def check_server(url: str, place: str) -> None:
    """Raise StoreError where nothing answers at an HTTP address; that it does not let us in is an answer."""
    if not url.startswith(("http://", "https://")):
        raise StoreError(f"{place} is no address of a server")
    try:
        parts = urllib.parse.urlsplit(url)
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        with urllib.request.urlopen(address, timeout=_SECONDS):  # noqa: S310 - http or https, see above
            return
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise StoreError(f"{place} answers {error.code} {error.reason}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise StoreError(f"{place} does not answer: {getattr(error, 'reason', error)}") from error


def check_database(url: str, place: str) -> None:
    """Raise StoreError where a database cannot be reached."""
    import sqlalchemy as sa

    try:
        engine = sa.create_engine(url, connect_args={"connect_timeout": int(_SECONDS)})
        with engine.connect():
            engine.dispose()
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        said = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        raise StoreError(f"{place} cannot be reached: {said}") from error
