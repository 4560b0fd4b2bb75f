"""How an extra is installed, as messages say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from firnflow import _install
from firnflow.errors import MissingExtraError

ROOT = Path(__file__).resolve().parents[1]


def test_in_a_clone_it_is_the_clone_that_is_installed_again():
    assert _install.how_to_install("s3") == f"pip install -e '{ROOT}[s3]'"


def test_elsewhere_it_is_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(_install, "_CLONE", tmp_path)
    with pytest.raises(MissingExtraError, match=r"^s3fs is not installed\. Mend: pip install 'firnflow\[s3\]'$"):
        raise MissingExtraError("s3fs", "s3")


def test_a_library_without_an_extra_is_installed_by_its_name():
    with pytest.raises(MissingExtraError, match=r"^gcsfs is not installed\. Mend: pip install gcsfs$"):
        raise MissingExtraError("gcsfs")
