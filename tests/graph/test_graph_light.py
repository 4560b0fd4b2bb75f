from __future__ import annotations

import subprocess
import sys


def test_the_graph_loads_nothing_heavy():
    code = (
        "import pydantic, sys; before = set(sys.modules)\n"
        "import firnflow.graph.pipeline, firnflow.graph.resolve, firnflow.graph.source, firnflow.graph.draw\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {name for name in done.stdout.split() if not name.startswith("_sysconfigdata")}
    assert found <= {"firnflow", "annotated_types", "pydantic", "pydantic_core", "typing_extensions"}
