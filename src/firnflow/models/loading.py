"""Models from the registry or from a file, with neither the project's code nor what they were trained with."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow._disk import writing
from firnflow.errors import DamagedArtifactError, NotFoundError, StoreError
from firnflow.models.estimators import estimator_of
from firnflow.models.signature import Signature
from firnflow.values import digest as digests
from firnflow.values import modelfile

if TYPE_CHECKING:
    from firnflow.values.model import Model

SUFFIX = ".zip"


def load(
    place: str | Path, project: str | Path | None = None, *, environment: str | None = None, digest: str | None = None
) -> Model:
    """Return a model, checked: its file is what was written, holds no code, and its signature fits it.

    Args:
        place: `"mortgage@champion"`, `"mortgage/3"` or `"mortgage"` (the champion) of the registry; or a file: a
            `Path`, or a text that ends in `.zip`.
        project: the folder of the project whose registry it is, and whose `[models]` may trust further types; default
            for the registry: the one around the working directory. None of its modules is imported.
        environment: of the project.
        digest: hex SHA-256 that the file must have. A file of the artifact store has it as its name, which is checked.

    Raises:
        NotFoundError: there is no such model, version, alias or file.
        DamagedArtifactError: the file is not what was written, or no model.
        UnsafeFormatError: loading it could run code.
        SignatureError: its parts contradict each other.
        MissingExtraError: the library of its estimator is not installed.
    """
    if isinstance(place, Path) or place.endswith(SUFFIX):
        model = _of_file(Path(place), project, environment, digest)
    else:
        model = _of_registry(place, project, environment, digest)
    check(model)
    return model


def save(model: Model, path: str | Path) -> str:
    """Write a model to a file of its own, which `load` reads anywhere, and return its hex SHA-256.

    Args:
        model: the model.
        path: ends in `.zip`; a file that is there is replaced once the new one is complete.

    Raises:
        UnsafeFormatError: it could only be pickled.
        DataError: a part of it is no plain JSON, or its library cannot write it.
        StoreError: the file cannot be written, or its name does not end in `.zip`.
    """
    target = Path(path)
    if target.suffix != SUFFIX:
        raise StoreError(f"{target.name} is no name for a model file: it must end in {SUFFIX}")
    new = target.with_name(f".{target.name}.new")
    with writing(new):
        modelfile.write(model, new, _Trust(), wrapped=True)
        found = digests.of_file(new)
        new.replace(target)
    return found


def check(model: Model) -> None:
    """Raise SignatureError where a model's signature, preprocessing, features and estimator contradict each other."""
    signature = Signature.of(model)
    if signature is not None:
        estimator_of(model, positive=signature.output.positive)


def _of_file(path: Path, project: str | Path | None, environment: str | None, digest: str | None) -> Model:
    if not path.is_file():
        raise NotFoundError(f"There is no model file {path}")
    wanted = digest or (path.stem if re.fullmatch(r"[0-9a-f]{64}", path.stem) else None)
    if wanted is not None and digests.of_file(path) != wanted:
        raise DamagedArtifactError(f"{path} is not what was written: its SHA-256 is not {wanted}")
    model, _ = modelfile.read(path, _trust(project, environment), lambda why: _damaged(path, why))
    return model


def _damaged(path: Path, why: object) -> DamagedArtifactError:
    return DamagedArtifactError(f"{path} cannot be read as a model: {why}. Mend: copy it again from where it was made")


def _of_registry(place: str, project: str | Path | None, environment: str | None, digest: str | None) -> Model:
    from firnflow.models.registry import Registry
    from firnflow.project.settings import find_root, load_settings
    from firnflow.stores import Stores
    from firnflow.stores.state import State

    root = Path(project).absolute() if project is not None else find_root()
    settings = load_settings(root, environment)
    url = settings.state.reveal()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise NotFoundError(f"There is no model {place!r}: nothing has run yet in {root}")  # looking makes no file
    with contextlib.closing(Stores.open(settings, root)) as stores, contextlib.closing(State(url)) as state:
        registry = Registry(state, stores)
        version = registry.get(place)
        if digest is not None and version.digest != digest:
            raise DamagedArtifactError(f"{version.place} has the digest {version.digest}, not {digest}")
        return registry.load(version)


@dataclass(frozen=True)
class _Trust:
    """What may be loaded although it could run code: as a rule nothing."""

    pickle_allowed: frozenset[str] = frozenset()
    skops_trusted: frozenset[str] = frozenset()


def _trust(project: str | Path | None, environment: str | None) -> _Trust:
    if project is None:
        return _Trust()
    from firnflow.project.settings import load_settings

    models = load_settings(Path(project).absolute(), environment).models
    return _Trust(frozenset(models.pickle), frozenset(models.skops_trusted))
