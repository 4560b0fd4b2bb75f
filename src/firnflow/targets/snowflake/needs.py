"""What an environment needs its role to be granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.errors import ConfigError
from firnflow.models.tracking import backend_of
from firnflow.project.account_url import SCHEME
from firnflow.targets.snowflake.compile.place import Place, parsed, pool_name, where
from firnflow.targets.snowflake.compile.sides import Sides
from firnflow.targets.snowflake.grammar.values import Name
from firnflow.targets.snowflake.grants import Need
from firnflow.targets.snowflake.outside import kinds_of as outside_kinds

if TYPE_CHECKING:
    from firnflow.project import Project, Settings


def needs_of(project: Project, place: Place) -> list[Need]:
    """Return what the role needs to deploy, and to run what is deployed.

    Tasks and jobs run with the role that owns them: https://docs.snowflake.com/en/user-guide/tasks-intro,
    https://docs.snowflake.com/en/sql-reference/sql/execute-job-service (Access control requirements).
    """
    section, schema = project.settings.snowflake, place.schema_name
    jobs = ("SERVICE",) if Sides(project).has_jobs(each.build() for each in project.pipelines.values()) else ()
    made = any(pool.family is not None for pool in section.pools.values())
    used = [pool_name(project, key, pool) for key, pool in section.pools.items() if pool.family is None]
    outside = [parsed(project, "integrations", each) for each in section.integrations]
    secrets = [place.full(parsed(project, "secrets", each)) for each in section.secrets.values()]
    repositories = _repositories(project)
    schemas = {each.parts[:2]: None for each in (schema, place.stage, *repositories, *secrets)}
    return [
        *(Need("USAGE", "DATABASE", Name((database,))) for database in dict.fromkeys(each[0] for each in schemas)),
        *(Need("USAGE", "SCHEMA", Name(each)) for each in schemas),
        *(Need(f"CREATE {kind}", "SCHEMA", schema) for kind in dict.fromkeys(_made(project.settings, jobs))),
        *([Need("CREATE SCHEMA", "DATABASE", Name((place.database,)))] if _has_state(project.settings) else []),
        Need("USAGE", "WAREHOUSE", place.warehouse),
        Need("EXECUTE TASK", "ACCOUNT", None),
        *([Need("CREATE COMPUTE POOL", "ACCOUNT", None)] if made else []),
        *(Need("USAGE", "COMPUTE POOL", name) for name in used),
        *(Need("READ", "IMAGE REPOSITORY", name) for name in repositories),
        *(Need("USAGE", "INTEGRATION", name) for name in outside),
        *(Need("READ", "SECRET", name) for name in secrets),
        *(Need(f"CREATE {kind}", "SCHEMA", schema) for kind in outside_kinds(project)),
    ]


def _made(settings: Settings, jobs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the kinds of objects that are made there: by apply, and by runs."""
    tags = ("TAG",) if settings.snowflake.tags else ()
    return ("TASK", "STAGE", "PROCEDURE", *jobs, *tags, *_shown(settings))


def _shown(settings: Settings) -> tuple[str, ...]:
    """Return the kinds of objects that runs make there: values, named tables, and what shows runs, models, features."""
    told: tuple[str, ...] = ()
    if backend_of(settings) == "snowflake":
        told = ("EXPERIMENT", "MODEL", *(("MODEL MONITOR",) if settings.monitors else ()))
    made = ("DYNAMIC TABLE", "TABLE", "TAG", "VIEW") if settings.features == "snowflake" else ()
    tables = ("TABLE", "VIEW") if settings.warehouse == "snowflake" else ()
    return (*told, *dict.fromkeys([*made, *tables]))


def _has_state(settings: Settings) -> bool:
    """Whether the state is there, in a schema that the first who needs it makes."""
    return settings.state.reference.partition(":")[0] == SCHEME


def _repositories(project: Project) -> list[Name]:
    """Return the repository of the image: `/db/schema/repository/name:tag`, in small letters, behind a host or not.

    https://docs.snowflake.com/en/developer-guide/snowpark-container-services/working-with-registry-repository

    Raises:
        ConfigError: it is no such path.
    """
    image = project.settings.snowflake.image
    if image is None:
        return []
    parts = image.strip("/").split("/")
    if not 4 <= len(parts) <= 5 or not all(parts):
        raise ConfigError(
            f"{where(project)}: image = {image!r} is no image of Snowflake. Mend: image = "
            "'/database/schema/repository/name:tag'"
        )
    return [Name(tuple(part.upper() for part in parts[-4:-1]))]
