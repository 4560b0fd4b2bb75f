"""What demo and tests ask of Airflow's REST API."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Until = Callable[[Callable[[], bool], float, str], None]


class Down(RuntimeError):
    """The API does not answer, or says that it cannot now."""


class Rest:
    """The REST API of an Airflow where everybody may do everything.

    Args:
        url: of Airflow's page.
        until: waits until something is so, for at most some seconds; raises and names what it has waited for.
    """

    def __init__(self, url: str, until: Until) -> None:
        self._url, self._until = url, until
        self._token = ""

    def wait_until_up(self) -> None:
        """Wait until the API answers, and sign in."""
        self._until(lambda: bool(self._sign_in()), 150, "the API")

    def get(self, path: str) -> Any:
        return self._request("GET", path)

    def post(self, path: str, data: Any) -> Any:
        return self._request("POST", path, data)

    def patch(self, path: str, data: Any) -> Any:
        return self._request("PATCH", path, data)

    def wait_for_dags(self, names: set[str], seconds: float = 90) -> None:
        """Wait until Airflow knows these DAGs; raise RuntimeError with its import errors where it cannot."""

        def known() -> bool:
            if errors := self.get("importErrors")["import_errors"]:
                raise RuntimeError(errors[0]["stack_trace"])
            return names <= {each["dag_id"] for each in self.get("dags?limit=100")["dags"]}

        self._until(known, seconds, f"the DAGs {names}")

    def trigger(self, dag: str, **conf: Any) -> str:
        """Start a run, and return its id."""
        return str(self.post(f"dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def tell_of(self, asset: str, **extra: Any) -> None:
        """Make an event of an asset, as soon as Airflow knows it."""
        found: list[Any] = []

        def there() -> bool:
            found[:] = [each for each in self.get(f"assets?name_pattern={asset}")["assets"] if each["name"] == asset]
            return bool(found)

        self._until(there, 60, f"the asset {asset}")
        self.post("assets/events", {"asset_id": found[0]["id"], "extra": extra})

    def state(self, dag: str, run: str) -> str:
        return str(self.get(f"dags/{dag}/dagRuns/{run}")["state"])

    def wait(self, dag: str, run: str, seconds: float = 120) -> str:
        """Wait until a run has ended, and return how."""
        states: list[str] = []

        def ended() -> bool:
            states.append(self.state(dag, run))
            return states[-1] in {"success", "failed"}

        self._until(ended, seconds, f"the end of {dag}")
        return states[-1]

    def runs(self, dag: str) -> list[Any]:
        """Return the runs of a DAG, the oldest first."""
        found: list[Any] = self.get(f"dags/{dag}/dagRuns?order_by=id&limit=100")["dag_runs"]
        return found

    def until_run(self, dag: str, seconds: float = 120) -> Any:
        """Wait until there is a run of a DAG, and return the first."""
        found: list[Any] = []

        def there() -> bool:
            found[:] = self.runs(dag)
            return bool(found)

        self._until(there, seconds, f"a run of {dag}")
        return found[0]

    def until_task(self, dag: str, run: str, task: str, state: str = "running", seconds: float = 60) -> Any:
        """Wait until a task is in a state, and return its instance."""
        found: dict[str, Any] = {}

        def there() -> bool:
            found.update(self.tasks(dag, run))
            return task in found and found[task]["state"] == state

        self._until(there, seconds, f"{task} of {dag} to be {state}")
        return found[task]

    def tasks(self, dag: str, run: str) -> dict[str, Any]:
        """Return task (with its label, of a map) → its instance."""
        found = self.get(f"dags/{dag}/dagRuns/{run}/taskInstances?limit=200")["task_instances"]
        return {
            each["task_id"] + (f"[{each['rendered_map_index']}]" if each["map_index"] >= 0 else ""): each
            for each in found
        }

    def log(self, dag: str, run: str, task: str, attempt: int = 1) -> str:
        """Return the log of one try of a task."""
        told = self.get(f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}?full_content=true")
        return "\n".join(
            str(each.get("event", each)) if isinstance(each, dict) else str(each) for each in told["content"]
        )

    def _sign_in(self) -> str:
        with (
            contextlib.suppress(OSError, KeyError),
            urllib.request.urlopen(f"{self._url}/auth/token", timeout=10) as got,
        ):
            self._token = json.loads(got.read())["access_token"]
        return self._token

    def _request(self, method: str, path: str, data: Any = None) -> Any:
        """Return the answer; what only asks is asked again while the API is down, for a minute."""
        answers: list[Any] = []

        def answered() -> bool:
            try:
                answers.append(self._send(method, path, data))
            except Down:
                if method != "GET":
                    raise
            return bool(answers)

        self._until(answered, 60, f"an answer to {method} {path}")
        return answers[0]

    def _send(self, method: str, path: str, data: Any) -> Any:
        request = urllib.request.Request(
            f"{self._url}/api/v2/{path}",
            method=method,
            data=None if data is None else json.dumps(data).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            said = f"{method} {path}: {error.code} {error.read().decode(errors='replace')}"
            raise (Down if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR else RuntimeError)(said) from None
        except OSError as error:
            raise Down(f"{method} {path}: {error}") from None
