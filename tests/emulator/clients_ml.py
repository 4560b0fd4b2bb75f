"""What Snowflake's quickstarts of features, and its guide of ML Jobs, do on the emulator, each tried by itself."""

# ruff: noqa: DTZ001 - the client's TIMESTAMP_NTZ
from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path


def quickstarts(w):
    """Yield (what is tried, what has to be true) of what the Feature Store's quickstarts and guides do."""
    from snowflake.ml.feature_store import CreationMode, Entity, FeatureStore, FeatureView
    from snowflake.snowpark import functions as f

    s, home = w.session, w.session.get_current_database().strip('"')
    day = [dt.datetime(2020, 1, at) for at in range(1, 6)]
    trips = s.create_dataframe(
        [[1, 10, 2.5, day[0]], [1, 11, 3.5, day[2]], [2, 10, 9.0, day[1]], [2, 12, 1.0, day[3]]],
        schema=["RIDER", "STATION", "FARE", "AT"],
    )
    trips.write.save_as_table(f"{home}.PUBLIC.TRIPS", mode="overwrite")
    trips = s.table(f"{home}.PUBLIC.TRIPS")
    spine = s.create_dataframe([[1, 10, day[1], 0], [2, 12, day[4], 1]], schema=["RIDER", "STATION", "AT", "LABEL"])
    fs = FeatureStore(s, home, "QS", default_warehouse="COMPUTE_WH", creation_mode=CreationMode.CREATE_IF_NOT_EXIST)
    rider = fs.register_entity(Entity("RIDER", ["RIDER"], desc="who rides"))
    station = fs.register_entity(Entity("STATION", ["STATION"]))

    def keep(name, made):
        setattr(w, name, made)
        return made

    def view(name, entities, frame, **more):
        return fs.register_feature_view(FeatureView(name, entities, frame, **more), "V1", overwrite=True)

    by_rider = trips.group_by("RIDER").agg(f.sum("FARE").alias("TOTAL"), f.count("FARE").alias("RIDES"))
    windows = trips.select("RIDER", "AT", "FARE").analytics.time_series_agg(
        time_col="AT", group_by=["RIDER"], aggs={"FARE": ["SUM", "AVG"]}, windows=["-2D"]
    )
    descs = {"TOTAL": "all fares", "RIDES": "how many"}
    yield (
        "attach_feature_desc",
        lambda: (
            keep(
                "described",
                fs.register_feature_view(FeatureView("BYR", [rider], by_rider).attach_feature_desc(descs), "V1"),
            ).feature_descs[w.described.feature_names[0]]
            == "all fares"
        ),
    )
    yield (
        "a view of several entities",
        lambda: len(view("BOTH", [rider, station], trips, timestamp_col="AT").entities) == 2,
    )
    yield (
        "a managed view with an incremental refresh",
        lambda: (
            keep(
                "managed",
                view(
                    "MAN",
                    [rider],
                    trips.select("RIDER", "AT", "FARE"),
                    timestamp_col="AT",
                    refresh_freq="1 minute",
                    refresh_mode="FULL",
                ),
            ).refresh_freq
            is not None
        ),
    )
    yield (
        "a view by a schedule (cron)",
        lambda: view("CRON", [rider], by_rider, refresh_freq="0 6 * * * UTC").version == "V1",
    )
    yield "time_series_agg as a view", lambda: view("SERIES", [rider], windows, timestamp_col="AT").version == "V1"
    yield (
        "moving_agg",
        lambda: (
            trips.analytics.moving_agg(
                aggs={"FARE": ["SUM"]}, window_sizes=[2], order_by=["AT"], group_by=["RIDER"]
            ).count()
            == 4
        ),
    )
    yield (
        "cumulative_agg",
        lambda: (
            trips.analytics.cumulative_agg(
                aggs={"FARE": ["SUM"]}, group_by=["RIDER"], order_by=["AT"], is_forward=False
            ).count()
            == 4
        ),
    )
    yield (
        "compute_lag, compute_lead",
        lambda: trips.analytics.compute_lag(cols=["FARE"], lags=[1], order_by=["AT"], group_by=["RIDER"]).count() == 4,
    )
    yield "overwrite a view", lambda: view("BOTH", [rider, station], trips, timestamp_col="AT").version == "V1"
    yield (
        "a version twice is refused or told",
        lambda: fs.register_feature_view(FeatureView("BYR", [rider], by_rider), "V1").version == "V1",
    )
    yield "list_feature_views of an entity", lambda: fs.list_feature_views(entity_name="STATION").count() == 1
    yield "list_feature_views of a name", lambda: fs.list_feature_views(feature_view_name="BY").count() == 1
    yield "read_feature_view by name", lambda: fs.read_feature_view("BYR", "V1").count() == 2
    yield "slice", lambda: [str(each) for each in w.described.slice(["TOTAL"]).names] == ["TOTAL"]
    yield (
        "training set of slices",
        lambda: (
            "RIDES"
            not in fs.generate_training_set(spine, [w.described.slice(["TOTAL"])], spine_label_cols=["LABEL"]).columns
        ),
    )
    yield (
        "training set of several views",
        lambda: (
            [
                row["TOTAL"]
                for row in fs.generate_training_set(
                    spine, [w.described, w.managed], spine_timestamp_col="AT", spine_label_cols=["LABEL"]
                )
                .sort("RIDER")
                .collect()
            ]
            == [6, 10]
        ),
    )
    yield (
        "training set without columns, with the view's time",
        lambda: (
            "STATION"
            not in fs.generate_training_set(
                spine,
                [w.managed],
                spine_timestamp_col="AT",
                exclude_columns=["STATION"],
                include_feature_view_timestamp_col=True,
            ).columns
        ),
    )
    yield (
        "training set saved as a table",
        lambda: (
            fs.generate_training_set(spine, [w.described], save_as="SAVED").count() == 2
            and s.table(f"{home}.QS.SAVED").count() == 2
        ),
    )
    yield (
        "training set with prefixes",
        lambda: any(
            "BYR" in each.upper() for each in fs.generate_training_set(spine, [w.described], auto_prefix=True).columns
        ),
    )
    yield (
        "dataset of a training set, as torch would read it",
        lambda: (
            list(
                fs.generate_dataset(
                    "qsd", spine, [w.described], version="v1", spine_label_cols=["LABEL"]
                ).read.to_pandas()["LABEL"]
            )
            == [0, 1]
        ),
    )
    yield "dataset files", lambda: len(fs.generate_dataset("qsf", spine, [w.described], version="v1").read.files()) >= 1
    yield (
        "feature view lineage",
        lambda: w.described.fully_qualified_name().endswith('"BYR$V1"') or "BYR" in w.described.fully_qualified_name(),
    )
    yield "update_default_warehouse", lambda: (fs.update_default_warehouse("COMPUTE_WH"), True)[1]
    yield (
        "update refresh frequency",
        lambda: fs.update_feature_view("MAN", "V1", refresh_freq="2 minutes").refresh_freq is not None,
    )
    yield "suspend by name", lambda: str(fs.suspend_feature_view("MAN", "V1").status).endswith("SUSPENDED")
    yield "refresh history, verbose", lambda: fs.get_refresh_history("MAN", "V1", verbose=True).count() >= 0
    yield "online features", lambda: online(fs, rider, trips)
    yield (
        "delete_feature_view by name",
        lambda: (fs.delete_feature_view("CRON", "V1"), fs.list_feature_views(feature_view_name="CRON").count() == 0)[1],
    )
    yield "an entity that is in use stays", lambda: refused(lambda: fs.delete_entity("RIDER"))


def online(fs, entity, frame):
    from snowflake.ml.feature_store import FeatureView
    from snowflake.ml.feature_store.feature_view import OnlineConfig, StoreType

    made = FeatureView(
        "ONL",
        [entity],
        frame.select("RIDER", "AT", "FARE"),
        timestamp_col="AT",
        refresh_freq="1 minute",
        online_config=OnlineConfig(enable=True),
    )
    kept = fs.register_feature_view(made, "V1")
    return fs.read_feature_view(kept, keys=[["1"]], store_type=StoreType.ONLINE).count() == 1


def refused(what):
    """Whether something raises an error."""
    try:
        what()
    except Exception:  # noqa: BLE001 - which one is the client's choice
        return True
    return False


def submitted(w):
    """Yield the operations of ML Jobs beside `@remote`."""
    from snowflake.ml import jobs as ml
    from snowflake.ml.jobs import remote

    s = w.session
    pool = "CREATE COMPUTE POOL IF NOT EXISTS more_pool MIN_NODES=1 MAX_NODES=2 INSTANCE_FAMILY=CPU_X64_S"
    s.sql(pool).collect()
    s.sql("CREATE STAGE payload").collect()
    here = {"compute_pool": "more_pool", "stage_name": "PAYLOAD", "session": s}
    folder = Path(tempfile.mkdtemp())
    (folder / "helper.py").write_text("def twice(n):\n    return 2 * n\n")
    (folder / "main.py").write_text(
        "import os, sys\nfrom helper import twice\nprint('said', twice(int(sys.argv[1])), os.environ.get('MINE'))\n"
        "__return__ = {'made': twice(int(sys.argv[1]))}\n"
    )
    (folder / "alone.py").write_text("import sys\nprint('alone', *sys.argv[1:])\n")

    def keep(name, made):
        setattr(w, name, made)
        return made

    yield (
        "submit_file",
        lambda: keep("alone", ml.submit_file(str(folder / "alone.py"), args=["a", "b c"], **here)).wait(60) == "DONE",
    )
    yield "get_logs as a list", lambda: w.alone.get_logs(as_list=True) == ["alone a b c"]
    yield (
        "submit_directory with variables",
        lambda: (
            keep(
                "many",
                ml.submit_directory(str(folder), entrypoint="main.py", args=["21"], env_vars={"MINE": "x"}, **here),
            ).wait(60)
            == "DONE"
        ),
    )
    yield (
        "its logs, and all of them",
        lambda: "said 42 x" in w.many.get_logs() and len(w.many.get_logs(verbose=True)) > len(w.many.get_logs()),
    )
    yield "__return__ of a script", lambda: w.many.result() == {"made": 42}
    yield "submit_from_stage", lambda: from_stage(s, ml, folder, here)
    yield "a script that fails", lambda: failing(ml, folder, here)
    yield "cancel", lambda: cancelled(ml, folder, here)
    yield "list_jobs with a limit", lambda: len(ml.list_jobs(limit=2, session=s)) == 2
    yield (
        "list_jobs of a schema",
        lambda: len(ml.list_jobs(schema="PUBLIC", database=s.get_current_database(), session=s)) >= 4,
    )
    yield "logs of another instance", lambda: instances(s, remote)
    yield (
        "min_instances",
        lambda: (
            ml.submit_file(str(folder / "alone.py"), target_instances=2, min_instances=1, **here).wait(90) == "DONE"
        ),
    )
    yield (
        "target_instances, min_instances of a job",
        lambda: (w.alone.target_instances, w.alone.min_instances) == (1, 1),
    )
    yield (
        "more instances than the pool has are refused",
        lambda: refused(lambda: ml.submit_file(str(folder / "alone.py"), target_instances=9, **here)),
    )
    yield (
        "pip_requirements that are there",
        lambda: ml.submit_file(str(folder / "alone.py"), pip_requirements=["numpy"], **here).wait(60) == "DONE",
    )
    yield (
        "a name and a comment",
        lambda: "NAMED" in ml.submit_file(str(folder / "alone.py"), name="named", comment="c", **here).name.upper(),
    )
    yield "a session in a job", lambda: in_session(s, remote)
    yield "a frame as an argument and a result", lambda: framed(s, remote)
    yield "@remote with a closure and defaults", lambda: closed(s, remote)
    yield "Ray on two instances", lambda: on_ray(s, remote)
    yield (
        "parallel=True",
        lambda: ml.submit_file(str(folder / "alone.py"), target_instances=2, parallel=True, **here).wait(60) == "DONE",
    )
    yield "get_ray_dashboard_url", lambda: w.alone.get_ray_dashboard_url() is None
    yield "register_code_bundle", lambda: bundled(ml, folder, here)


def from_stage(s, ml, folder, here):
    for each in folder.glob("*.py"):
        s.file.put(str(each), "@payload/source", auto_compress=False, overwrite=True)
    job = ml.submit_from_stage("@payload/source", entrypoint="main.py", args=["4"], **here)
    return job.wait(60) == "DONE" and job.result() == {"made": 8}


def failing(ml, folder, here):
    (folder / "fails.py").write_text("raise KeyError('gone')\n")
    job = ml.submit_file(str(folder / "fails.py"), **here)
    if job.wait(60) != "FAILED":
        return False
    try:
        job.result()
    except RuntimeError as error:
        return "gone" in str(error) and "KeyError" in job.get_logs()
    return False


def cancelled(ml, folder, here):
    (folder / "sleeps.py").write_text("import time\ntime.sleep(300)\n")
    job = ml.submit_file(str(folder / "sleeps.py"), **here)
    job.cancel()
    return job.wait(30) == "CANCELLED"


def instances(s, remote):
    @remote("more_pool", stage_name="PAYLOAD", target_instances=2, session=s)
    def go() -> int:
        print("head")
        return 1

    job = go()
    job.wait(90)
    return "head" in job.get_logs(instance_id=0) and "head" not in job.get_logs(instance_id=1)


def in_session(s, remote):
    @remote("more_pool", stage_name="PAYLOAD", session=s)
    def who() -> str:
        from snowflake.snowpark import Session

        session = Session.builder.getOrCreate()
        return session.sql("SELECT CURRENT_ROLE()").collect()[0][0]

    return who().result() == "ACCOUNTADMIN"


def framed(s, remote):
    import pandas as pd

    @remote("more_pool", stage_name="PAYLOAD", session=s)
    def twice(frame):
        return frame * 2

    return list(twice(pd.DataFrame({"a": [1, 2]})).result()["a"]) == [2, 4]


def closed(s, remote):
    base = 40

    @remote("more_pool", stage_name="PAYLOAD", session=s)
    def add(more: int = 2) -> int:
        return base + more

    return add().result() == 42


def on_ray(s, remote):
    @remote("more_pool", stage_name="PAYLOAD", target_instances=2, session=s)
    def spread() -> list:
        import ray

        ray.init(address="auto", ignore_reinit_error=True, log_to_driver=False)

        @ray.remote(scheduling_strategy="SPREAD", num_cpus=1)
        def where() -> str:
            import time

            time.sleep(0.5)
            return ray.get_runtime_context().get_node_id()

        alive = [each for each in ray.nodes() if each["Alive"]]
        return [len(alive), len(set(ray.get([where.remote() for _ in range(4)])))]

    return spread().result() == [2, 2]


def bundled(ml, folder, here):
    where = {"stage_name": here["stage_name"], "session": here["session"]}
    return ml.register_code_bundle(str(folder), here["compute_pool"], "RESULTS", name="bundle", **where) is not None
