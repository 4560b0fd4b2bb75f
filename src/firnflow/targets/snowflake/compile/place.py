"""Where in an account an environment lies: its database and schema, and the names of what is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firnflow.errors import ConfigError, UsageError
from firnflow.stores.snowflake import connection
from firnflow.stores.snowflake.names import LONGEST
from firnflow.targets.snowflake.beside.procedure import LOGS
from firnflow.targets.snowflake.grammar import ParseError, read_name
from firnflow.targets.snowflake.grammar.values import Location, Name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firnflow.project import Project
    from firnflow.project.snowflake import Pool

GRAPH = "task graph"
"""The kind of resource that a pipeline is."""
_MARK = re.compile(r"firnflow project=(\S+) environment=(\S+)")


@dataclass(frozen=True)
class Place:
    """A schema, and whose it is.

    Attributes:
        database: its name, as Snowflake keeps it.
        schema: likewise.
        warehouse: of the tasks.
        stage: where the code goes.
        prefix: of the names of tasks, in capitals.
        project: whose it is.
        environment: likewise.
        has_tags: whether what is made is tagged.
    """

    database: str
    schema: str
    warehouse: Name
    stage: Name
    prefix: str
    project: str
    environment: str
    has_tags: bool = True

    def named(self, name: str) -> Name:
        """Return the full name of something in the schema."""
        return Name((self.database, self.schema, name))

    def full(self, name: Name) -> Name:
        """Return the full name of what may be named without database and schema."""
        return _full(name, (self.database, self.schema))

    @property
    def schema_name(self) -> Name:
        """The schema's full name."""
        return Name((self.database, self.schema))

    @property
    def procedure(self) -> str:
        """The name of the procedure that executes a task: it changes when what the procedure is called with does."""
        return f"{self.prefix}FIRNFLOW_EXEC_V1"

    @property
    def procedure_here(self) -> str:
        """The name of the procedure that executes tasks of tables itself, likewise."""
        return f"{self.prefix}FIRNFLOW_TABLES_V1"

    @property
    def mark(self) -> str:
        """How the comment of what is ours begins: no label has a blank in it."""
        return f"firnflow project={self.project} environment={self.environment}"

    def is_marked(self, comment: str | None) -> bool:
        """Whether a comment is of something of ours."""
        found = _MARK.match(comment or "")
        return found is not None and found.groups() == (self.project, self.environment)

    def is_marked_by_another(self, comment: str | None) -> bool:
        """Whether a comment is of something of another deployment."""
        return _MARK.match(comment or "") is not None and not self.is_marked(comment)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of what is made, and their values."""
        found = {"FIRNFLOW_PROJECT": self.project, "FIRNFLOW_ENVIRONMENT": self.environment}
        return found if self.has_tags else {}

    def tag_text(self, tags: Mapping[str, str] | None = None) -> str:
        """Return tags as text; of what should be tagged, where none are given."""
        return ", ".join(f"{name}={value}" for name, value in (self.tags if tags is None else tags).items())

    def root(self, pipeline: str) -> str:
        """Return the name of a pipeline's root task."""
        return self.prefix + pipeline.upper()

    def task(self, pipeline: str, path: str, element: int | None = None) -> str:
        """Return the name of a task's task. A name in a pipeline has no `$`, so that two tasks never share one.

        Raises:
            UsageError: it is longer than Snowflake takes.
        """
        parts = [self.root(pipeline), *path.upper().split("."), *([] if element is None else [str(element)])]
        name = "$".join(parts)
        if len(name) > LONGEST:
            raise UsageError(
                f"task {path!r} of pipeline {pipeline!r} would be named {name[:40]}… in Snowflake, which takes "
                f"{LONGEST} characters, not {len(name)}. Mend: shorter names of sub-pipelines"
            )
        return name

    @property
    def folder(self) -> str:
        """Below which path of the stage the code of this environment lies."""
        return f"{self.project}-{self.environment}"

    @property
    def logs(self) -> str:
        """Below which path lies what tasks in the warehouse have said: not that of the code, of which all is listed."""
        return f"{LOGS}/{self.folder}"

    def payload(self, digest: str) -> Location:
        """Return where a payload lies."""
        return Location(self.stage, f"{self.folder}/{digest}")


def place_of(project: Project) -> Place:
    """Return where a project's environment lies. Raises ConfigError where that is not said, or wrongly."""
    section = project.settings.snowflake
    database, schema = name_of(project, "database"), name_of(project, "schema")
    for key, name in (("database", database), ("schema", schema)):
        if len(name.parts) != 1:
            raise ConfigError(f"{where(project)}: {key}: one name, without dots, or in double quotes")
    stage = name_of(project, "stage")
    return Place(
        database=database.last,
        schema=schema.last,
        warehouse=name_of(project, "warehouse"),
        stage=_full(stage, (database.last, schema.last)),
        prefix=section.prefix.upper(),
        project=project.settings.project,
        environment=project.settings.environment,
        has_tags=section.tags,
    )


def _full(name: Name, schema: tuple[str, str]) -> Name:
    return Name((*schema[: 3 - len(name.parts)], *name.parts))


def name_of(project: Project, key: str) -> Name:
    """Return the name that a key of the section gives. Raises ConfigError where it gives none, or one that is wrong."""
    text = getattr(project.settings.snowflake, "schema_" if key == "schema" else key)
    if text is None:
        environment = project.settings.environment
        raise ConfigError(
            f"{where(project)}: says not which {key} of Snowflake it is for. Mend: {key} = 'ml' in "
            f"[environments.{environment}.snowflake]"
        )
    return parsed(project, key, text)


def parsed(project: Project, key: str, text: str) -> Name:
    """Return the name that a text of the section is. Raises ConfigError."""
    try:
        return read_name(text)
    except ParseError as error:
        quoted = '"' + text.replace('"', '""') + '"'
        raise ConfigError(
            f"{where(project)}: {key} = {text!r} is no name of Snowflake: {error}. Mend: {key} = '{quoted}'"
        ) from None


def pool_name(project: Project, key: str, pool: Pool) -> Name:
    """Return the name of a compute pool: what the section says, or what it calls the pool. Raises ConfigError."""
    return parsed(project, f"pools.{key}.name", pool.name or f'"{key.upper()}"')


def where(project: Project) -> str:
    """Return the place of the section, for messages."""
    return connection.where(project.settings, project.root)
