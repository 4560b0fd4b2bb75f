"""One model from several nodes: a Ray cluster of two nodes on this machine, and a Ray of the task's own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import psutil
import pytest

from firnflow import context, steps
from firnflow.engine.services import Services
from firnflow.errors import ConfigError, DataError, MissingExtraError, RunError, WorkerLostError
from firnflow.graph.model import Resources
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.catalog import values
from firnflow.project.settings import Ray
from firnflow.steps import _cluster, _nodes, _rank
from firnflow.steps._matrix import Learnable

TRAINING = steps.Training(rounds=60, early_stopping=10, learning_rate=0.3, max_depth=3, folds=2, subsample=1.0)


@pytest.fixture(scope="module")
def two_nodes():
    """The address of a cluster of two nodes with one processor each."""
    pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20, include_dashboard=False)
        cluster.wait_for_nodes()
    yield cluster.address
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster.shutdown()


@pytest.fixture(scope="module")
def features(customers, columns, helpers):
    found = helpers.fitted(customers, columns)
    return found.apply(customers), found


@pytest.fixture(scope="module")
def trial(features, columns):
    return steps.cross_validate(features[0], columns, TRAINING)


class Settings:
    """As much of an environment's settings as a task of several nodes reads."""

    def __init__(self, **ray):
        self.ray = Ray.model_validate(ray)


@pytest.fixture
def train(features, tmp_path):
    """Train as a task with some resources does, in an environment with this section `ray`."""

    def call(trial, table=None, resources=None, **ray):
        services = Services(None, None, Settings(**ray), tmp_path)
        resources = resources or Resources(nodes=2)
        here = context.TaskContext("run", "train", 1, tmp_path / "scratch", resources=resources, services=services)
        token = context.enter(here)
        try:
            return steps.train(features[0] if table is None else table, features[1], [trial]), here.metrics
        finally:
            context.leave(token)

    return call


def digest(model):
    return hashlib.sha256(model.estimator.save_raw("ubj")).hexdigest()


def ray_processes():
    """The processes of Ray below this one, as command lines."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if "ray" in line and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = line
    return found


@pytest.mark.slow
def test_two_nodes_train_what_one_trains(two_nodes, train, trial, features, monkeypatch):
    """Without `subsample`, of which each node draws for itself, they say the same of every row."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    table, found = features
    alone = steps.train(table, found, [trial])
    together, metrics = train(trial, address=two_nodes)
    before = ray_processes()
    again, _ = train(trial, table.order_by(table.id.desc()))  # on a Ray of its own
    assert ray_processes().keys() <= before.keys()
    assert not list(Path(_cluster._FOLDER).glob(f"{_cluster._PREFIX}{os.getpid()}-*"))
    assert digest(together) == digest(again)
    assert together.features == alone.features
    assert together.estimator.num_boosted_rounds() == alone.estimator.num_boosted_rounds() == trial.trees
    assert {**together.metadata} == {**alone.metadata}
    assert metrics["train_rows"] == 2000
    arrow = table.order_by("id").to_pyarrow()
    matrix = np.column_stack([arrow[name].to_numpy().astype("float32") for name in alone.features])
    ours, theirs = (model.estimator.inplace_predict(matrix) for model in (together, alone))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    labels = arrow["left"].to_numpy().astype("float64")
    judged = [values("binary", Scored(labels, found.astype("float64"), 0.5), ["roc_auc"]) for found in (ours, theirs)]
    assert judged[0]["roc_auc"] == pytest.approx(judged[1]["roc_auc"], abs=1e-4)
    assert judged[0]["roc_auc"] > 0.8


@pytest.mark.slow
def test_a_node_that_dies_is_an_error_that_says_so(two_nodes, train, trial, monkeypatch):
    boost = _rank.boost

    def boost_or_die(config):
        import ray.train  # here, as this runs on the nodes

        if ray.train.get_context().get_world_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return boost(config)

    monkeypatch.setattr(_rank, "boost", boost_or_die)
    with pytest.raises(WorkerLostError, match=r"(node 2 of|a node of|the training on) 2 .*was lost.*: .*retries=…"):
        train(trial, address=two_nodes)


@pytest.mark.slow
def test_too_few_nodes_are_counted_after_a_while(two_nodes, train, trial):
    with pytest.raises(RunError, match=r"wants 3 nodes with 1 CPUs each. After 1 s .* has 2 nodes alive, 2 of them"):
        train(trial, resources=Resources(nodes=3), address=two_nodes, wait="1s")
    with pytest.raises(RunError, match="has 2 nodes alive, 0 of them"):
        train(trial, resources=Resources(nodes=2, cpu=4), address=two_nodes, wait="1s")


def test_each_row_is_dealt_to_one_node_whatever_the_order(features, columns):
    table = features[0]
    names = tuple(table.columns[2:])

    def dealt(table):
        shares = _nodes._shares(table, columns, names, 42, 3)
        return [[(labels.tobytes(), part.tobytes()) for labels, part in share] for share in shares]

    def rows(table):
        return [sum(len(labels) for labels, _ in share) for share in _nodes._shares(table, columns, names, 42, 3)]

    assert dealt(table) == dealt(table.order_by(table.id.desc()))
    assert sum(rows(table)) == 2000
    assert min(rows(table)) > 550


def test_parts_are_judged_as_a_whole(columns):
    names = ("x", "y")
    seen = Learnable(names)
    seen.add(np.float32([0, 0]), np.float32([[1, np.nan], [2, np.nan]]))
    with pytest.raises(DataError, match="must be 0 and 1, both of them; it is 0"):
        seen.check(columns, "binary")
    seen.add(np.float32([1]), np.float32([[3, np.nan]]))
    with pytest.raises(DataError, match="Features without a single value: y"):
        seen.check(columns, "binary")
    seen.add(np.float32([1]), np.float32([[3, 4]]))
    seen.check(columns, "binary")
    assert seen.rows == 4
    seen.add(np.arange(2, 50, dtype=np.float32), np.ones((48, 2), np.float32))
    seen.check(columns, "regression")
    seen.add(np.float32([np.nan]), np.ones((1, 2), np.float32))
    with pytest.raises(DataError, match="numbers that differ, none of them missing"):
        seen.check(columns, "regression")


def test_without_ray_it_is_said_how_to_install_it(train, trial, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in [name for name in sys.modules if name.startswith("ray.")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"ray is not installed. Mend: pip install .*\[ray\]"):
        train(trial)


def test_an_address_of_a_client_is_refused(train, trial):
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match="let this machine join the cluster"):
        train(trial, address="ray://10.0.0.1:10001")


@pytest.mark.parametrize("address", ["head", "head:", "he ad:6379:x", "[::1]:port"])
def test_an_address_without_host_and_port_is_refused(train, trial, address):
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=r"is none\. Mend: HOST:PORT"):
        train(trial, address=address)


@pytest.mark.parametrize("port", ["1", "99999"])
def test_where_nobody_listens_is_said_at_once(train, trial, port):
    pytest.importorskip("ray")
    began = time.monotonic()
    with pytest.raises(ConfigError, match=rf"Ray at 127.0.0.1:{port} does not answer: .*`ray start`"):
        train(trial, address=f"127.0.0.1:{port}")
    assert time.monotonic() - began < 10


def test_what_a_killed_process_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(_cluster, "_FOLDER", str(tmp_path))
    mine, dead, other = (tmp_path / name for name in (f"firnflow-ray-{os.getpid()}-x", "firnflow-ray-4194305-x", "ray"))
    for folder in (mine, dead, other):
        folder.mkdir()
    _cluster._sweep()
    assert (mine.exists(), dead.exists(), other.exists()) == (True, False, True)
