"""The part of Snowflake's SQL that deploys: `parse` text to plain data, `render` it again.

Written from the documentation, for kinds of objects that firnflow deploys and that its emulator knows: CREATE, ALTER,
DROP, DESCRIBE, SHOW and COMMENT of them, EXECUTE, CALL, SELECT of system functions, GRANT, REVOKE, USE, ALTER SESSION,
and what moves files. It needs the standard library only.
"""

from __future__ import annotations

from firnflow.targets.snowflake.grammar.cursor import read_name
from firnflow.targets.snowflake.grammar.parse import covers, parse
from firnflow.targets.snowflake.grammar.render import (
    location_text,
    render,
    render_expression,
    render_location,
    render_name,
)
from firnflow.targets.snowflake.grammar.tokens import ParseError

__all__ = [
    "ParseError",
    "covers",
    "location_text",
    "parse",
    "read_name",
    "render",
    "render_expression",
    "render_location",
    "render_name",
]
