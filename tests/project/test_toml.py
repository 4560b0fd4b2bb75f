from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from firnflow.errors import ConfigError
from firnflow.project.toml import MOST_BYTES, STRICT, line_of, read_toml, validated

if TYPE_CHECKING:
    from pathlib import Path


class Deep(BaseModel):
    model_config = STRICT
    value: object = None


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a = 1\nb = '\xff'", r":2 is not UTF-8"),
        (b"a = '\x00'", "is no TOML: .*character"),
        (b"\x00" * 1000, "is no TOML"),
        (b"a = 1\na = 2", "is no TOML: Cannot overwrite a value"),
        (b"[a]\n[a]", r"is no TOML: Cannot declare \('a',\) twice"),
        (b"a = " + b"[" * 20_000, "nests its values too deeply|is no TOML"),
        (b"a = " + b"{b=" * 20_000, "nests its values too deeply|is no TOML"),
        (b"a = " + b"9" * 20_000, "is no TOML: Exceeds the limit"),
        (b"a = ", r"is no TOML: Invalid value \(at end of document\)"),
        (b"# " + b"x" * MOST_BYTES, "is larger than 1,000,000 bytes"),
        (b"<<<<<<< HEAD", "is no TOML"),
    ],
)
def test_a_hostile_file_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "firnflow.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=message):
        read_toml(path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing.toml cannot be read: No such file"):
        read_toml(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        read_toml(tmp_path)


def test_a_byte_order_mark_and_windows_lines_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "firnflow.toml"
    path.write_bytes(b"\xef\xbb\xbf[a]\r\nb = 'x'\r\n")
    assert read_toml(path).data == {"a": {"b": "x"}}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("toml") / "x.toml"
    path.write_bytes(raw)
    try:
        read_toml(path)
    except ConfigError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is right


def test_lines_are_found() -> None:
    text = '[project]\nname = "x"\n[environments.prod]\nworkers = 3\n[a."b c".d]\ne.f = 1\n'
    assert line_of(text, ("project",)) == 1
    assert line_of(text, ("project", "name")) == 2
    assert line_of(text, ("environments", "prod", "workers")) == 4
    assert line_of(text, ("a", "b c", "d", "e", "f")) == 6
    assert line_of(text, ("a",)) == 5
    assert line_of(text, ("a", "b c", "missing")) == 5
    assert line_of(text, ("z",)) is None
    assert line_of("[a]\n[a.b]\nx = 1\n", ("a", "c")) == 1


@given(st.text(max_size=300), st.lists(st.text(max_size=5), max_size=4))
def test_looking_for_a_line_never_fails(text: str, keys: list[str]) -> None:
    line_of(text, tuple(keys))


def test_what_was_written_is_not_repeated() -> None:
    class Model(BaseModel):
        model_config = STRICT
        count: int

    with pytest.raises(ConfigError, match=r"^here: count: it should be a valid integer") as caught:
        validated(Model, {"count": "canary-secret"}, lambda keys: f"here: {keys[-1]}")
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__
