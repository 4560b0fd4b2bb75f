"""One model, boosted by several nodes: by XGBoost, through Ray Train.

Each rank has its share of the rows, dealt by a hash of their keys; the ranks add up their histograms (all-reduce), and
so grow the same trees. The rows go from the warehouse to Ray's object store in parts: this process never holds more
than one of them, and a rank holds what XGBoost makes of its rows: a byte a value.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from firnflow._text import counted
from firnflow.context import scratch_dir
from firnflow.errors import DataError, RunError, WorkerLostError
from firnflow.models import arrow
from firnflow.models.evaluation.keyhash import HASH, with_hash
from firnflow.steps import _rank
from firnflow.steps._boosting import Learnt, settings_of
from firnflow.steps._cluster import cluster, last_line, library
from firnflow.steps._matrix import Learnable, feature_names, xgboost
from firnflow.steps._tables import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import ibis

    from firnflow.graph.model import Resources
    from firnflow.models.section import Columns
    from firnflow.steps._cluster import Cluster
    from firnflow.steps.config import Training

_CUT_OFF = ("/collective/", "[socket.h")
"""Places in XGBoost's errors where one rank waits for another that is gone."""
_MEND = (
    "Nothing of the model is kept. Mend: retries=… trains anew; out of memory, a reclaimed machine and `ray stop` are "
    "the usual causes"
)


def boost_on_nodes(table: ibis.Table, columns: Columns, training: Training, trees: int, resources: Resources) -> Learnt:
    """Return the model of all rows, with so many trees, boosted by `resources.nodes` nodes.

    It is as good as what one node makes, and near to it: each node draws a sample of rows of its own (`subsample`), and
    the bounds of bins come from summaries. The same rows on as many nodes give the same bits. Each node computes with
    `resources.cpu` threads, by default `training.threads`.

    Raises:
        DataError: as `training_examples`; or a node would have no row.
        MissingExtraError, ConfigError, RunError: as `cluster`.
        WorkerLostError: a node died. Nothing of the model is kept.
    """
    threads = max(1, int(resources.cpu)) if resources.cpu else training.threads
    names = feature_names(table, columns)
    library("ray.train.xgboost")
    with cluster(resources.nodes, threads) as found:
        seen = Learnable(names)
        shares = _shares(table, columns, names, training.seed, resources.nodes)
        parts = [[_put(found, seen, labels, features) for labels, features in share] for share in shares]
        seen.check(columns, training.objective)
        if not all(parts):
            raise DataError(
                f"{counted(seen.rows, 'row')} are too few for {resources.nodes} nodes. Mend: Resources(nodes=…)"
            )
        log.info(
            "%s on %s of %s", counted(seen.rows, "row"), counted(resources.nodes, "node"), counted(threads, "thread")
        )
        settings = {**settings_of(training), "nthread": threads}
        config = {"parts": parts, "features": list(names), "settings": settings, "trees": trees}
        booster = xgboost().Booster()
        booster.load_model(bytearray(_fit(found, config, resources.nodes, threads)))
    return Learnt(booster, names, seen.rows)


def _shares(
    table: ibis.Table, columns: Columns, names: tuple[str, ...], seed: int, nodes: int
) -> Iterator[Iterator[tuple[Any, Any]]]:
    """Yield for each node its rows by key, in parts of labels and features."""
    hashed = with_hash(table, columns.key, seed, "nodes")
    for node in range(nodes):
        share = hashed.filter(hashed[HASH] % nodes == node).order_by(columns.key).select(columns.label, *names)
        yield (
            (arrow.floats(part[columns.label]), arrow.matrix(part, names))
            for part in arrow.batches(arrow.opened(share), share.columns)
        )


def _put(found: Cluster, seen: Learnable, labels: Any, features: Any) -> Any:
    seen.add(labels, features)
    return found.ray.put((labels, features))


def _fit(found: Cluster, config: dict[str, Any], nodes: int, threads: int) -> bytes:
    """Return what the first rank returned."""
    train, trainers = library("ray.train"), library("ray.train.xgboost")
    library("ray.cloudpickle").register_pickle_by_value(_rank)
    trainer = trainers.XGBoostTrainer(
        _rank.boost,
        train_loop_config=config,
        scaling_config=train.ScalingConfig(
            num_workers=nodes,
            resources_per_worker={"CPU": threads},
            placement_strategy="STRICT_SPREAD" if found.spread else "PACK",
        ),
        run_config=train.RunConfig(
            name="train",
            storage_path=str(scratch_dir()),  # nothing is kept there, but without it Ray writes into the home folder
            # retries are the engine's business
            failure_config=train.FailureConfig(max_failures=0, max_preemption_failures=0, controller_failure_limit=0),
        ),
    )
    try:
        model: bytes = _aside(trainer.fit).return_value
    except train.TrainingFailedError as error:
        raise _explained(error, nodes) from error
    except library("ray.exceptions").RayError as error:  # of the actor that leads the ranks
        raise WorkerLostError(
            f"what leads the training on {nodes} nodes was lost: {last_line(error)}. {_MEND}"
        ) from error
    return model


def _aside(work: Callable[[], Any]) -> Any:
    """Return what `work` returns, from another thread: in the main one Ray would take Ctrl-C for itself."""
    future: Future[Any] = Future()

    def answer() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            future.set_exception(error)

    threading.Thread(target=answer, daemon=True).start()
    return future.result()


def _explained(error: Any, nodes: int) -> RunError:
    """Return what became of the nodes. When one dies, the others fail for want of it: that is told only without one."""
    failures = getattr(error, "worker_failures", {})
    lost = sorted(rank for rank, why in failures.items() if _is_dead(why))
    if lost:
        why = last_line(failures[lost[0]]).partition(". ")[0]
        return WorkerLostError(f"node {lost[0] + 1} of {nodes} was lost while training: {why}. {_MEND}")
    if failures and all(any(place in str(why) for place in _CUT_OFF) for why in failures.values()):
        left = " and ".join(str(rank + 1) for rank in sorted(failures))
        return WorkerLostError(f"a node of {nodes} was lost while training: {left} could not reach it. {_MEND}")
    rank, why = min(failures.items(), default=(None, error))
    place = f"node {rank + 1} of {nodes}" if rank is not None else f"{nodes} nodes"
    return RunError(f"training on {place} failed: {last_line(why)}")


def _is_dead(why: Any) -> bool:
    """Whether a rank has not failed but died, by itself or with its node."""
    return isinstance(getattr(why, "health_check_failure", why), library("ray.exceptions").RayError)
