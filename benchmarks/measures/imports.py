"""What `import firnflow` costs beyond `import pydantic`, and what it loads."""

from __future__ import annotations

import sys

from harness import Bench, Contender
from report import Result, Verdict, failed, table

HEAVY = ("pandas", "numpy", "duckdb", "ibis", "mlflow", "pyarrow", "sqlalchemy", "sklearn", "xgboost", "matplotlib")
CODE = f"""
import json, sys, time
began = time.perf_counter()
IMPORT
seconds = time.perf_counter() - began
print(json.dumps({{"inside": seconds, "heavy": [m for m in {HEAVY} if m in sys.modules], "modules": len(sys.modules)}}))
"""
IMPORTS = {
    "import pydantic": "import pydantic; pydantic.BaseModel",
    "import firnflow": "import firnflow",
    "import firnflow, and all its names": "import firnflow; [getattr(firnflow, name) for name in firnflow.__all__]",
}


def measure(bench: Bench) -> Result:
    contenders = [Contender(name, [sys.executable, "-c", CODE.replace("IMPORT", c)]) for name, c in IMPORTS.items()]
    found = bench.interleave(contenders, bench.rounds(21, 5))
    result = Result(
        "Import",
        "A fresh interpreter each time; *inside* is the import statement alone. The last line touches every public "
        "name, as a module with tasks and pipelines does with some.",
    )
    rows = [
        [
            name,
            str(len(s.runs)),
            f"{s.wall:.3f}",
            f"{s.inside:.3f}",
            str(s.runs[-1].said["modules"]),
            ", ".join(s.runs[-1].said["heavy"]) or "none",
        ]
        for name, s in found.items()
        if s.runs
    ]
    result.tables.append(table(["what", "runs", "whole process, s", "inside, s", "modules", "heavy libraries"], rows))
    pydantic, firnflow, names = found.values()
    if not (pydantic.runs and firnflow.runs and names.runs):
        result.verdicts.append(Verdict("`import firnflow`", "≤ 0.1 s", failed(found.values()), None))
        return result
    for label, samples in (("`import firnflow`", firnflow), ("… and all its public names", names)):
        over, heavy = samples.inside - pydantic.inside, samples.runs[-1].said["heavy"]
        result.verdicts.append(
            Verdict(
                label,
                "≤ 0.1 s more than `import pydantic`, nothing heavy",
                f"{over:+.3f} s, {', '.join(heavy) or 'nothing heavy'}",
                over <= 0.1 and not heavy,
                "imports",
            )
        )
    return result
