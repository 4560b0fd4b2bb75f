from __future__ import annotations

import pytest

from firnflow.errors import UsageError
from firnflow.stores.snowflake.names import full_name


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("s", "db.sc.s"),
        ("x.s", "db.x.s"),
        ("a.x.s", "a.x.s"),
        ('"a.b"', 'db.sc."a.b"'),
        ('x."a""b"', 'db.x."a""b"'),
        ("_a$1", "db.sc._a$1"),
    ],
)
def test_a_name_gets_what_it_does_not_say(name: str, full: str) -> None:
    assert full_name(name, "db", "sc") == full


@pytest.mark.parametrize("name", ["", "a b", "a;", "a.", ".a", "a..b", '"a', 'a"', "a.b.c.d", "1a", "a'", "ä", '"a\n"'])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"is no name in Snowflake\. Mend: put it in double quotes"):
        full_name(name, "db", "sc")
    with pytest.raises(UsageError):
        full_name("s", name, "sc")
