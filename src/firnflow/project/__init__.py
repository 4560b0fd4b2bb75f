"""The project as its owner wrote it: settings, catalog, pipelines. Loads no heavy library, and each part when used.

A verb that only reads the settings waits for neither the catalog's models nor the graph's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firnflow.project.catalog import Source as Source
    from firnflow.project.catalog import load_catalog as load_catalog
    from firnflow.project.load import Project as Project
    from firnflow.project.load import load_project as load_project
    from firnflow.project.secrets import Secret as Secret
    from firnflow.project.secrets import redact as redact
    from firnflow.project.settings import Settings as Settings
    from firnflow.project.settings import find_root as find_root
    from firnflow.project.settings import load_settings as load_settings

_PUBLIC = {
    "Project": "load",
    "Secret": "secrets",
    "Settings": "settings",
    "Source": "catalog",
    "find_root": "settings",
    "load_catalog": "catalog",
    "load_project": "load",
    "load_settings": "settings",
    "redact": "secrets",
}
__all__ = [*_PUBLIC]  # noqa: PLE0604 - names, all of them strings


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
