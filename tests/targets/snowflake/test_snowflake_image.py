"""`firnflow image push` asks the account where the registry of an image's repository is."""

from __future__ import annotations

import pytest

from firnflow.cli.image.push import registry_of
from firnflow.errors import NotFoundError

pytestmark = [pytest.mark.slow, pytest.mark.server]


def test_the_account_says_where_the_registry_is(project, connect, monkeypatch):
    monkeypatch.setattr("firnflow.stores.snowflake.connection.connect", lambda *_: (connect(), []))
    made = project()
    with pytest.raises(NotFoundError, match=r"Mend: CREATE IMAGE REPOSITORY PUSHED\.S\.IMAGES"):
        registry_of(made, "pushed/s/images/shop:1")
    admin = connect().cursor()
    for each in ("DATABASE PUSHED", "SCHEMA PUSHED.S", "IMAGE REPOSITORY PUSHED.S.IMAGES_2"):
        admin.execute(f"CREATE {each}")
    with pytest.raises(NotFoundError, match="there is no image repository"):
        registry_of(made, "pushed/s/images/shop:1")
    admin.execute("CREATE IMAGE REPOSITORY PUSHED.S.IMAGES")
    assert registry_of(made, "pushed/s/images/shop:1") == "firnflow-emulator.registry.snowflakecomputing.com"
