from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from firnflow.project.settings import load_settings
from firnflow.stores import Stores

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_stores_of_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRNFLOW_ENV", raising=False)
    (tmp_path / "firnflow.toml").write_text(
        '[project]\nname = "x"\n[environments.local]\nmemory = "1Gi"\nthreads = 1\n[models]\npickle = ["my.Model"]\n'
    )
    stores = Stores.open(load_settings(tmp_path), tmp_path)
    assert not (tmp_path / ".firnflow").exists()
    assert stores.pickle_allowed == {"my.Model"}
    assert stores.skops_trusted == frozenset()
    assert stores.warehouse.memory == 2**30
    path = stores.scratch("json")
    path.write_bytes(b"{}")
    where = stores.put(path, "ab" * 32, "json")
    assert stores.local(where) == tmp_path / ".firnflow/artifacts" / where
    assert stores.warehouse.sql("SELECT 1 AS a", {}).a.execute().tolist() == [1]
    stores.close()


def test_stores_load_no_heavy_library() -> None:
    heavy = "duckdb ibis sqlalchemy pandas numpy pyarrow fsspec"
    code = f"import sys, firnflow.stores; print([name for name in {heavy.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
