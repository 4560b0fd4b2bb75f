from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from firnflow.errors import ConfigError, GraphError, NotFoundError
from firnflow.project.load import load_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TWO = '[project]\nname = "shop"\npipelines = ["first", "second"]\n'


def test_pipelines_and_tasks_are_collected(make: Callable[..., Path], pipeline: str) -> None:
    root = make(files={"pipelines.py": pipeline, "catalog.toml": "[customers]\npath = 'x.csv'\n"})
    project = load_project(root)
    assert list(project.pipelines) == ["churn"]
    assert [task.key for task in project.pipeline("churn").tasks.values()] == ["pipelines:double"]
    assert project.pipeline("churn").build().pipeline == "churn"
    assert project.source("customers").path == "x.csv"
    assert project.root == root.resolve()


def test_the_root_is_found_from_a_folder_below(
    make: Callable[..., Path], pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(files={"pipelines.py": pipeline, "a/b/c.txt": ""})
    monkeypatch.chdir(root / "a" / "b")
    assert load_project().root == root.resolve()


def test_modules_may_lie_under_src_and_import_each_other(make: Callable[..., Path], pipeline: str) -> None:
    root = make(
        '[project]\nname = "shop"\npipelines = ["shop.flows"]\n',
        {
            "src/shop/__init__.py": "",
            "src/shop/base.py": pipeline,
            "src/shop/flows.py": "from shop.base import churn\n",
        },
    )
    assert list(load_project(root).pipelines) == ["churn"]


def test_two_projects_in_one_process_do_not_mix(make: Callable[..., Path], pipeline: str) -> None:
    first = make(files={"pipelines.py": pipeline + "import helper\n", "helper.py": "NAME = 'first'\n"})
    second = make(
        files={
            "pipelines.py": pipeline.replace("def churn", "def other") + "import helper\n",
            "helper.py": "NAME = 'second'\n",
        }
    )
    assert list(load_project(first).pipelines) == ["churn"]
    assert list(load_project(second).pipelines) == ["other"]
    assert sys.modules["helper"].NAME == "second"
    assert str(first) not in sys.path
    assert list(load_project(first).pipelines) == ["churn"]


def test_two_pipelines_of_one_name(make: Callable[..., Path], pipeline: str) -> None:
    root = make(TWO, {"first.py": pipeline, "second.py": pipeline})
    with pytest.raises(ConfigError, match=r"named 'churn': first:churn and second:churn. Mend: rename one"):
        load_project(root)


def test_one_pipeline_in_two_modules_is_one(make: Callable[..., Path], pipeline: str) -> None:
    root = make(TWO, {"first.py": pipeline, "second.py": "from first import churn\nagain = churn\n"})
    assert list(load_project(root).pipelines) == ["churn"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def f(:\n    pass\n", '(?s)pipelines.py", line 1.*SyntaxError: invalid syntax'),
        ("import json\njson.loads('x')\n", '(?s)pipelines.py", line 2, in <module>\n    json.loads.*JSONDecodeError'),
        ("import no_such_library\n", "(?s)line 1.*ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise SystemExit(3)\n", "(?s)line 1.*SystemExit: 3"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("x = '\udcff'\n".encode("utf-8", "surrogateescape").decode("latin-1") + "\0", "cannot be imported"),
    ],
)
def test_a_module_that_does_not_import_shows_the_user_s_lines(
    make: Callable[..., Path], code: str, message: str
) -> None:
    root = make(files={"pipelines.py": code})
    with pytest.raises(ConfigError, match=message) as caught:
        load_project(root)
    assert "importlib" not in str(caught.value)
    assert "firnflow/project" not in str(caught.value)


def test_an_error_of_the_graph_stays_what_it_is(make: Callable[..., Path], pipeline: str) -> None:
    root = make(files={"pipelines.py": pipeline.replace("x: int", "x")})
    with pytest.raises(GraphError, match=r"pipelines.py"):
        load_project(root)


def test_a_module_that_is_not_there(make: Callable[..., Path], pipeline: str) -> None:
    root = make(files={"pipeline.py": pipeline})
    with pytest.raises(ConfigError, match=r"no module 'pipelines' in .* Did you mean 'pipeline'"):
        load_project(root)
    root = make('[project]\nname = "shop"\npipelines = ["shop.flow"]\n', {"shop/flows.py": pipeline})
    with pytest.raises(ConfigError, match=r"no module 'shop.flow' in .* Did you mean 'shop.flows'"):
        load_project(root)


@pytest.mark.parametrize("module", ["json", "os.path", "sys", "firnflow.errors", "pytest", "__main__"])
def test_only_the_project_s_own_modules_are_imported(make: Callable[..., Path], module: str) -> None:
    root = make(f'[project]\nname = "shop"\npipelines = ["{module}"]\n')
    with pytest.raises(ConfigError, match=r"is not the project's own|no module"):
        load_project(root)


def test_a_link_out_of_the_project_is_refused(make: Callable[..., Path], pipeline: str, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text(pipeline)
    root = make('[project]\nname = "shop"\npipelines = ["inside"]\n')
    (root / "inside.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(ConfigError, match=r"'inside' is not the project's own"):
        load_project(root)


def test_values_for_a_pipeline_that_is_not_there(make: Callable[..., Path], pipeline: str) -> None:
    root = make('[project]\nname = "shop"\n[pipelines.chrun.params]\nx = 1\n', {"pipelines.py": pipeline})
    with pytest.raises(ConfigError, match=r"\[pipelines.chrun\]: there is no such pipeline. Did you mean 'churn'"):
        load_project(root)


def test_unknown_names_get_the_nearest(make: Callable[..., Path], pipeline: str) -> None:
    project = load_project(make(files={"pipelines.py": pipeline, "catalog.toml": "[customers]\npath = 'x.csv'\n"}))
    with pytest.raises(NotFoundError, match=r"no pipeline 'chrun'. Did you mean 'churn'"):
        project.pipeline("chrun")
    with pytest.raises(NotFoundError, match=r"no source 'customer' in catalog.toml. Did you mean 'customers'"):
        project.source("customer")


def test_a_pipeline_that_takes_more_than_parameters_is_part_of_others_only(
    make: Callable[..., Path], pipeline: str
) -> None:
    part = "@pipeline\ndef inner(numbers: list[int]):\n    return double(numbers)\n"
    root = make(files={"pipelines.py": f"{pipeline}\n\n{part}"})
    project = load_project(root)
    assert list(project.pipelines) == ["churn"]
    with pytest.raises(GraphError, match="pipeline 'inner': takes 'numbers', but nothing passes it at the top"):
        project.pipeline("inner")


def test_a_module_whose_folder_is_gone_from_the_modules_stops_nobody(
    make: Callable[..., Path], pipeline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of packages without `__init__.py` the inner one looks its folder up in the outer one whenever it is asked."""
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("outer.inner")
    monkeypatch.delitem(sys.modules, "outer")
    try:
        for _ in range(2):
            load_project(make(files={"pipelines.py": pipeline}))
    finally:
        del sys.modules["outer.inner"]
