"""`firnflow image push`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.cli import _options

if TYPE_CHECKING:
    from firnflow.project import Project


def command(environment: str | None = _options.ENVIRONMENT) -> int:
    """Push an environment's image, which `firnflow image build` has made, to its repository in the account.

    Who pushes has logged in to the registry: `snow spcs image-registry login`.
    """
    from firnflow.cli import _project
    from firnflow.cli._print import say, stdout_is_data
    from firnflow.cli.image import _engine
    from firnflow.cli.image._shared import image_of
    from firnflow.errors import RunError, UsageError

    with stdout_is_data():
        project = _project.load(environment)
    image = image_of(project.root, project.settings)
    engine = _engine.find()
    if engine is None:
        raise UsageError("neither docker nor podman is here. Mend: install one, or push where one is")
    if not engine.has(image.tag):
        option = f" --env {project.settings.environment}"
        raise UsageError(f"there is no image {image.tag} here. Mend: firnflow image build{option}")
    address = f"{image.host or registry_of(project, image.tag)}/{image.tag}"
    try:
        engine.push(image.tag, address)
    except RunError as error:
        raise RunError(
            f"{error}. Mend: log in, `snow spcs image-registry login`; the role needs WRITE on the repository"
        ) from error
    say(f"Pushed: {address}", "green")
    return 0


def registry_of(project: Project, tag: str) -> str:
    """Return the registry of an image's repository, which the account knows.

    Args:
        project: loaded in the environment.
        tag: of the image: `database/schema/repository/name:tag`.

    Raises:
        NotFoundError: there is no such repository, or the role may not see it.
        StoreError: the account cannot be reached.
    """
    from firnflow.errors import NotFoundError
    from firnflow.stores.snowflake.connection import connect
    from firnflow.targets.snowflake.account import Account
    from firnflow.targets.snowflake.grammar import render_name
    from firnflow.targets.snowflake.grammar.values import Name

    parts = [part.upper() for part in tag.split("/")[:3]]
    account = Account(lambda: connect(project.settings, project.root)[0])
    try:
        rows = account.show("IMAGE REPOSITORIES", Name(tuple(parts[:2])), like=parts[2])
    finally:
        account.close()
    found = next((row for row in rows if row["name"] == parts[2]), None)
    if found is None:
        name = render_name(Name(tuple(parts)))
        raise NotFoundError(
            f"there is no image repository {name}, or the role may not see it. Mend: CREATE IMAGE REPOSITORY {name}"
        )
    return str(found["repository_url"]).partition("/")[0]
