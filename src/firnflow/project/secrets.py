"""Secrets: only ever references in files, and never in what Firnflow writes."""

from __future__ import annotations

import functools
import hashlib
import html
import itertools
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote

from pydantic_core import core_schema

from firnflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = "***"
_REFERENCE = re.compile(
    r"(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0/][^\0]*|file:/[^\0/][^\0]*|airflow:(?:conn|var)/[A-Za-z0-9_.-]+)"
)
_PASSWORD = re.compile(r"://(?:[^/?#\s]*:([^@\s]+)@|\S*[?&](?:ssl)?password=([^&#\s]+))", re.IGNORECASE)
_MOST_BYTES = 65_536
_known: set[str] = set()


class Secret:
    """A string that may be secret: a reference, or a text without a password.

    A reference is `env:NAME`, `file:PATH` (relative to the project), `airflow:conn/NAME` or `airflow:var/NAME`.

    Attributes:
        reference: what stands in the configuration; fit to be shown.
    """

    __slots__ = ("_change", "_root", "reference")

    def __init__(self, reference: str, root: Path | None = None, change: tuple[str, str] = ("", "")) -> None:
        if not is_reference(reference) and has_password(reference):
            raise ValueError("holds a password. Write a reference instead: 'env:NAME' or 'file:PATH'")
        if not is_reference(reference) and reference.startswith("airflow:"):
            raise ValueError("is no reference to Airflow. Write 'airflow:conn/NAME' or 'airflow:var/NAME'")
        self.reference = reference
        self._root = root
        self._change = change

    def reveal(self) -> str:
        """Return the text itself; from then on `redact` removes it.

        Raises:
            ConfigError: the environment variable is not set, or the file cannot be read.
        """
        if not is_reference(self.reference):
            return self.reference
        text = _resolve(self.reference, self._root or Path())
        hide(text)
        return text.replace(*self._change) if self._change[0] else text

    def replaced(self, old: str, new: str) -> Secret:
        """Return the secret in whose text `old` is replaced by `new`, which is not secret."""
        if not is_reference(self.reference):
            return Secret(self.reference.replace(old, new), self._root)  # is shown as it is looked for
        return Secret(self.reference, self._root, (old, new))

    def place_digest(self) -> str:
        """Return the SHA-256 of the text, a URL, without its password: it tells places apart and gives no secret away.

        Raises:
            ConfigError: as `reveal`.
        """
        return hashlib.sha256(_PASSWORD.sub(_cut, self.reveal()).encode("utf-8", "surrogateescape")).hexdigest()

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.reference, self._change) == (other.reference, other._change)

    def __hash__(self) -> int:
        return hash(self.reference)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        """Let pydantic read one from a string, the project's root from the validation context."""

        def validate(value: Any, info: core_schema.ValidationInfo[Any]) -> Secret:
            if isinstance(value, cls):
                return value
            if not isinstance(value, str) or not value:
                raise ValueError("it should be a text")
            return cls(value, (info.context or {}).get("root"))

        shown = core_schema.plain_serializer_function_ser_schema(repr)
        return core_schema.with_info_plain_validator_function(validate, serialization=shown)


def is_reference(text: str) -> bool:
    """Return whether a text is `env:NAME`, `file:PATH`, `airflow:conn/NAME` or `airflow:var/NAME`."""
    return _REFERENCE.fullmatch(text) is not None


def reference_only(secret: Secret) -> Secret:
    """Return a secret that may not stand in a file itself. Raises ValueError where it does."""
    if not is_reference(secret.reference):
        raise ValueError("it holds a token or a password: write a reference, 'env:NAME' or 'file:PATH'")
    return secret


def has_password(text: str) -> bool:
    """Return whether a text is a URL with a password in it."""
    return _PASSWORD.search(text) is not None


def _cut(url: re.Match[str]) -> str:
    """Return what `_PASSWORD` matched without the password."""
    first, last = url.span(url.lastindex or 0)
    return url[0][: first - url.start()] + url[0][last - url.start() :]


def hide(secret: str) -> None:
    """Make `redact` remove this text, and each form in which it may be written."""
    if secret:
        _known.update(_forms(secret))
        _pattern.cache_clear()


def hide_all(data: Any, root: Path) -> None:
    """Hide what every reference in plain data stands for, where that is known here: other environments' secrets too."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            hide_all(item, root)
    elif isinstance(data, str) and is_reference(data):
        try:
            hide(_resolve(data, root))
        except ConfigError:
            return  # not set here, so it cannot appear here


def redact(text: str) -> str:
    """Return the text with every known secret replaced by `***`."""
    pattern = _pattern()
    return pattern.sub(HIDDEN, text) if pattern else text


@functools.cache
def _pattern() -> re.Pattern[str] | None:
    # A short secret is removed only where it stands alone: one letter would make every text unreadable.
    parts = [re.escape(s) if len(s) >= 4 else rf"(?<!\w){re.escape(s)}(?!\w)" for s in sorted(_known, key=len)]
    return re.compile("|".join(reversed(parts))) if parts else None


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret, the password in it where it is a URL, long lines of it, and how URLs and JSON write them."""
    texts = {secret, *(line for line in secret.splitlines() if len(line) >= 8)}
    for password in filter(None, itertools.chain.from_iterable(_PASSWORD.findall(secret))):
        texts |= {password, unquote(password)}
    for text in texts:
        yield from (text, quote(text, safe=""), quote(text), quote_plus(text), html.escape(text))
        yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
        yield from (repr(text)[1:-1], repr(text.encode("utf-8", "surrogateescape"))[2:-1])


def _resolve(reference: str, root: Path) -> str:
    kind, _, name = reference.partition(":")
    if kind == "env":
        text = os.environ.get(name, "")
        if not text:
            raise ConfigError(f"{reference}: the environment variable {name} is not set. Mend: export {name}=…")
        return text
    if kind == "airflow":
        return _of_airflow(reference, *name.split("/"))
    path = root / name
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1).decode().rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{reference}: {path} cannot be read as text: {error}") from error
    if not text or len(text) > _MOST_BYTES:
        raise ConfigError(f"{reference}: {path} is empty, or too large for a secret")
    return text


def _of_airflow(reference: str, kind: str, name: str) -> str:
    """Return Airflow's connection, as a URL, or variable: a task on Airflow has it in the variable that Airflow reads.

    https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html#storing-connections-in-environment-variables
    """
    variable = f"AIRFLOW_{kind.upper()}_{name.upper()}"
    text = os.environ.get(variable, "")
    what = "connection" if kind == "conn" else "variable"
    if not text:
        raise ConfigError(
            f"{reference}: only a task on Airflow is given Airflow's {what} {name}, where Airflow has it. Mend: there "
            f"make that {what}; elsewhere set the environment variable {variable}"
        )
    if kind == "conn" and text.startswith("{"):
        raise ConfigError(
            f"{reference}: {variable} is JSON. Mend: write the connection as a URL, …://USER:PASSWORD@HOST/DB"
        )
    if kind == "conn" and text.startswith("postgres://"):  # Airflow's name for it
        return f"postgresql{text.removeprefix('postgres')}"
    return text
