"""What `firnflow image build` and `push` share: which image it is, and where it is built."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from firnflow.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project.settings import Settings

_NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
_PATH = re.compile(
    rf"/?(?:(?P<host>[a-z0-9.-]+\.[a-z]+(?::\d+)?)/)?(?P<path>{_NAME}(?:/{_NAME}){{3}}:[\w][\w.-]{{0,127}})"
)


class Image(NamedTuple):
    """An image of an environment.

    Attributes:
        tag: what it is called here: `database/schema/repository/name:tag`.
        host: of the registry; None: the account says it.
        folder: what it is built of.
    """

    tag: str
    host: str | None
    folder: Path


def image_of(root: Path, settings: Settings) -> Image:
    """Return the image of an environment.

    Raises:
        UsageError: it has none.
        ConfigError: what the section says is none that can be built.
    """
    name, text = settings.environment, settings.snowflake.image
    if text is None:
        raise UsageError(
            f"Environment {name!r} has no image: its tasks are ML Jobs, or run elsewhere. Mend: image = "
            f"'/database/schema/repository/name:tag' in [environments.{name}.snowflake]"
        )
    found = _PATH.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"image = {text!r} in [environments.{name}.snowflake] is none that can be built. Mend: "
            "'/database/schema/repository/name:tag', in small letters"
        )
    return Image(found["path"], found["host"], root / ".firnflow" / "image" / name)
