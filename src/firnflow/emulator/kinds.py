"""The kinds of objects: where each stands, what it is called in a list, and which privilege makes one.

Containers: https://docs.snowflake.com/en/sql-reference/ddl-database
Privileges: https://docs.snowflake.com/en/user-guide/security-access-control-privileges
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of object.

    Attributes:
        word: as statements say it, e.g. `COMPUTE POOL`.
        plural: as SHOW says it.
        depth: parts of a full name: 1 in the account, 2 in a database, 3 in a schema.
        privileges: what can be granted on one, besides OWNERSHIP.
    """

    word: str
    plural: str
    depth: int
    privileges: tuple[str, ...] = ()

    @property
    def create(self) -> str:
        """The privilege on the container that making one needs."""
        return f"CREATE {self.word}"


_TABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "EVOLVE SCHEMA", "APPLYBUDGET")
_KINDS = (
    Kind("DATABASE", "DATABASES", 1, ("USAGE", "MONITOR", "MODIFY", "CREATE SCHEMA", "CREATE DATABASE ROLE")),
    Kind("SCHEMA", "SCHEMAS", 2, ("USAGE", "MONITOR", "MODIFY", "ADD SEARCH OPTIMIZATION")),
    Kind("WAREHOUSE", "WAREHOUSES", 1, ("USAGE", "OPERATE", "MONITOR", "MODIFY", "APPLYBUDGET")),
    Kind("ROLE", "ROLES", 1, ("USAGE",)),
    Kind("USER", "USERS", 1, ("MONITOR",)),
    Kind("COMPUTE POOL", "COMPUTE POOLS", 1, ("USAGE", "OPERATE", "MONITOR", "MODIFY", "APPLYBUDGET")),
    Kind("INTEGRATION", "INTEGRATIONS", 1, ("USAGE", "USE_ANY_ROLE")),
    Kind("TABLE", "TABLES", 3, _TABLE),
    Kind("DYNAMIC TABLE", "DYNAMIC TABLES", 3, ("SELECT", "MONITOR", "OPERATE")),
    Kind("VIEW", "VIEWS", 3, ("SELECT", "REFERENCES")),
    Kind("STAGE", "STAGES", 3, ("READ", "WRITE", "USAGE")),
    Kind("FILE FORMAT", "FILE FORMATS", 3, ("USAGE",)),
    Kind("SEQUENCE", "SEQUENCES", 3, ("USAGE",)),
    Kind("TASK", "TASKS", 3, ("MONITOR", "OPERATE")),
    Kind("SECRET", "SECRETS", 3, ("USAGE", "READ")),
    Kind("TAG", "TAGS", 3, ("APPLY", "READ")),
    Kind("IMAGE REPOSITORY", "IMAGE REPOSITORIES", 3, ("READ", "WRITE")),
    Kind("SERVICE", "SERVICES", 3, ("USAGE", "MONITOR", "OPERATE")),
    Kind("PROCEDURE", "PROCEDURES", 3, ("USAGE",)),
    Kind("FUNCTION", "FUNCTIONS", 3, ("USAGE",)),
    Kind("STREAM", "STREAMS", 3, ("SELECT",)),
    Kind("MODEL", "MODELS", 3, ("USAGE", "READ")),
    Kind("MODEL MONITOR", "MODEL MONITORS", 3, ("USAGE", "MODIFY")),
    Kind("DATASET", "DATASETS", 3, ("USAGE",)),
    Kind("EXPERIMENT", "EXPERIMENTS", 3, ("USAGE",)),
    Kind("NETWORK RULE", "NETWORK RULES", 3),
)
KINDS = {kind.word: kind for kind in _KINDS}
"""By the word that statements use."""
PLURALS = {kind.plural: kind for kind in _KINDS}
"""By the word that SHOW uses."""
RELATIONS = ("TABLE", "DYNAMIC TABLE", "VIEW")
"""Kinds that share their names: https://docs.snowflake.com/en/sql-reference/sql/create-table"""
ACCOUNT_PRIVILEGES = (
    *("CREATE DATABASE", "CREATE WAREHOUSE", "CREATE ROLE", "CREATE USER", "CREATE COMPUTE POOL", "CREATE INTEGRATION"),
    *("EXECUTE TASK", "EXECUTE MANAGED TASK", "EXECUTE ALERT", "MANAGE GRANTS", "MANAGE WAREHOUSES", "MONITOR USAGE"),
    *("MONITOR EXECUTION", "APPLY TAG", "IMPORT SHARE", "CREATE ACCOUNT", "MONITOR", "BIND SERVICE ENDPOINT"),
)
"""What can be granted on the account."""


def create_privileges(container: str) -> tuple[str, ...]:
    """Return the privileges to make objects in a `SCHEMA`, beside those of the container itself."""
    return tuple(kind.create for kind in _KINDS if kind.depth == 3) if container == "SCHEMA" else ()
