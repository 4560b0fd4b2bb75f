"""`firnflow sources` and `firnflow data track`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from firnflow.cli import _checks


@pytest.mark.server
def test_sources(shop, s3_url):
    import fsspec

    s3 = fsspec.filesystem("s3")
    s3.pipe({f"{s3_url}/clicks/{day}.jsonl": b'{"a": 1}\n' for day in ("2026-01-01", "2026-01-02")})
    with (shop.root / "catalog.toml").open("a") as file:
        file.write(f'[clicks]\nurl = "{s3_url}/clicks/{{partition}}.jsonl"\n[gone]\npath = "nothing.csv"\n')
        file.write('[crm]\nquery = "SELECT 1"\nconnection = "env:NOT_SET"\n')
    called = shop.call("sources")
    assert called.code == 1
    lines = {line.split()[0]: line for line in called.out.splitlines()}
    assert lines["clicks"].split()[1:6] == [f"{s3_url}/clicks/{{partition}}.jsonl", "jsonl", "2", "18", "B"]
    assert lines["orders"].split()[1:] == ["orders.csv", "csv", "1", "11", "B", "just", "now", "yes"]
    assert lines["gone"].endswith("no")
    assert "gone: there is no file" in called.err
    assert "the environment variable NOT_SET is not set. Mend: export NOT_SET" in called.err

    called = shop.call("sources", "clicks")
    assert (called.err, called.code) == ("", 0)
    assert "2 files of jsonl, 18 B" in called.out
    assert f"{s3_url}/clicks/2026-01-02.jsonl" in called.out
    assert "… 1 more" in shop.call("sources", "clicks", "--limit", "1").out

    found = shop.call("sources", "clicks", "--json").json
    assert (found["files"], found["bytes"], found["readable"], found["problem"]) == (2, 18, True, None)
    assert {each["file"] for each in found["list"]} == {f"{s3_url}/clicks/2026-01-0{day}.jsonl" for day in (1, 2)}
    assert [each["readable"] for each in shop.call("sources", "--json").json] == [True, False, False, True]
    called = shop.call("sources", "order")
    assert (called.code, "Did you mean 'orders'?" in called.err) == (2, True)


def test_a_project_without_sources(shop):
    (shop.root / "catalog.toml").unlink()
    called = shop.call("sources")
    assert called.code == 0
    assert called.out.startswith("There is no source. Write one into catalog.toml")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(shop):
    (shop.root / "orders.csv").chmod(0)
    called = shop.call("sources")
    assert (called.code, "may not be read by this user" in called.err) == (1, True)


@pytest.mark.slow
def test_tracking_a_file_and_reading_a_version_of_it(shop, monkeypatch):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Zoë")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "zoe@example.com")
    assert "is in no git repository. Mend: git init" in shop.call("data", "track", "orders.csv").err
    subprocess.run(f"git init -q . && {sys.executable} -m dvc init -q", shell=True, cwd=shop.root, check=True)
    called = shop.call("data", "track", "orders.csv")
    assert called.code == 0
    assert called.out.startswith("orders.csv is tracked. Staged: .gitignore, orders.csv.dvc\nCommit it:  git commit -m")
    subprocess.run("git commit -q -m 'Track orders.csv'", shell=True, cwd=shop.root, check=True)
    (shop.root / "orders.csv").write_text("amount\n1\n2\n3\n")
    catalog = (shop.root / "catalog.toml").read_text()
    (shop.root / "catalog.toml").write_text(catalog.replace('"orders.csv"\n', '"orders.csv"\nrevision = "HEAD"\n'))
    assert shop.call("run", "sourced", "-q").code == 0
    assert shop.call("output", "read").out.split()[-1] == "2"
    subprocess.run("git commit -q --allow-empty -m 'The same once more'", shell=True, cwd=shop.root, check=True)
    assert shop.call("run", "sourced", "-q").code == 0
    assert {each.status for each in shop.state.attempts(shop.newest().id)} == {"cached"}


def test_the_doctor_looks_for_files_of_any_partition(shop):
    (shop.root / "catalog.toml").write_text(
        '[there]\npath = "in/{partition}.csv"\n[gone]\npath = "out/{partition}.csv"\n'
        '[kept]\npath = "x.csv"\nrevision = "v1"\n'
    )
    (shop.root / "in").mkdir()
    (shop.root / "in" / "2026-01-01.csv").write_text("a\n1\n")
    found = [each.message for each in _checks.project_files(shop.root, None) if each.state == "warning"]
    assert found == ["[gone]: there is no file out/{partition}.csv"]
