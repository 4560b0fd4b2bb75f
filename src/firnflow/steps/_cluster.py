"""A Ray cluster for one task: one that is there and is left as it was, or one of this machine that ends with the task.

Ray is imported by name: it moves rows and messages, but decides no bit of a result. So its version is in no cache key,
and no worker loads it before a task needs it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow import context
from firnflow._text import counted
from firnflow.engine.services import Services
from firnflow.errors import ConfigError, MissingExtraError, RunError
from firnflow.project.settings import Ray
from firnflow.steps._tables import log

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # it warns that this will be so one day
}
_FOLDER = "/tmp"  # noqa: S108 - names of Ray's sockets must fit into 107 bytes; a folder of our own is made in it
_PREFIX = "firnflow-ray-"
_PATIENCE = 10.0  # seconds for an address to answer


@dataclass(frozen=True)
class Cluster:
    """What a task may use.

    Attributes:
        ray: the module, connected.
        spread: whether each node is a machine (or a Ray node) of its own, as in every cluster that is not made for one
            task.
    """

    ray: Any
    spread: bool


def library(name: str = "ray") -> Any:
    """Return a module of Ray. Raises MissingExtraError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError("ray", "ray") from error


@contextlib.contextmanager
def cluster(nodes: int, cpus: float) -> Iterator[Cluster]:
    """Connect to the environment's cluster once it has so many nodes; without one, start Ray on this machine.

    Args:
        nodes: how many must be alive.
        cpus: how many processors each of them must have.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: the address is none, or nobody answers there.
        RunError: the cluster has too few nodes, also after a while.
    """
    os.environ.update(_QUIET)
    ray, settings = library(), _settings()
    address = settings.address.reveal() if settings.address else os.environ.get("RAY_ADDRESS", "")
    here = address in {"", "local"}
    with _started(ray, nodes, cpus) if here else _joined(ray, address):
        if not here:
            _await_nodes(ray, nodes, cpus, settings.wait)
        yield Cluster(ray, spread=not here)


def _settings() -> Ray:
    running = context.current()
    return running.services.settings.ray if running and isinstance(running.services, Services) else Ray()


@contextlib.contextmanager
def _started(ray: Any, nodes: int, cpus: float) -> Iterator[None]:
    """Start Ray here, and end all of it; Linux ends it too if this process is killed (`PR_SET_PDEATHSIG`)."""
    log.info(
        "%s on this machine, as the environment names no Ray cluster. Mend: [environments.NAME.ray] address",
        counted(nodes, "node"),
    )
    _sweep()
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_FOLDER)
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    os.environ.setdefault("RAY_AUTH_TOKEN", _token())
    try:
        with _connected(ray, address="local", num_cpus=nodes * cpus, include_dashboard=False, _temp_dir=folder):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@functools.cache  # as Ray reads it once in a process
def _token() -> str:
    """Return what keeps others on this machine out; without one Ray would write one into the home folder."""
    return secrets.token_hex(32)


def _sweep() -> None:
    """Remove what a process that was killed has left of a Ray of its own."""
    for folder in Path(_FOLDER).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (PermissionError, ValueError, OverflowError):
            continue  # it is alive, and another user's; or the folder is none of ours


@contextlib.contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    if address.startswith("ray://"):
        raise ConfigError(
            f"Ray's address {address}: Ray Train needs more than a Ray client. Mend: let this machine join the cluster "
            "(`ray start --address=HOST:6379 --num-cpus=0`) and write HOST:6379"
        )
    if address != "auto":
        _knock(address)
    with _connected(ray, address=address):
        yield


def _knock(address: str) -> None:
    """Raise ConfigError where nobody listens: Ray itself would ask for ever, deaf to Ctrl-C."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"Ray's address {address!r} is none. Mend: HOST:PORT, as `ray start` shows it, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise _unreachable(address, error) from error


@contextlib.contextmanager
def _connected(ray: Any, **options: Any) -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    with _quiet():
        try:
            ray.init(**options, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise _unreachable(options["address"], error) from error
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)  # Ray has put its own in its place
        try:
            yield
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing of what Ray says of itself: of its settings, and of its parts that other parts of it still use."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray\.")
            yield
    finally:
        logger.setLevel(level)


def _unreachable(address: str, error: Exception) -> ConfigError:
    what = "Ray does not start on this machine" if address == "local" else f"Ray at {address} does not answer"
    mend = "Mend: [environments.NAME.ray] address, the variable RAY_ADDRESS, or `ray start` on this machine"
    return ConfigError(f"{what}: {last_line(error)}. {mend}")


def last_line(error: object) -> str:
    """Return the last line of a message that says something: Ray puts tracebacks before it, XGBoost behind it."""
    said = str(error).partition("\nStack trace")[0]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")


def _await_nodes(ray: Any, nodes: int, cpus: float, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        alive = [node for node in ray.nodes() if node["Alive"]]
        able = [node for node in alive if node["Resources"].get("CPU", 0) >= cpus]
        if len(able) >= nodes:
            return
        if time.monotonic() >= until:
            raise RunError(
                f"Resources(nodes={nodes}) wants {counted(nodes, 'node')} with {cpus:g} CPUs each. After {wait:g} s "
                f"the Ray cluster has {counted(len(alive), 'node')} alive, {len(able)} of them with so many CPUs. "
                "Mend: `ray start --address=…` on more machines, ask for fewer nodes or CPUs, or wait longer: "
                "[environments.NAME.ray] wait"
            )
        time.sleep(0.5)
