"""The rules of skipping and failing, against a slow and obvious reference on random graphs."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from firnflow.engine.binding import Value
from firnflow.engine.mapping import expand
from firnflow.engine.scheduler import Scheduler
from firnflow.graph.model import Condition, FromConstant, FromList, FromTask, Graph, Location, Mapping, Port, TaskNode
from firnflow.values import Ref

HERE = Location(file="x.py", line=1)


def node(inputs=(), when=()):
    """A task; `inputs` are (argument, input, accepts None), `when` are (task, case)."""
    return TaskNode(
        key="x:x",
        location=HERE,
        inputs={name: wanted for name, wanted, _ in inputs},
        arguments={name: Port(type="str", optional=optional) for name, _, optional in inputs},
        outputs={"result": Port(type="str")},
        when=tuple(Condition(task=task, case=case) for task, case in when),
    )


def graph(**tasks):
    return Graph(pipeline="p", location=HERE, tasks=tasks)


def text(value):
    return {"result": Ref("json", "json", f"digest of {value}", inline=json.dumps(value))}


def scheduler(of, selected=None, given=None, params=None):
    return Scheduler(of, selected or list(of.tasks), given or {}, params or {}, lambda ref: json.loads(ref.inline))


def drive(run, outcomes, results=None):
    """Settle everything: a task that may run ends as `outcomes` says."""
    decisions = {}
    while not run.done:
        for task in run.take_ready():
            decisions[task] = run.decide(task)
            if decisions[task] is not None:
                run.settle(task, decisions[task])
            elif outcomes.get(task, "succeeded") == "succeeded":
                run.settle(task, "succeeded", text((results or {}).get(task, task)))
            else:
                run.settle(task, outcomes[task])
    return decisions


def read(task, optional=False, argument=None):
    return (argument or task, FromTask(task=task), optional)


def test_a_task_waits_for_all_that_it_reads():
    run = scheduler(graph(a=node(), b=node(), c=node([read("a"), read("b")])))
    assert list(run.take_ready()) == ["a", "b"]
    run.settle("a", "succeeded", text("a"))
    assert list(run.take_ready()) == []
    run.settle("b", "succeeded", text("b"))
    assert list(run.take_ready()) == ["c"]
    assert run.arguments("c")["a"].inline == '"a"'


def test_only_the_chosen_case_runs_and_a_join_gets_none_for_the_other():
    of = graph(
        judge=node(),
        yes=node(when=[("judge", "yes")]),
        no=node(when=[("judge", "no")]),
        after_no=node([read("no")]),
        join=node([read("yes", optional=True), read("no", optional=True)]),
        every=node([("items", FromList(items=(FromTask(task="yes"), FromTask(task="no"))), False)]),
    )
    run = scheduler(of)
    decisions = drive(run, {}, {"judge": "yes"})
    assert decisions == {
        "judge": None, "yes": None, "no": "skipped", "after_no": "skipped", "join": None, "every": None,
    }  # fmt: skip
    assert run.arguments("join")["no"] == Value(None)
    assert [item.inline for item in run.arguments("every")["items"]] == ['"yes"']


def test_a_case_is_compared_with_its_type():
    of = graph(judge=node(), true=node(when=[("judge", True)]), one=node(when=[("judge", 1)]))
    assert drive(scheduler(of), {}, {"judge": True}) == {"judge": None, "true": None, "one": "skipped"}


def test_a_join_of_which_all_was_skipped_is_skipped():
    of = graph(
        judge=node(),
        a=node(when=[("judge", "x")]),
        b=node(when=[("judge", "y")]),
        join=node([read("a", optional=True), read("b", optional=True), ("n", FromConstant(value=1), False)]),
    )
    assert drive(scheduler(of), {}, {"judge": "z"})["join"] == "skipped"


def test_what_is_given_is_not_run():
    of = graph(a=node(), b=node([read("a")]), c=node([read("b")]))
    run = scheduler(of, selected=["b"], given={"a": text("earlier")})
    assert drive(run, {}) == {"b": None}
    assert run.arguments("b")["a"].inline == '"earlier"'
    assert drive(scheduler(of, selected=["b"], given={"a": None}), {}) == {"b": "skipped"}


@st.composite
def random_graphs(draw):
    tasks, outcomes, results = {}, {}, {}
    for index in range(draw(st.integers(1, 9))):
        name = f"t{index}"
        earlier = [f"t{i}" for i in range(index)]
        some = draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
        inputs = [read(task, draw(st.booleans())) for task in some]
        if earlier and draw(st.booleans()):
            listed = draw(st.lists(st.sampled_from(earlier), min_size=1, max_size=3, unique=True))
            inputs.append(("listed", FromList(items=tuple(FromTask(task=task) for task in listed)), False))
        when = (
            [(draw(st.sampled_from(earlier)), draw(st.sampled_from("xy")))] if earlier and draw(st.booleans()) else []
        )
        tasks[name] = node(inputs, when)
        outcomes[name] = draw(st.sampled_from(["succeeded", "succeeded", "succeeded", "failed"]))
        results[name] = draw(st.sampled_from("xy"))
    return graph(**tasks), outcomes, results


def reference(of, outcomes, results):
    """The rules as one would say them, task by task in topological order."""
    ended = {}
    for name, this in of.tasks.items():
        groups = [
            ([i.task for i in wanted.items] if isinstance(wanted, FromList) else [wanted.task], argument)
            for argument, wanted in this.inputs.items()
        ]
        upstream = [task for tasks, _ in groups for task in tasks] + [c.task for c in this.when]
        if any(ended[task] in {"failed", "upstream_failed"} for task in upstream):
            ended[name] = "upstream_failed"
        elif (
            any(ended[c.task] == "skipped" or results[c.task] != c.case for c in this.when)
            or any(
                ended[tasks[0]] == "skipped" and not this.arguments[argument].optional and argument != "listed"
                for tasks, argument in groups
            )
            or (groups and all(ended[task] == "skipped" for tasks, _ in groups for task in tasks))
        ):
            ended[name] = "skipped"
        else:
            ended[name] = outcomes[name]
    return ended


@given(random_graphs())
def test_random_graphs_follow_the_reference(case):
    of, outcomes, results = case
    run = scheduler(of)
    drive(run, outcomes, results)
    assert {task: run.settled[task].status for task in of.tasks} == reference(of, outcomes, results)


def test_elements_are_named_by_what_differs():
    arguments = {"x": Value([{"depth": 3, "rate": 0.1}, {"depth": 5, "rate": 0.1}]), "y": Value(["a", "b"])}
    zipped = expand("t", Mapping(arguments=("x", "y")), arguments, lambda _: None)
    assert [element.label for element in zipped] == ["depth=3, y=a", "depth=5, y=b"]
    crossed = expand("t", Mapping(arguments=("x", "y"), how="cross"), arguments, lambda _: None)
    assert [element.label for element in crossed] == ["depth=3, y=a", "depth=3, y=b", "depth=5, y=a", "depth=5, y=b"]


def test_elements_that_are_stored_values_are_named_by_their_index():
    items = [Ref("table", "pandas", "d1", where="objects/a"), Ref("table", "pandas", "d2", where="objects/b")]
    found = expand("t", Mapping(arguments=("x",)), {"x": items, "n": Value(1)}, lambda _: None)
    assert [element.label for element in found] == ["0", "1"]
    assert found[1].arguments == {"x": items[1], "n": Value(1)}
