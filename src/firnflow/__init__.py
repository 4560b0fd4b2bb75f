"""Machine-learning pipelines on a data warehouse: typed tasks, written once, run anywhere.

Every public name is here and is loaded when it is first used: `import firnflow` loads no heavy library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firnflow.context import RunSummary as RunSummary
    from firnflow.context import log_metric as log_metric
    from firnflow.context import scratch_dir as scratch_dir
    from firnflow.graph.model import Cron as Cron
    from firnflow.graph.model import Every as Every
    from firnflow.graph.model import OnUpdate as OnUpdate
    from firnflow.graph.model import Resources as Resources
    from firnflow.graph.params import Params as Params
    from firnflow.graph.partitions import ByKey as ByKey
    from firnflow.graph.partitions import Daily as Daily
    from firnflow.graph.partitions import Hourly as Hourly
    from firnflow.graph.partitions import Weekly as Weekly
    from firnflow.graph.pipeline import pipeline as pipeline
    from firnflow.graph.placeholders import each as each
    from firnflow.graph.rules import Checks as Checks
    from firnflow.graph.rules import Column as Column
    from firnflow.graph.source import source as source
    from firnflow.graph.table import table as table
    from firnflow.graph.task import task as task
    from firnflow.values.figure import Figure as Figure
    from firnflow.values.html import Html as Html
    from firnflow.values.model import Model as Model

__version__ = "0.1.0"

_PUBLIC = {
    "Checks": "firnflow.graph.rules",
    "Column": "firnflow.graph.rules",
    "ByKey": "firnflow.graph.partitions",
    "Cron": "firnflow.graph.model",
    "Daily": "firnflow.graph.partitions",
    "Every": "firnflow.graph.model",
    "Figure": "firnflow.values.figure",
    "Hourly": "firnflow.graph.partitions",
    "Html": "firnflow.values.html",
    "Model": "firnflow.values.model",
    "OnUpdate": "firnflow.graph.model",
    "Params": "firnflow.graph.params",
    "Resources": "firnflow.graph.model",
    "RunSummary": "firnflow.context",
    "Weekly": "firnflow.graph.partitions",
    "each": "firnflow.graph.placeholders",
    "log_metric": "firnflow.context",
    "pipeline": "firnflow.graph.pipeline",
    "scratch_dir": "firnflow.context",
    "source": "firnflow.graph.source",
    "table": "firnflow.graph.table",
    "task": "firnflow.graph.task",
}
__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 - names, all of them strings


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'firnflow' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
