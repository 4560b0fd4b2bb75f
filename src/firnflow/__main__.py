"""`python -m firnflow`."""

from __future__ import annotations

import sys

from firnflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
