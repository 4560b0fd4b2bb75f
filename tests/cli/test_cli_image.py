"""`firnflow image build` and `push`, by a program that is called docker and only writes down how it was called.

No real image is built here: that the Dockerfile can be read is what BuildKit's own parser says.
"""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

DIGEST = "sha256:" + "ab" * 32
BASE = f"python:{platform.python_version()}-slim-bookworm"
PROD = """
[environments.prod]
orchestrator = "snowflake"

[environments.prod.snowflake]
connection = "no-such-connection"
image = "{image}"
{more}
"""
HASHED = """# by uv
numpy==2.1.0 ; python_version < "4" \\
    --hash=sha256:{0} \\
    --hash=sha256:{0}  # via pandas
lightgbm==4.5.0 --hash=sha256:{0}
""".format("0f" * 32)
DOCKER = f"""#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
case "$*" in
  *"$FAILS"*) echo "daemon: $FAILS" >&2; exit 3;;
  *RepoDigests*) echo '["python@{DIGEST}"]';;
  *".Id"*) [ -e "$CALLS.built" ] && echo id || {{ echo "Error: No such image" >&2; exit 1; }};;
  build*) touch "$CALLS.built";;
esac
"""


@pytest.fixture
def prod(shop, tmp_path, monkeypatch):
    """Return what adds an environment with an image; `docker` on the PATH is a program of the test's own."""

    def make(image="/ml/prod/images/shop:1", more="", *, engine=True, fails="nothing of this", pins=HASHED):
        with shop.root.joinpath("firnflow.toml").open("a") as file:
            file.write(PROD.format(image=image, more=more))
        if pins is not None:
            (shop.root / "requirements.txt").write_text(pins)
        programs = tmp_path / "programs"
        programs.mkdir()
        if engine:
            (programs / "docker").write_text(DOCKER)
            (programs / "docker").chmod(0o755)
        for name in ("sh", "touch"):
            (programs / name).symlink_to(next(p for p in (Path("/bin", name), Path("/usr/bin", name)) if p.exists()))
        monkeypatch.setenv("PATH", str(programs))
        monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
        monkeypatch.setenv("FAILS", fails)
        monkeypatch.setenv("SNOWFLAKE_HOME", str(shop.root / "home"))
        return shop

    return make


def calls(tmp_path):
    """Return how docker was called."""
    file = tmp_path / "calls"
    return file.read_text().splitlines() if file.exists() else []


def parsed(folder):
    """Return the instructions of a Dockerfile as BuildKit reads them: (instruction, is in JSON, words)."""
    dockerfile = pytest.importorskip("dockerfile")
    return [(each.cmd.upper(), each.json, each.value) for each in dockerfile.parse_file(str(folder / "Dockerfile"))]


def test_an_image_is_built_of_a_base_by_digest_with_hashed_requirements_and_without_root(prod, tmp_path):
    shop = prod()
    (shop.root / "secret.pem").write_text("not for images")
    called = shop.call("image", "build", "--env", "prod")
    folder = shop.root / ".firnflow" / "image" / "prod"
    assert (called.code, "Built: ml/prod/images/shop:1" in called.out) == (0, True), called.err
    assert calls(tmp_path) == [
        f"pull --platform linux/amd64 {BASE}",
        f"image inspect --format {{{{json .RepoDigests}}}} {BASE}",
        f"build --platform linux/amd64 --tag=ml/prod/images/shop:1 {folder}",
    ]
    read = parsed(folder)
    assert [name for name, _, _ in read].count("FROM") == 1
    assert read[0] == ("FROM", False, (f"{BASE}@{DIGEST}",))
    runs = [(in_json, words) for name, in_json, words in read if name == "RUN"]
    pip = next(words for in_json, words in runs if in_json)
    assert pip[:4] == ("python", "-m", "pip", "install")
    assert {"--require-hashes", "--no-deps", "--no-cache-dir"} <= set(pip)
    assert any("libgomp1" in words[0] and "rm -rf /var/lib/apt/lists" in words[0] for _, words in runs)
    names = [name for name, _, _ in read]
    assert [words for name, _, words in read if name == "USER"] == [("10001:10001",)]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name in {"RUN", "COPY"})
    assert [words for name, _, words in read if name in {"COPY", "ADD"}] == [
        ("requirements.txt", "/opt/firnflow/requirements.txt")
    ]
    assert sorted(path.name for path in folder.iterdir()) == [".dockerignore", "Dockerfile", "requirements.txt"]
    assert (folder / "requirements.txt").read_text() == HASHED
    assert (folder / ".dockerignore").read_text().split() == ["*", "!requirements.txt"]
    shop.call("image", "build", "--env", "prod")
    assert [each.partition(" ")[0] for each in calls(tmp_path)[3:]] == ["build"]  # the digest is known


def test_what_is_installed_here_is_pinned_where_the_project_pins_nothing(prod):
    shop = prod(more=f'image_base = "python:3.11-slim@{DIGEST}"\nrequirements = ["networkx>=1"]', pins=None)
    called = shop.call("image", "build", "--env", "prod")
    assert (called.code, "without hashes" in called.out) == (0, True), called.err
    folder = shop.root / ".firnflow" / "image" / "prod"
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert all(line.count("==") == 1 for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"duckdb", "ibis-framework", "pydantic", "networkx", "typing-extensions"} <= names
    assert not names & {"firnflow", "fakesnow", "pytest"}
    assert parsed(folder)[0] == ("FROM", False, (f"python:3.11-slim@{DIGEST}",))
    assert not any("--require-hashes" in words for name, _, words in parsed(folder) if name == "RUN")


@pytest.mark.parametrize(
    ("image", "more", "requirements", "message"),
    [
        ("shop:1", "", None, "image = 'shop:1' in [environments.prod.snowflake] is none that can be built"),
        ("/ml/prod/images/-t:1", "", None, "is none that can be built. Mend: '/database/schema/repository/name:tag'"),
        ("/ml/prod/images/shop:1", 'image_base = "x; rm -rf /"', None, "image_base"),
        ("/ml/prod/images/shop:1", "", "numpy>=1\n", "'numpy>=1' is no pinned version"),
        ("/ml/prod/images/shop:1", "", "--index-url https://me:hunter2@here\n", "'--index-url' is no pinned"),
        ("/ml/prod/images/shop:1", "", "a @ https://here/a.whl\n", "is no pinned version"),
        ("/ml/prod/images/shop:1", "", HASHED + "pandas==2.2.0\n", "2 of 3 lines have hashes, and pip wants all or"),
        (
            "/ml/prod/images/shop:1",
            'requirements = ["no-such-thing-at-all"]',
            None,
            "needs no-such-thing-at-all, which",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_before_docker_is_called(prod, tmp_path, image, more, requirements, message):
    shop = prod(image, more, pins=requirements)
    called = shop.call("image", "build", "--env", "prod")
    assert called.code == 2
    assert message in called.err
    assert calls(tmp_path) == []
    assert "hunter2" not in called.err


def test_without_docker_the_folder_is_written_and_the_call_said(prod):
    shop = prod(engine=False)
    asked = shop.call("image", "build", "--env", "prod")
    assert (asked.code, f"Mend: image_base = '{BASE}@sha256:" in asked.err) == (2, True), asked.err
    with shop.root.joinpath("firnflow.toml").open("a") as file:
        file.write(f'image_base = "{BASE}@{DIGEST}"\n')
    called = shop.call("image", "build", "--env", "prod")
    folder = shop.root / ".firnflow" / "image" / "prod"
    said = f"Where one is: docker build --platform linux/amd64 --tag=ml/prod/images/shop:1 {folder}"
    assert (called.code, said in called.err) == (1, True), called.err
    assert parsed(folder)
    assert "neither docker nor podman is here" in shop.call("image", "push", "--env", "prod").err


def test_podman_builds_where_the_daemon_of_docker_is_not_there(prod, tmp_path):
    shop = prod(fails="version", more=f'image_base = "{BASE}@{DIGEST}"')
    podman = tmp_path / "programs" / "podman"
    podman.write_text('#!/bin/sh\nprintf \'podman %s\\n\' "$*" >> "$CALLS"\n')
    podman.chmod(0o755)
    called = shop.call("image", "build", "--env", "prod")
    assert called.code == 0, called.err
    assert [each.split()[:2] for each in calls(tmp_path)] == [["version"], ["podman", "build"]]


def test_what_docker_refuses_is_said(prod):
    shop = prod(fails="build --platform", more=f'image_base = "{BASE}@{DIGEST}"')
    called = shop.call("image", "build", "--env", "prod")
    assert called.code == 1
    assert "`docker build --platform linux/amd64 --tag=ml/prod/images/shop:1" in called.err
    assert "exit code 3" in called.err


def test_an_image_is_pushed_to_the_registry_that_its_name_or_the_account_says(prod, tmp_path):
    shop = prod("/here.registry.snowflakecomputing.com/ml/prod/images/shop:1", f'image_base = "{BASE}@{DIGEST}"')
    early = shop.call("image", "push", "--env", "prod")
    assert (early.code, "Mend: firnflow image build --env prod" in early.err) == (2, True), early.err
    assert shop.call("image", "build", "--env", "prod").code == 0
    called = shop.call("image", "push", "--env", "prod")
    address = "here.registry.snowflakecomputing.com/ml/prod/images/shop:1"
    assert (called.code, f"Pushed: {address}" in called.out) == (0, True), called.err
    assert calls(tmp_path)[-2:] == [f"tag ml/prod/images/shop:1 {address}", f"push {address}"]


def test_an_environment_without_an_image_says_so(shop):
    called = shop.call("image", "build")
    assert (called.code, "has no image: its tasks are ML Jobs, or run elsewhere. Mend: image =" in called.err) == (
        2,
        True,
    )
