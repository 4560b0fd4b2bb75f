"""Airflow's REST API: one call in limited time, with a token, repeated only where that cannot do a thing twice.

What a server says is data: it is read up to a limit, believed only if it is JSON, and its words are shortened before
they stand in a message. A redirect is not followed, as it would take the token elsewhere.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from firnflow._text import printable
from firnflow.errors import ConfigError, TargetError
from firnflow.project.secrets import hide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.project import Settings

WAITS = (0.3, 1.0, 2.0)
"""Seconds before each further try."""
_PASSING = {429, 500, 502, 503, 504}
_MOST_BYTES = 64 * 2**20
_MOST_SAID = 500
_CHUNK = 65_536
_DROPPED = (ConnectionError, http.client.HTTPException, TimeoutError)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Api:
    """The API of an environment's Airflow.

    Args:
        settings: of the environment.
        waits: seconds before each further try; None: WAITS.

    Raises:
        ConfigError: nobody says where it is.
    """

    def __init__(self, settings: Settings, waits: Sequence[float] | None = None) -> None:
        self._section = section = settings.airflow
        self._where = f"[environments.{settings.environment}.airflow]"
        if section.url is None:
            raise ConfigError(
                f"{self._where} says not where Airflow's API is. Mend: url = 'http://localhost:8080', the address of "
                "its page, and token = 'env:AIRFLOW_TOKEN'"
            )
        if section.user is not None and section.password is None:
            raise ConfigError(f"{self._where}: a user, and no password. Mend: password = 'env:AIRFLOW_PASSWORD'")
        self.url = section.url.rstrip("/").removesuffix("/api/v2")
        self._waits = WAITS if waits is None else waits
        self._token: str | None = None
        self._open = urllib.request.build_opener(_NoRedirect).open

    def get(self, *path: str, **query: Any) -> Any:
        """Return what is at a path, whose parts may be any text."""
        return self._call("GET", path, query=query)

    def patch(self, *path: str, data: Any) -> Any:
        """Set something; twice is as once."""
        return self._call("PATCH", path, data)

    def post(self, *path: str, data: Any, repeat: bool = False) -> Any:
        """Ask for something.

        Args:
            path: its parts.
            data: what is asked for.
            repeat: whether asking twice is as asking once, or is refused.
        """
        return self._call("POST", path, data, repeat=repeat)

    def _call(
        self, method: str, path: tuple[str, ...], data: Any = None, query: Any = None, *, repeat: bool = True
    ) -> Any:
        """Return the answer of a call. Raises TargetError."""
        tries = 0
        renewed = False
        while True:
            try:
                return self._send(method, self._address(path, query), data, self._bearer())
            except TargetError as error:
                if error.status == http.HTTPStatus.UNAUTHORIZED and self._section.token is None and not renewed:
                    self._token, renewed = None, True  # it may have ended meanwhile
                    continue
                error.is_again = error.is_again or tries > 0
                if not (repeat and error.is_passing) or tries >= len(self._waits):
                    raise
            time.sleep(self._waits[tries])
            tries += 1

    def _address(self, path: tuple[str, ...], query: Any) -> str:
        parts = "/".join(quote(part, safe="~") for part in path)
        return f"{self.url}/api/v2/{parts}" + (f"?{urlencode(query)}" if query else "")

    # -- the token ----------------------------------------------------------------------------------------------------

    def _bearer(self) -> str:
        """Return what is shown to the API."""
        if self._token is None:
            self._token = self._section.token.reveal() if self._section.token is not None else self._sign_in()
            if not (self._token.isascii() and self._token.isprintable()):
                raise ConfigError(f"{self._where}: the token holds a line end or another sign that none may hold")
        return self._token

    def _sign_in(self) -> str:
        """Return a token for the user; without one, what an Airflow gives that asks nobody who he is."""
        section, address = self._section, f"{self.url}/auth/token"
        try:
            if section.user is not None and section.password is not None:
                answer = self._send("POST", address, {"username": section.user, "password": section.password.reveal()})
            else:
                answer = self._send("GET", address)
        except TargetError as error:
            if error.status is None or error.status in _PASSING:
                raise
            mend = "look at user and password" if section.user is not None else "token = 'env:AIRFLOW_TOKEN'"
            said = f"Airflow at {self.url} gives no token: {str(error).partition('. Mend:')[0]}"
            raise ConfigError(f"{said}. Mend: {mend} in {self._where}") from error
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise TargetError(f"{address} gives no token. Mend: is url in {self._where} that of Airflow?")
        hide(token)
        return token

    # -- one try ------------------------------------------------------------------------------------------------------

    def _send(self, method: str, address: str, data: Any = None, token: str | None = None) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(address, body, headers, method=method)  # noqa: S310 - http or https: settings
        until = time.monotonic() + self._section.patience
        try:
            with self._open(request, timeout=self._section.patience) as answer:
                return self._read(answer, until)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error, until) from None
        except urllib.error.URLError as error:
            raise self._unreachable(error.reason) from error
        except _DROPPED as error:
            raise self._unreachable(error) from error

    def _read(self, answer: Any, until: float) -> Any:
        text = _whole(answer, until)
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError):
            kind = answer.headers.get_content_type()
            raise TargetError(
                f"{self.url} answers with {printable(kind)[:60]} that is no JSON. Mend: is url in {self._where} the "
                "address of Airflow's page, and of nothing before it that asks people to sign in?"
            ) from None

    def _refused(self, error: urllib.error.HTTPError, until: float) -> TargetError:
        """Return what an answer other than 2xx means."""
        said, status = "", error.code
        with contextlib.suppress(*_DROPPED, ValueError, RecursionError):
            said = _detail(json.loads(_whole(error, until)))
        if status in {301, 302, 303, 307, 308}:
            place = printable(str(error.headers.get("Location", ""))).partition("?")[0][:200]
            message = f"{self.url} sends elsewhere: {place}. Mend: url in {self._where}, which no redirect follows"
        elif status == http.HTTPStatus.UNAUTHORIZED:
            message = f"Airflow at {self.url} does not know who asks: the token is wrong, or has ended. {self._key()}"
        elif status == http.HTTPStatus.FORBIDDEN:
            message = f"Airflow at {self.url} does not allow it{said and f': {said}'}. {self._key()}, or its role"
        else:
            message = f"Airflow at {self.url} answers {status}" + (f": {said}" if said else f" {_reason(status)}")
        return TargetError(message, status, is_passing=status in _PASSING)

    def _key(self) -> str:
        return f"Mend: {'user and password' if self._section.user is not None else 'token'} in {self._where}"

    def _unreachable(self, error: Any) -> TargetError:
        """Return what it means that there is no answer."""
        if isinstance(error, ssl.SSLError):
            reason = getattr(error, "verify_message", "") or error.reason or "no TLS is spoken there"
            mend = "SSL_CERT_FILE=/path/to/its/authority.pem, or http:// in url where it speaks no TLS"
            return TargetError(f"{self.url}: no safe connection: {reason}. Mend: {mend}")
        if isinstance(error, TimeoutError):
            seconds = f"{self._section.patience:g} s"
            return TargetError(
                f"{self.url} gave no answer within {seconds}. Mend: patience = '2m' in {self._where}", is_passing=True
            )
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
        return TargetError(
            f"Airflow at {self.url} cannot be reached: {printable(reason)[:200]}. Mend: is its API server up, and url "
            f"in {self._where} right?",
            is_passing=True,
        )


def _whole(answer: Any, until: float) -> bytes:
    """Return all that an answer holds. Raises TimeoutError where that takes too long, TargetError where it is much."""
    parts, size = [], 0
    while part := answer.read1(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES:
            raise TargetError(f"an answer of more than {_MOST_BYTES // 2**20} MiB, which nothing needs")
        if time.monotonic() > until:
            raise TimeoutError
    if answer.length:  # the connection was closed before all was there
        raise http.client.IncompleteRead(b"", answer.length)
    return b"".join(parts)


def _detail(data: Any) -> str:
    """Return what an error of the API says, in one short line."""
    found = data.get("detail", data) if isinstance(data, dict) else data
    if isinstance(found, list):
        found = "; ".join(_one(each) for each in found[:5])
    elif isinstance(found, dict):
        found = found.get("message") or found.get("reason") or json.dumps(found)
    line = " ".join(printable(str(found)).split()).rstrip(".")
    return line if len(line) <= _MOST_SAID else f"{line[:_MOST_SAID]}…"


def _one(mistake: Any) -> str:
    if not isinstance(mistake, dict):
        return str(mistake)
    where = ".".join(str(part) for part in mistake.get("loc", ()) if part != "body")
    return f"{where}: {mistake.get('msg')}" if where else str(mistake.get("msg", mistake))


def _reason(status: int) -> str:
    return http.client.responses.get(status, "")
