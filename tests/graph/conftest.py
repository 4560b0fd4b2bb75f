"""What the tests of the graph share."""

from __future__ import annotations

import linecache
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from firnflow.errors import GraphError


@pytest.fixture
def check_place():
    """Check that an error names the line that ends in `# here`, or the line of the marker that is given."""

    def check(caught: pytest.ExceptionInfo[GraphError], marker: str = "# here") -> None:
        found = re.search(r"\((\S+\.py):(\d+)\)\.", str(caught.value))
        assert found, f"no file and line in: {caught.value}"
        path = Path(found[1]) if Path(found[1]).is_absolute() else Path.cwd() / found[1]
        line = linecache.getline(str(path), int(found[2]))
        assert marker in line, f"{caught.value}\nnames the line: {line}"

    return check
