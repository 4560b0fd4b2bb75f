"""`firnflow image build`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from firnflow.cli import _options

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.cli.image._engine import Engine


def command(environment: str | None = _options.ENVIRONMENT) -> int:
    """Build an environment's image, by Docker or Podman; without them, write the folder and say what to run."""
    from firnflow.cli import _project
    from firnflow.cli._print import say
    from firnflow.cli.image import _dockerfile, _engine
    from firnflow.cli.image._requirements import requirements_of
    from firnflow.cli.image._shared import image_of

    root, settings = _project.settings_of(environment)
    image = image_of(root, settings)
    requirements = requirements_of(root, settings.snowflake.requirements)
    engine = _engine.find()
    base = _base(image.folder, settings.snowflake.image_base or _dockerfile.default_base(), engine)
    _dockerfile.write(image.folder, _dockerfile.dockerfile(base, requirements, settings.project), requirements)
    say(f"Written: {image.folder}, of {base}; requirements: {requirements.origin}")
    if not requirements.is_hashed:
        say("Note: the requirements are pinned, but without hashes of their files. Mend: uv pip compile", "yellow")
    if engine is None:
        words = ["docker", "build", "--platform", _engine.PLATFORM, f"--tag={image.tag}", str(image.folder)]
        say(f"Not built: neither docker nor podman is here. Where one is: {shlex.join(words)}", "yellow", stderr=True)
        return 1
    engine.build(image.folder, image.tag)
    say(f"Built: {image.tag}", "green")
    say(f"Bring it to the account: firnflow image push --env {settings.environment}")
    return 0


def _base(folder: Path, base: str, engine: Engine | None) -> str:
    """Return the image below, by its digest: as given, as found before, or as its registry says now.

    Raises:
        UsageError: nobody is there who could ask for the digest.
        RunError: asking has failed.
    """
    from firnflow.cli._print import say
    from firnflow.cli.image._dockerfile import DIGEST, pinned_before
    from firnflow.errors import UsageError

    if DIGEST.search(base):
        return base
    if (before := pinned_before(folder, base)) is not None:
        return before
    if engine is None:
        raise UsageError(
            f"which image is {base} now? Neither docker nor podman is here to ask. Mend: image_base = "
            f"'{base}@sha256:…' in the section, by what `docker buildx imagetools inspect {base}` says where one is"
        )
    found = engine.pinned(base)
    say(f"Note: image_base = '{found}' in the section would keep it so for everybody", "yellow")
    return found
