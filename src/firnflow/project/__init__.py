"""The project as its owner wrote it: settings, catalog, pipelines. Loads no heavy library."""

from __future__ import annotations

from firnflow.project.catalog import Source, load_catalog
from firnflow.project.load import Project, load_project
from firnflow.project.secrets import Secret, redact
from firnflow.project.settings import Settings, find_root, load_settings

__all__ = [
    "Project",
    "Secret",
    "Settings",
    "Source",
    "find_root",
    "load_catalog",
    "load_project",
    "load_settings",
    "redact",
]
