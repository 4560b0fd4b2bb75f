"""What Firnflow and what runs beside Airflow must call alike; neither can import the other, so a test compares them."""

from __future__ import annotations

import hashlib
import re

DAG = "dag"
"""The kind of resource that a pipeline is."""
PARTITION = "partition"
"""The parameter that says the partition of a run."""


def run_id(pipeline: str, run: str) -> str:
    """Return the id of the run of Firnflow that belongs to a run of Airflow, which may be any text."""
    name = f"{pipeline}.{run}"
    if len(name) <= 80 and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:+-]*", name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_.:+-]', '-', name)[:66]}.{digest}"
