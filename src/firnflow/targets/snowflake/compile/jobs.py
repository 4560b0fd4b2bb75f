"""What a task's job is called with: all that the procedure and the launcher in the container need to know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firnflow._text import listing, nearest
from firnflow.errors import ConfigError
from firnflow.targets.snowflake.compile.place import Place, parsed, pool_name, where
from firnflow.targets.snowflake.compile.sides import Side
from firnflow.targets.snowflake.grammar import location_text, render_name
from firnflow.targets.snowflake.grammar.values import Call, Constant, Name

if TYPE_CHECKING:
    from firnflow.graph.model import Graph, Options, Resources
    from firnflow.project import Project
    from firnflow.project.snowflake import Pool
    from firnflow.targets.snowflake.compile.sides import Sides

VERSION = 1
FAMILIES: dict[str, tuple[int, int, int]] = {
    "CPU_X64_XS": (1, 6, 0),
    "CPU_X64_S": (3, 13, 0),
    "CPU_X64_M": (6, 28, 0),
    "CPU_X64_SL": (14, 54, 0),
    "CPU_X64_L": (28, 116, 0),
    "HIGHMEM_X64_S": (6, 58, 0),
    "HIGHMEM_X64_M": (28, 240, 0),
    "HIGHMEM_X64_L": (124, 984, 0),
    "GPU_NV_S": (6, 27, 1),
    "GPU_NV_M": (44, 178, 4),
    "GPU_NV_L": (92, 1112, 8),
}
"""Instances → processors, GiB, GPUs. https://docs.snowflake.com/en/sql-reference/sql/create-compute-pool"""
_GIB = 2**30
_HERE = ("version", "payload", "env", "variables")
"""What a procedure that executes a task itself is told of what all tasks share."""


class Jobs:
    """What all jobs of an environment share.

    Args:
        project: the project.
        place: where it is deployed.
        payload: the digest of its code.
        sides: says which tasks are executed in the warehouse; None: all of them are jobs.
    """

    def __init__(self, project: Project, place: Place, payload: str, sides: Sides | None = None) -> None:
        section = project.settings.snowflake
        self._project, self._place, self._section = project, place, section
        self.sides = sides
        self._pool_names: dict[str, Name] = {}
        self._shared: dict[str, Any] = {
            "version": VERSION,
            "payload": location_text(place.payload(payload)),
            "schema": render_name(place.schema_name),
            "env": place.environment,
            "warehouse": render_name(place.warehouse),
            **_given(
                image=section.image,
                integrations=[render_name(parsed(project, "integrations", each)) for each in section.integrations],
                variables=section.variables,
                secrets={
                    name: render_name(place.full(parsed(project, "secrets", each)))
                    for name, each in section.secrets.items()
                },
                requirements=list(section.requirements) if section.image is None else [],
            ),
        }
        if section.secrets and section.image is None:
            raise ConfigError(
                f"{where(project)}: secrets need an image: ML Jobs cannot be given any. Mend: image = '/db/s/repo/…' "
                f"in [environments.{place.environment}.snowflake]"
            )

    def call(self, graph: Graph, path: str, options: Options, **more: Any) -> Call:
        """Return the call that executes a task.

        Args:
            graph: of the pipeline.
            path: the task, or `finalizer`.
            options: how it is run.
            more: `element` and its `label`; `decides`, the output on which a branch depends; `wakes`, who waits for
                what is published; `steps`, where it is several tasks; `instances`, where it is several containers.
        """
        steps = more.get("steps") or ()
        retries = max([options.retries, *(each.get("retries", 0) for each in steps)])
        wanted = {
            "pipeline": graph.pipeline,
            "task": path,
            "params": sorted(graph.params),
            **_given(partitioned=graph.partition is not None, **_tries(options), retries=retries),
        }
        side = self.side(graph, path)
        if side.is_here:
            here = {name: value for name, value in self._shared.items() if name in _HERE}
            return self._call(self._place.procedure_here, {**here, **wanted, **more})
        resources, (name, pool) = options.resources, self.pool(options.resources, path, side.why)
        if pool.family is not None and more.get("instances"):  # each has a node of its own
            more["instances"] = min(more["instances"], pool.max_nodes) if pool.max_nodes > 1 else None
        if resources.nodes > 1 and self._section.image is not None:
            raise ConfigError(
                f"{where(self._project)}: task {path!r} of {graph.pipeline!r} wants {resources.nodes} nodes, which "
                "only ML Jobs have. Mend: leave out the image, or nodes"
            )
        nodes = resources.nodes if resources.nodes > 1 else None
        sizes = _given(cpu=resources.cpu, memory=resources.memory, gpu=resources.gpu, nodes=nodes)
        return self._call(self._place.procedure, {**self._shared, **wanted, **sizes, "pool": render_name(name), **more})

    def side(self, graph: Graph, path: str) -> Side:
        """Return where a task, or several that are one job, is executed."""
        return self.sides.of(graph, path) if self.sides is not None else Side(is_here=False)

    def _call(self, procedure: str, job: dict[str, Any]) -> Call:
        said = {name: value for name, value in job.items() if value is not None}
        text = json.dumps(said, sort_keys=True, ensure_ascii=False)
        return Call(self._place.named(procedure), (Constant(text),))

    def step(self, graph: Graph, path: str, **more: Any) -> dict[str, Any]:
        """Return what one task of several that are one job is called with."""
        options = graph.tasks[path].options
        memory = options.resources.memory
        return {"task": path, **_given(**_tries(options), retries=options.retries, memory=memory, **more)}

    def pool(self, resources: Resources, path: str = "", why: str = "") -> tuple[Name, Pool]:
        """Return the compute pool of a task, and what is said of it; `why` keeps a task of tables out of the warehouse.

        Raises:
            ConfigError: there is no such pool, or its instances are too small.
        """
        pools, key = self._section.pools, resources.pool or self._section.pool
        if key not in pools:
            environment = self._place.environment
            raise ConfigError(
                f"{where(self._project)}: task {path!r} {f'cannot run in the warehouse, as {why}, and ' if why else ''}"
                f"wants pool {key!r}, which is not there.{nearest(key, pools)} Known: {listing(pools) or 'none'}. "
                f"Mend: [environments.{environment}.snowflake.pools.{key}]"
            )
        found = pools[key]
        self._check_fits(resources, found, key, path)
        if key not in self._pool_names:
            self._pool_names[key] = pool_name(self._project, key, found)
        return self._pool_names[key], found

    def _check_fits(self, resources: Resources, pool: Pool, key: str, path: str) -> None:
        """Raise ConfigError where a task wants more than an instance of its pool has."""
        has = FAMILIES.get(pool.family or "")
        wants = (resources.cpu or 0, (resources.memory or 0) / _GIB, resources.gpu or 0)
        if has is None or all(wanted <= there for wanted, there in zip(wants, has, strict=True)):
            return
        told = "{:g} processors, {:.3g} GiB and {} GPUs"
        raise ConfigError(
            f"{where(self._project)}: task {path!r} wants {told.format(*wants)}, but an instance of pool {key!r} "
            f"({pool.family}) has {told.format(*has)}. Mend: another family, or smaller Resources"
        )


def _tries(options: Options) -> dict[str, Any]:
    """Return how long a try may take, and the waits between several."""
    waits = {"retry_delay": options.retry_delay, "backoff": options.backoff} if options.retries else {}
    return {**waits, "timeout": options.timeout}


def _given(**values: Any) -> dict[str, Any]:
    """Return what says something: nothing that is None, empty, zero or False."""
    return {name: value for name, value in values.items() if value}
