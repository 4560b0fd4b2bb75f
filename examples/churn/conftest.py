"""Makes the example's modules importable for its tests, as `firnflow` does for its tasks."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
