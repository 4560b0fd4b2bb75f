"""Where tables of ours are in Snowflake: what stands in refs, and their names.

A table has a name that nobody else has: `FIRNFLOW$`, the beginning of the id of the state that refers to it, so that
nobody drops what another one needs, and a number made by chance. What was loaded from a Parquet file is named after the
digest of the file, so that it is loaded once.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from pathlib import PurePosixPath

from firnflow import _sql
from firnflow.errors import DamagedArtifactError
from firnflow.stores.snowflake.names import LONGEST

SCHEME = "snowflake:"
PREFIX = "FIRNFLOW$"
_PART = r'"((?:[^"\x00-\x1f\x7f]|""){1,510})"'
_WHERE = re.compile(rf'{SCHEME}{_PART}\.{_PART}\."([A-Za-z0-9_$]{{1,{LONGEST}}})"')
_DIGITS = 40  # of a digest in a name: 160 bits


@dataclass(frozen=True, slots=True)
class Place:
    """A table.

    Attributes:
        database: its name, as Snowflake keeps it.
        schema: likewise.
        name: likewise.
    """

    database: str
    schema: str
    name: str

    @property
    def sql(self) -> str:
        """The full name, as SQL."""
        return ".".join(map(_sql.identifier, (self.database, self.schema, self.name)))

    @property
    def where(self) -> str:
        """What stands in refs."""
        return f"{SCHEME}{self.sql}"

    @classmethod
    def of(cls, where: str) -> Place:
        """Return the place that stands in a ref. Raises DamagedArtifactError where it is none of ours."""
        match = _WHERE.fullmatch(where)
        if match is None:
            raise DamagedArtifactError(
                f"{where!r:.300} is no table of ours in Snowflake. Mend: `firnflow run` with --no-cache makes it anew"
            )
        return cls(match[1].replace('""', '"'), match[2].replace('""', '"'), match[3])


def is_table(where: str) -> bool:
    """Return whether what stands in a ref is a table in Snowflake, not an object of the artifact store."""
    return where.startswith(SCHEME)


def prefix(owner: str) -> str:
    """Return how the names of all tables begin that a state refers to, whose id is given."""
    return f"{PREFIX}{owner[:12].upper()}_"


def fresh(owner: str) -> str:
    """Return a name that nobody else has."""
    return f"{prefix(owner)}{uuid.uuid4().hex.upper()}"


def loaded(owner: str, digest: str) -> str:
    """Return the name of what is loaded from a file of this digest."""
    return f"{prefix(owner)}L{digest[:_DIGITS].upper()}"


def digest_in(where: str) -> str:
    """Return the digest that an object's place in the artifact store holds."""
    return PurePosixPath(where).name.partition(".")[0]
