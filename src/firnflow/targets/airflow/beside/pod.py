"""Where the KubernetesExecutor starts a task: a pod with the image and the resources that it was compiled with."""

from __future__ import annotations

from typing import Any

_CONTAINER = "base"  # the name by which Airflow finds the container that runs the task


def place_of(data: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the `executor_config` of a task; None: as Airflow has it for all.

    Where a DAG is read without the kubernetes client, no pod is started either: other executors take no notice.

    Args:
        data: `image`, and `resources`: Kubernetes' name → quantity.
    """
    if not data:
        return None
    try:
        from kubernetes.client import models
    except ModuleNotFoundError:
        return None
    wanted = data.get("resources", {})
    resources = models.V1ResourceRequirements(requests=wanted, limits=_limits(wanted)) if wanted else None
    container = models.V1Container(name=_CONTAINER, image=data.get("image"), resources=resources)
    return {"pod_override": models.V1Pod(spec=models.V1PodSpec(containers=[container]))}


def _limits(wanted: dict[str, str]) -> dict[str, str]:
    """Return the limits: processors that are free may be used beyond what was asked for, memory and GPUs not."""
    return {name: quantity for name, quantity in wanted.items() if name != "cpu"}
