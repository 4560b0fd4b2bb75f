"""The JSON schema of a graph, published as `graph.schema.json`.

Write it anew after a change of the model: `python -m firnflow.graph.schema`.
"""

from __future__ import annotations

import json
from pathlib import Path

from firnflow.graph.model import VERSION, Graph

FILE = Path(__file__).with_name("graph.schema.json")


def schema_text() -> str:
    """Return the schema as JSON text."""
    schema = Graph.model_json_schema()
    schema["required"] = ["format", "version", *schema["required"]]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Firnflow graph, version {VERSION}",
    }
    return json.dumps({**schema, **head}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
