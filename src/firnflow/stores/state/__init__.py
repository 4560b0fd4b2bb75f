"""Runs, attempts, refs and leases in SQLite or PostgreSQL."""

from __future__ import annotations

from firnflow.status import COMMITTED
from firnflow.stores.state.owner import this_process
from firnflow.stores.state.records import Attempt, Run
from firnflow.stores.state.state import State

__all__ = ["COMMITTED", "Attempt", "Run", "State", "this_process"]
