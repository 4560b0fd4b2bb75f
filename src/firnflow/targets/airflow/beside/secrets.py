"""Airflow's connections and variables as secrets of the project: `airflow:conn/NAME` and `airflow:var/NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def variables(wanted: Iterable[str], log: Any) -> dict[str, str]:
    """Return environment variables that hold what the references stand for, named as Airflow itself names them.

    What Airflow does not know is left out, and said: the program that needs it says what for. From then on Airflow
    hides the texts in its logs.

    Args:
        wanted: `conn/NAME` or `var/NAME`.
        log: Airflow's.
    """
    found = {}
    for reference in wanted:
        kind, _, name = reference.partition("/")
        try:
            text = _connection(name) if kind == "conn" else _variable(name)
        except Exception as error:  # noqa: BLE001 - what secret backends raise is theirs; it may hold what they were asked
            log.warning("airflow:%s is not known: %s", reference, type(error).__name__)
            continue
        _mask(text)
        found[f"AIRFLOW_{kind.upper()}_{name.upper()}"] = text
    return found


def _connection(name: str) -> str:
    from airflow.sdk import Connection

    return str(Connection.get(name).get_uri())


def _variable(name: str) -> str:
    from airflow.sdk import Variable

    return str(Variable.get(name))


def _mask(text: str) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret(text)
