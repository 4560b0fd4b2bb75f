"""Snowflake as a target: compiles a project's pipelines to task graphs, and finds, makes and drops those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.engine.driver import FINALIZER
from firnflow.engine.fingerprint import Fingerprinter
from firnflow.errors import DeployConflictError, UsageError
from firnflow.stores.snowflake.connection import connect
from firnflow.stores.state.deployments import Address
from firnflow.targets.base import Found, Resource
from firnflow.targets.params import defaults
from firnflow.targets.snowflake import checks, grants, outside
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.compile.jobs import Jobs
from firnflow.targets.snowflake.compile.payload import payload_of
from firnflow.targets.snowflake.compile.place import GRAPH, parsed, place_of, pool_name
from firnflow.targets.snowflake.compile.schedule import as_waiting, weak_points
from firnflow.targets.snowflake.compile.sides import Sides
from firnflow.targets.snowflake.compile.tasks import compile_graph
from firnflow.targets.snowflake.compile.triggers import compile_triggers, name_of, streamed
from firnflow.targets.snowflake.facts import Facts
from firnflow.targets.snowflake.grammar import render_name
from firnflow.targets.snowflake.graphs import Graphs
from firnflow.targets.snowflake.needs import needs_of
from firnflow.targets.snowflake.objects import ComputePool, Files, Procedure, Stage
from firnflow.targets.snowflake.shown import wanted_text
from firnflow.targets.snowflake.streams import Streams, check_tracked
from firnflow.targets.snowflake.tags import Tag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from firnflow.graph.model import Graph
    from firnflow.graph.pipeline import Pipeline
    from firnflow.project import Project
    from firnflow.project.snowflake import Pool
    from firnflow.targets.snowflake.compile.payload import Payload
    from firnflow.targets.snowflake.compile.tasks import TaskGraph, Waiting
    from firnflow.targets.snowflake.compile.triggers import Starter, Stream
    from firnflow.targets.snowflake.grammar.values import Name

STAGE, POOL, CODE, PROCEDURE, TAG = "stage", "compute pool", "code", "procedure", "tag"
STREAM, TRIGGER = "stream", "trigger"


class SnowflakeTarget:
    """The schema of an environment.

    Args:
        project: the project, loaded in the environment.
        account: where to deploy; None: where the environment's connection leads.

    Raises:
        ConfigError: the section does not say where, or says it wrongly, or containers cannot reach what runs share.
        UsageError: pipelines would share names.
    """

    name = "snowflake"

    def __init__(self, project: Project, account: Account | None = None) -> None:
        checks.check(project)
        self._project = project
        self._place = place_of(project)
        self._weak: list[str] = []
        self._account = account or Account(self._connect)
        self._graphs = Graphs(self._account, self._place)
        self._compiled: dict[Address, TaskGraph] = {}
        self._streams: dict[str, Stream] = {}
        self._payload: Payload | None = None
        self.warnings: list[str] = []

    @property
    def place(self) -> str:
        """The schema, and the connection that leads there."""
        connection = self._project.settings.snowflake.connection
        by = f"connection {connection}" if connection else "the default connection"
        return f"{render_name(self._place.schema_name)}, by {by}"

    def wanted(self) -> list[Resource]:
        """Return what should be there. Raises ConfigError, ParameterError, GraphError or UsageError."""
        found = self._resources()
        self._check_grants()
        outside.check_readable(self._project, [each.build() for each in self._project.pipelines.values()])
        check_tracked(self._account, self._streams.values())
        self.warnings += [each for each in self._weak if each not in self.warnings]
        return found

    def grants(self) -> list[str]:
        """Return the script that makes a role which may do just what this environment needs."""
        role = self._project.settings.snowflake.role or grants.default_role(self._place.environment)
        needs = [*needs_of(self._project, self._place), *outside.needs_of(self._project, self._place)]
        return grants.script(dict.fromkeys(needs), parsed(self._project, "role", role))

    def found(self, addresses: Collection[Address]) -> dict[Address, Found]:
        """Return what is there of these. Raises StoreError where the account cannot be read."""
        return {address: found for address in addresses if (found := self._found(address)) is not None}

    def put(self, resource: Resource, before: Found | None) -> None:
        """Make a resource, or alter it. Raises DeployConflictError where it is not as when the plan was made."""
        address, text = resource.address, before.resource.text if before is not None else None
        if address.kind in {GRAPH, TRIGGER}:
            starts = address.name if address.kind == TRIGGER else None
            self._graphs.put(self._compiled[address], text, starts=starts)
            return
        there = self._found(address)
        if there is not None and (not there.ours or there.resource.text not in {text, resource.text}):
            raise self._conflict(address)
        if address.kind == CODE:
            self._files().put()
        elif address.kind == POOL:
            self._pool(address).put(there.resource.text if there is not None else None)
        else:
            self._plain(address).put()

    def drop(self, before: Found) -> None:
        """Drop a resource. Raises as `put`."""
        address = before.resource.address
        if address.kind in {GRAPH, TRIGGER}:
            self._graphs.drop(_graph_of(address), before.resource.text)
            return
        there = self._found(address)
        if there is None:
            return
        if not there.ours or there.resource.text != before.resource.text:
            raise self._conflict(address)
        self._object(address).drop()

    # -- what should be there

    def _resources(self) -> list[Resource]:
        project, place = self._project, self._place
        pipelines = sorted(project.pipelines.items())
        graphs = {name: pipeline.build() for name, pipeline in pipelines}
        texts = {name: graph.model_dump_json(indent=1) for name, graph in graphs.items()}
        self._payload = payload_of(project, texts)
        checks.check_sources(project, graphs.values(), self._payload.own)
        fingerprints = Fingerprinter((project.root,))
        sides = Sides(project, fingerprints)
        jobs = Jobs(project, place, self._payload.digest, sides)
        there = streamed(project)
        waiting = as_waiting(graphs.values(), there)
        made = [self._graph(pipeline, graphs[name], jobs, fingerprints, waiting) for name, pipeline in pipelines]
        self.warnings[:] = [note for graph in graphs.values() for note in weak_points(graph, there)]
        self.warnings += checks.costs(project, self._used_pools(graphs, sides))
        code = {"digest": self._payload.digest, "files of the project": str(len(self._payload.own))}
        before = [
            *(Resource(Address(TAG, tag), self._tag(tag).text, {"value": value}) for tag, value in place.tags.items()),
            Resource(Address(STAGE, render_name(place.stage)), self._stage().text),
            *self._pools(),
            Resource(Address(CODE, place.folder), self._files().text, code),
            *(
                Resource(Address(PROCEDURE, name), self._procedure(name).text)
                for name in (place.procedure, *([place.procedure_here] if sides.has_any(graphs.values()) else []))
            ),
        ]
        starters = compile_triggers(project, place, graphs.values())
        self._streams = {each.name: each for starter in starters for each in starter.streams}
        return [*before, *self._of_streams(), *made, *map(self._starter, starters)]

    def _of_streams(self) -> Iterator[Resource]:
        """Yield the streams by which pipelines know of changes in tables of others."""
        for name, each in self._streams.items():
            text, on = Streams(self._account, self._place, name, each).text, render_name(each.on)
            yield Resource(Address(STREAM, name), text, {"on": f"{each.kind.lower()} {on}"})

    def _starter(self, starter: Starter) -> Resource:
        address = Address(TRIGGER, starter.pipeline)
        self._compiled[address] = starter.graph
        changes = ", ".join(each.source for each in starter.streams)
        facts = {"root task": starter.graph.root, "when there are changes in": changes}
        return Resource(address, wanted_text(starter.graph, self._place), facts)

    def _graph(
        self, pipeline: Pipeline, graph: Graph, jobs: Jobs, fingerprints: Fingerprinter, waiting: Waiting
    ) -> Resource:
        given = defaults(self._project, pipeline, graph)
        address = Address(GRAPH, graph.pipeline)
        compiled = self._compiled[address] = compile_graph(graph, self._place, jobs, given, waiting)
        facts = Facts(jobs, fingerprints, pipeline.tasks).of(graph, compiled, given)
        return Resource(address, wanted_text(compiled, self._place), facts)

    def _pools(self) -> Iterator[Resource]:
        """Yield the compute pools that we make."""
        for key, pool in sorted(self._project.settings.snowflake.pools.items()):
            if pool.family is not None:
                address = Address(POOL, render_name(self._pool_name(key, pool)))
                size = f"{pool.min_nodes} to {pool.max_nodes} × {pool.family}"
                facts = {"instances": size, "suspended after": f"{pool.suspend} s"}
                yield Resource(address, self._pool(address).text, facts)

    def _used_pools(self, graphs: dict[str, Graph], sides: Sides) -> set[str]:
        default = self._project.settings.snowflake.pool
        found = set()
        for graph in graphs.values():
            nodes = {**graph.tasks, FINALIZER: graph.finalizer}
            jobs = [node for path, node in nodes.items() if not sides.of(graph, path).is_here]
            found |= {(node.options.resources.pool if node is not None else None) or default for node in jobs}
        return found

    # -- what is there

    def _found(self, address: Address) -> Found | None:
        where = f"{address.kind} {address.name} in {render_name(self._place.schema_name)}"
        if address.kind in {GRAPH, TRIGGER}:
            return self._found_graph(address)
        if address.kind == CODE:
            files = self._files().found()
            return None if files is None else Found(Resource(address, files), ours=True, where=where)
        found = self._pool(address).found() if address.kind == POOL else self._plain(address).found()
        return None if found is None else Found(Resource(address, found[0]), ours=found[1], where=where)

    def _found_graph(self, address: Address) -> Found | None:
        name = _graph_of(address)
        rows = self._graphs.rows(name)
        own = self._graphs.own(rows)
        compiled = self._compiled.get(address)
        names = {each.name for each in compiled.tasks} if compiled is not None else {self._place.root(name)}
        foreign = sorted(name for name in names if name in rows and name not in own)
        if foreign:
            where = f"task {render_name(self._place.named(foreign[0]))}"
            return Found(Resource(address, ""), ours=False, where=where)
        if not own:
            return None
        text = self._graphs.text(name, own)
        return Found(Resource(address, text), ours=True, where=render_name(self._place.named(min(own))))

    def _object(self, address: Address) -> Files | ComputePool | Tag | Stage | Procedure | Streams:
        if address.kind == CODE:
            return self._files()
        return self._pool(address) if address.kind == POOL else self._plain(address)

    def _plain(self, address: Address) -> Tag | Stage | Procedure | Streams:
        if address.kind == STREAM:
            return Streams(self._account, self._place, address.name, self._streams.get(address.name))
        if address.kind == TAG:
            return self._tag(address.name)
        return self._stage() if address.kind == STAGE else self._procedure(address.name)

    def _tag(self, name: str) -> Tag:
        return Tag(self._account, self._place, name)

    def _stage(self) -> Stage:
        return Stage(self._account, self._place)

    def _files(self) -> Files:
        return Files(self._account, self._place, self._payload)

    def _procedure(self, name: str) -> Procedure:
        has_image = self._project.settings.snowflake.image is not None
        return Procedure(self._account, self._place, name, has_image=has_image)

    def _pool(self, address: Address) -> ComputePool:
        from firnflow.project.snowflake import Pool

        pools = self._project.settings.snowflake.pools.items()
        named = {render_name(self._pool_name(key, pool)): pool for key, pool in pools}
        name = parsed(self._project, "pools", address.name)
        return ComputePool(self._account, self._place, name, named.get(address.name, Pool()))

    def _pool_name(self, key: str, pool: Pool) -> Name:
        return pool_name(self._project, key, pool)

    # -- who may

    def _connect(self) -> Any:
        connection, self._weak = connect(self._project.settings, self._project.root)
        return connection

    def _check_grants(self) -> None:
        """Raise UsageError where the role lacks a privilege, before anything is changed."""
        needs = needs_of(self._project, self._place)
        made = [name for name in self._place.tags if self._tag(name).found() is not None]  # by us, or another one
        if len(made) == len(self._place.tags) and self._project.settings.features != "snowflake":  # which makes others
            needs = [each for each in needs if each.privilege != "CREATE TAG"]
        applied = [grants.Need("APPLY", "TAG", self._place.named(name)) for name in made]
        lacking = grants.missing(self._account, [*needs, *applied])
        if lacking:
            lines = "\n".join(f"  {need}" for need in lacking)
            environment = self._place.environment
            untagged = f", or tags = false in [environments.{environment}.snowflake]: nothing is tagged then"
            is_tags = all("TAG" in (each.privilege.split()[-1], each.on) for each in lacking)
            raise UsageError(
                f"The role of {self.place} lacks:\n{lines}\nMend: somebody who may runs what `firnflow plan --env "
                f"{environment} --grants` prints{untagged if is_tags else ''}"
            )

    def _conflict(self, address: Address) -> DeployConflictError:
        return DeployConflictError(f"{address} was changed by somebody else since the plan was made. Mend: plan again")


def _graph_of(address: Address) -> str:
    """Return what a graph of tasks is called: a pipeline, or what starts one."""
    return address.name if address.kind == GRAPH else name_of(address.name)
