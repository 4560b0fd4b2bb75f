"""What DVC keeps as a source, in real git and DVC repositories."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from firnflow.errors import ConfigError, DamagedArtifactError, MissingExtraError, NotFoundError, StoreError, UsageError
from firnflow.project.catalog import Source
from firnflow.stores.sources import fingerprint, read_source
from firnflow.stores.sources.track import Tracked, track

if TYPE_CHECKING:
    from firnflow.stores import Stores


def git(folder: Path, *arguments: str) -> None:
    known = ("-c", "user.name=Zoë", "-c", "user.email=zoe@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", "-C", folder, *known, *arguments], check=True, capture_output=True)


def commit(folder: Path, tag: str) -> None:
    git(folder, "commit", "-q", "-m", tag)
    git(folder, "tag", tag)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty git repository."""
    for kind in ("GLOBAL", "SYSTEM"):  # what this machine's DVC and git are told is nothing to the test
        monkeypatch.setenv(f"DVC_{kind}_CONFIG_DIR", str(tmp_path / "dvc-config"))
        monkeypatch.setenv(f"GIT_CONFIG_{kind}", "/dev/null")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site"))
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    return folder


@pytest.fixture
def kept(repository: Path) -> Path:
    """A repository with two versions of a file under DVC, and a folder."""
    (repository / "data" / "by day").mkdir(parents=True)
    for day in "123":
        (repository / "data" / "by day" / f"{day}.csv").write_text(f"a\n{day}\n")
    (repository / "data" / "Aufträge.csv").write_text("a\n1\n")
    for command in (["init"], ["add", "data/Aufträge.csv", "data/by day"]):
        subprocess.run([sys.executable, "-m", "dvc", *command, "-q"], cwd=repository, check=True)
    git(repository, "add", "--all")
    commit(repository, "v1.0")
    (repository / "data" / "Aufträge.csv").write_text("a\n2\n")
    assert track(repository / "data" / "Aufträge.csv") == Tracked("data/Aufträge.csv", ("data/Aufträge.csv.dvc",))
    commit(repository, "v1.2")
    (repository / "README.md").write_text("another commit\n")
    git(repository, "add", "README.md")
    commit(repository, "v1.3")
    return repository


def rows(stores: Stores, root: Path, path: str = "data/Aufträge.csv", **spec: Any) -> list[int]:
    found = read_source(Source(name="orders", path=path, **spec), stores, root)
    return [row["a"] for row in found.to_pyarrow().to_pylist()]


@pytest.mark.slow  # each call of DVC takes a second
def test_versions_of_a_file(kept: Path, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(revision: str, root: Path = kept, **more: Any) -> str:
        return fingerprint(Source(name="orders", path="data/Aufträge.csv", revision=revision, **more), root)

    assert digest("v1.0") != digest("v1.2")
    assert digest("v1.2") == digest("v1.3") == digest("main")  # the content counts, and not what it is called
    assert digest("v1.2", tmp_path, repo="project") == digest("v1.2")
    (content,) = (kept / ".dvc/cache/files/md5/34").iterdir()  # of v1.0; its digest needs no content
    before = content.read_bytes()
    content.chmod(0o644)
    content.write_bytes(b"a\r\n1\r\n")  # DVC 2 took no notice of how lines end
    assert rows(stores, kept, revision="v1.0") == [1]
    content.write_bytes(before.replace(b"1", b"7"))
    with pytest.raises(DamagedArtifactError, match="is not what was tracked: its MD5 is not 34ff"):
        rows(stores, kept, revision="v1.0")
    content.unlink()
    with pytest.raises(StoreError, match=r"at v1.0 is neither in DVC's cache nor in its remote. Mend: dvc push"):
        rows(stores, kept, revision="v1.0")

    (kept / "data" / "Aufträge.csv").write_text("a\n99\n")
    assert rows(stores, kept) == [99]  # without a revision it is a file like others
    assert rows(stores, kept, revision="v1.2") == [2]
    assert rows(stores, kept, path="data/by day/[3-9].csv", revision="v1.3") == [3]
    with pytest.raises(NotFoundError, match=r"no file data/Auftrage.csv at revision v1.3. Did you mean 'data/Aufträge"):
        rows(stores, kept, path="data/Auftrage.csv", revision="v1.3")

    monkeypatch.chdir(kept / "data")
    with pytest.raises(NotFoundError, match=r"there is no file Auftrage.csv. Did you mean 'Aufträge.csv'"):
        track(Path("Auftrage.csv"))
    with pytest.raises(UsageError, match=r"git keeps README.md itself. Mend: git rm -r --cached 'README.md'"):
        track(kept / "README.md")
    Path("-q; rm x$(y).csv").write_text("a\n1\n")
    assert set(track(Path("-q; rm x$(y).csv")).staged) == {"data/-q; rm x$(y).csv.dvc", "data/.gitignore"}
    commit(kept, "v1.4")
    assert track(Path("-q; rm x$(y).csv")).staged == ()


def test_what_is_no_place_for_versions(repository: Path, stores: Stores, tmp_path: Path) -> None:
    (repository / "orders.csv").write_text("a\n1\n")
    with pytest.raises(ConfigError, match=r"is not set up for DVC. Mend: dvc init"):
        rows(stores, repository, path="orders.csv", revision="HEAD")
    with pytest.raises(ConfigError, match=r"is not set up for DVC. Mend: dvc init"):
        track(repository / "orders.csv")
    with pytest.raises(ConfigError, match=r"is in no git repository. Mend: git init, then dvc init"):
        rows(stores, tmp_path, path="orders.csv", revision="HEAD")
    with pytest.raises(ConfigError, match="is outside the git repository"):
        rows(stores, repository, path="../x.csv", revision="HEAD")
    (repository / ".dvc").mkdir()
    with pytest.raises(NotFoundError, match=r"there is no revision 'v1' in .* It has no commit yet"):
        rows(stores, repository, path="orders.csv", revision="v1")
    git(repository, "add", "orders.csv")
    commit(repository, "v1.0")
    with pytest.raises(NotFoundError, match=r"there is no revision 'v1' in .* Did you mean 'v1.0'"):
        rows(stores, repository, path="orders.csv", revision="v1")


def test_without_the_extra(repository: Path, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / ".dvc").mkdir()
    git(repository, "commit", "-q", "--allow-empty", "-m", "v1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"dvc is not installed. Mend: pip install .*\[dvc\]"):
        rows(stores, repository, path="orders.csv", revision="HEAD")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"revision": "--upload-pack=x"}, "revision"),
        ({"revision": "a b"}, "revision"),
        ({"repo": "-x"}, "repo"),
        ({"repo": "ext::sh -c touch% x"}, "no git repository"),
        ({"repo": "ftp://host/x"}, "no git repository"),
        ({"repo": "https://me:canary-pw@host/x"}, "holds a password"),
        ({"path": None, "url": "s3://b/x.csv", "revision": "v1"}, "`revision` and `repo` belong to a `path`"),
    ],
)
def test_hostile_and_wrong_declarations(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Source.model_validate({"name": "orders", "path": "orders.csv", **spec})
