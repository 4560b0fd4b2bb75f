"""ML Jobs: what `snowflake.ml.jobs` asks for by two system functions.

They are not documented; what they take is in `job_definition.py` and `runtime_env_utils.py` of snowflake-ml-python.
https://docs.snowflake.com/en/developer-guide/snowflake-ml/ml-jobs/overview says what a job is. Here Snowflake's own
launcher, which the client has put on the stage, is run by this machine's Python, without the shell scripts around it
that install packages and start Ray.
"""

from __future__ import annotations

import json
import os
import random
import string
import sys
import uuid
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.jobs import cluster, containers, services
from firnflow.emulator.jobs.runner import Job
from firnflow.emulator.jobs.specification import container_of
from firnflow.emulator.objects.integrations import check_access
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import function

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session

_IMAGE = "/snowflake/images/snowflake_images/st_plat/runtime/x86/runtime_image/snowbooks:1.8.0"
_SHORT = "/tmp"  # noqa: S108 - its path is short enough for the sockets of Ray; the name below it is random
_STAGE, _RESULT = "/mnt/job_stage", "/mnt/job_result"
_OPTIONS = ("STAGE_PATH", "ARGS", "ENV_VARS", "RUNTIME", "ENABLE_METRICS", "ENABLE_STAGE_MOUNT_V2")
_JOB_OPTIONS = (
    *("QUERY_WAREHOUSE", "TARGET_INSTANCES", "MIN_INSTANCES", "ASYNC", "GENERATE_SUFFIX", "COMMENT"),
    "EXTERNAL_ACCESS_INTEGRATIONS",
)


@function("SYSTEM$GET_ML_JOB_RUNTIME")
def _runtime(session: Session, pool: str, *_: Any) -> str:
    session.need("COMPUTE POOL", tuple(Reader(pool).name()), "USAGE")
    return _IMAGE


@function("SYSTEM$EXECUTE_ML_JOB")
def _execute(session: Session, name: str, pool: str, spec_text: str, job_text: str) -> str:
    spec, options = json.loads(spec_text), json.loads(job_text)
    for given, known in ((spec, _OPTIONS), (options, _JOB_OPTIONS)):
        for key, value in given.items():
            if key not in known and value:
                raise errors.unknown(f"SYSTEM$EXECUTE_ML_JOB … {key}", known)
    if spec["ENV_VARS"].get("MLRS_LAUNCH_BACKEND"):
        raise errors.unknown("an ML Job with parallel=True", ["@remote", "submit_directory"])
    access = check_access(session, [Reader(each).name() for each in options.get("EXTERNAL_ACCESS_INTEGRATIONS") or ()])
    path = session.path("SERVICE", _named(name))
    warehouse = Reader(options["QUERY_WAREHOUSE"]).name() if options.get("QUERY_WAREHOUSE") else None
    where = services.need_pool(session, Reader(pool).name()[-1])
    services.prepare(session, path, warehouse)
    count = int(options.get("TARGET_INSTANCES") or 1)
    made = _specification(spec, path, count)
    container = container_of(made)
    folder = session.account.folder / "jobs" / uuid.uuid4().hex
    mounts = containers.mounted(session, container, folder)
    _told_where(made, mounts)
    variables = containers.variables_of(session, container, mounts, path, count)
    scratch = Path(_SHORT) / f"ray-{uuid.uuid4().hex[:12]}"
    variables |= {"PYTHONPATH": _path(), cluster.FOLDER: str(folder), cluster.SCRATCH: str(scratch)}
    words = _launcher(containers.words_of(container, mounts), mounts[_STAGE])
    others = [sys.executable, cluster.__file__]
    job = Job(path, where, words, variables, folder, count, others, waits_for_first=True, scratch=scratch)
    is_async = bool(options.get("ASYNC", True))
    comment = options.get("COMMENT")
    services.begin(session, job, made, is_async=is_async, warehouse=warehouse, comment=comment, access=access)
    if not is_async:
        services.finish(session, job)
    return full(path)


def _path() -> str:
    """Return where jobs look for modules first: what stands before Ray, then what the emulator itself finds."""
    return os.pathsep.join([str(cluster.BESIDE), *filter(None, [os.environ.get("PYTHONPATH")])])


def _named(name: str) -> list[str]:
    """Return a job's name; one that ends in `_` gets letters behind that."""
    parts = list(Reader(name).name())
    if parts[-1].endswith("_"):
        parts[-1] += "".join(random.choices(string.ascii_uppercase + string.digits, k=12))  # noqa: S311 - a name
    return parts


def _specification(spec: dict[str, Any], path: FullName, count: int) -> dict[str, Any]:
    """Return the specification of an ML Job as DESCRIBE SERVICE tells it, which the client reads."""
    stage = spec["STAGE_PATH"] if spec["STAGE_PATH"].startswith("@") else f"@{spec['STAGE_PATH']}"
    volumes = {"stage-volume": (_STAGE, stage), "result-volume": (_RESULT, f"{stage}/{path[-1]}")}
    env = {
        "MLRS_RESULT_PATH": "mljob_result",
        "MLRS_STAGE_RESULT_PATH": _RESULT,
        "MLRS_MIN_INSTANCES": str(count),
        **spec["ENV_VARS"],
    }
    container = {
        "name": "main",
        "image": spec.get("RUNTIME") or _IMAGE,
        "command": [str(each) for each in spec["ARGS"]],
        "env": env,
        "volumeMounts": [{"name": each, "mountPath": mount} for each, (mount, _) in volumes.items()],
    }
    return {
        "spec": {
            "containers": [container],
            "volumes": [
                {"name": each, "source": "stage", "stageConfig": {"name": place}}
                for each, (_, place) in volumes.items()
            ],
        }
    }


def _told_where(spec: dict[str, Any], mounts: dict[str, Path]) -> None:
    """Say in a specification where volumes lie on this machine: results name files so, and the client resolves them."""
    for mount in spec["spec"]["containers"][0]["volumeMounts"]:
        mount["mountPath"] = str(mounts[mount["mountPath"]])


def _launcher(words: list[str], stage: Path) -> list[str]:
    """Return how Snowflake's launcher is started, instead of the script that starts it there.

    Raises:
        SnowflakeError: the job is started in another way, or needs what is not installed here.
    """
    if words[0] != "bash" or PurePosixPath(words[1]).name != "startup.sh":
        raise errors.unknown(f"an ML Job that starts by {words[0]}", ["@remote", "submit_file", "submit_directory"])
    for file in (stage / "system" / "requirements.txt", stage / "app" / "requirements.txt"):
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
            _check_installed(line.strip())
    return [sys.executable, str(stage / "system" / "mljob_launcher.py"), *words[2:]]


def _check_installed(line: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    if not line or line.startswith(("#", "-")):
        return
    try:
        wanted = Requirement(line)
        fits = wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except (InvalidRequirement, metadata.PackageNotFoundError):
        fits = False
    if not fits:
        raise errors.invalid(
            f"The job needs '{line}', which is not installed beside the emulator. Mend: pip install '{line}'"
        )
