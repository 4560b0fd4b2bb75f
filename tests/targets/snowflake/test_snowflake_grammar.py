"""The statements that deploy: read, written again, and refused with what was expected."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from firnflow.errors import UsageError
from firnflow.stores.snowflake.names import LONGEST, identifier
from firnflow.targets.snowflake.grammar import ParseError, covers, kinds, parse, render, rules
from firnflow.targets.snowflake.grammar import statements as st
from firnflow.targets.snowflake.grammar import values as v
from firnflow.targets.snowflake.grammar.actions import ACTIONS
from firnflow.targets.snowflake.grammar.kinds import KINDS

# -- any statement ----------------------------------------------------------------------------------------------------

visible = some.characters(blacklist_categories=("Cs", "Cc"))
parts = some.one_of(some.text(visible, min_size=1, max_size=12), some.sampled_from(["SELECT", 'a"b', "x;y", "ä" * 64]))
names = some.lists(parts, min_size=1, max_size=3).map(lambda found: v.Name(tuple(found)))
texts = some.text(some.characters(blacklist_categories=("Cs",)), max_size=12)
whole = some.integers(0, 10**12)
tags = some.lists(some.tuples(names, texts), min_size=1, max_size=2).map(lambda found: v.Pairs(tuple(found)))
several = some.lists(names, min_size=1, max_size=3).map(tuple)
constants = some.one_of(
    texts.map(v.Constant),
    some.sampled_from([v.Constant(value) for value in (None, True, 0, -3, 7, Decimal("2.5"))]),
    some.sampled_from([v.Variable("?"), v.Variable(":1"), v.Variable("$given")]),
    names.filter(lambda name: len(name.parts) > 1),
)


def grown(inner: Any) -> Any:
    two = some.tuples(inner, inner)
    words = some.sampled_from(["OR", "AND", "=", "<>", "<", "LIKE", "||", "+", "-", "*", "%"])
    calls = some.builds(
        lambda name, arguments, named: v.Call(name, tuple(arguments), tuple(named)),
        names,
        some.lists(inner, max_size=2),
        some.lists(some.tuples(parts, inner), max_size=1),
    )
    return some.one_of(
        some.builds(v.Operation, words, two),
        some.builds(lambda one: v.Operation("NOT", (one,)), inner),
        some.builds(lambda one, word: v.Operation(word, (one,)), inner, some.sampled_from(["IS NULL", "IS NOT NULL"])),
        some.builds(lambda one, word: v.Operation(word, one), two, some.sampled_from(["IN", "NOT IN"])),
        some.builds(v.Cast, inner, some.sampled_from(["NUMBER(38, 0)", "DOUBLE PRECISION", "ARRAY(VARCHAR)"])),
        some.lists(inner, max_size=2).map(lambda found: v.Items(tuple(found))),
        some.lists(some.tuples(texts, inner), max_size=2).map(lambda found: v.Fields(tuple(found))),
        some.builds(v.Method, names, calls.filter(lambda call: len(call.name.parts) == 1)),
        calls,
    )


expressions = some.recursive(constants, grown, max_leaves=6)
bodies = some.sampled_from(["SELECT 1", "CALL p('a;b')", "BEGIN\n LET x := 1;\n RETURN x;\nEND"]).map(v.Body)
paths = some.text(visible, max_size=8)
locations = some.one_of(
    some.builds(v.Location, names, paths),
    some.builds(lambda path: v.Location(None, path, "~"), paths),
    some.builds(lambda name, path: v.Location(name, path, "%"), names, paths),
)
files = texts.map(lambda text: v.Uri(f"file:///tmp/{text}"))
calls = expressions.filter(lambda each: isinstance(each, v.Call | v.Method))
columns = some.lists(some.builds(v.Column, parts, some.just("INT"), some.none() | texts), max_size=2).map(tuple)
arguments = some.lists(some.builds(v.Column, parts, some.just("VARCHAR")), max_size=2).map(tuple)
options = some.dictionaries(some.sampled_from(["TYPE", "ENABLE"]), some.one_of(texts, some.booleans(), whole))
BY_RULE = {
    id(kinds.TEXT): texts,
    id(kinds.WHOLE): whole,
    id(kinds.TRUTH): some.booleans(),
    id(kinds.NAMED): names,
    id(kinds.CODE): texts.map(v.Code),
    id(kinds.SIZE): some.sampled_from(["XSMALL", "X-SMALL"]),
    id(kinds.FLAG): some.sampled_from([True]),
    id(kinds.TAGS): tags,
    id(kinds.TEXTS): some.lists(texts, max_size=3).map(tuple),
    id(kinds.NAMES): several,
    id(kinds.OPTIONS): options.map(lambda found: v.Options(tuple(found.items()))),
}
BY_READER = {
    rules.name: names,
    rules.body: bodies,
    rules.condition: expressions,
    rules.location: locations,
    rules.version: parts.map(lambda part: v.Name((part,))),
    rules.name_as_text: texts,
    rules.code: texts.map(v.Code),
    rules.string: texts,
    rules.scalar: some.one_of(texts, whole, some.booleans(), some.just(v.Word("ON"))),
    rules.lag: some.one_of(texts, some.just(v.Word("DOWNSTREAM"))),
}
BY_NAME = {
    "AFTER": several,
    "ADD AFTER": several,
    "REMOVE AFTER": several,
    "UNSET TAG": several,
    "SET TAG": tags,
    "OVERLAP_POLICY": some.sampled_from([v.Word("NO_OVERLAP"), v.Word("ALLOW_ALL_OVERLAP")]),
}


def value_of(name: str, rule: rules.Rule) -> Any:
    """Return values of a rule, or None where these tests make none."""
    made = (BY_RULE.get(id(rule)), BY_READER.get(rule.read), BY_NAME.get(name))
    return next((each for each in made if each is not None), None)


@some.composite
def properties(draw: Any, given_rules: Any, least: int = 0) -> tuple[v.Property, ...]:
    known = {name: made for name, rule in given_rules.items() if (made := value_of(name, rule)) is not None}
    chosen = (
        draw(some.lists(some.sampled_from(sorted(known)), unique=True, min_size=least, max_size=4)) if known else []
    )
    return tuple(v.Property(name, draw(known[name])) for name in chosen)


@some.composite
def creates(draw: Any) -> st.Create:
    kind = draw(some.sampled_from([each for each in KINDS.values() if each.is_created]))
    last = [v.Property(name, draw(value_of(name, rule))) for name, rule in kind.last.items() if name == "AS"]
    if kind.last and "WHEN" in kind.last and draw(some.booleans()):
        last.insert(0, v.Property("WHEN", draw(expressions)))
    variants = draw(some.sampled_from([(), *((each,) for each in kind.variants)]))
    made = {"columns": columns, "arguments": arguments}.get(kind.columns or "", some.none())
    given_properties = (*draw(properties(kind.settings)), *last)
    missing = variants not in {("OR REPLACE",), ("OR ALTER",)} and draw(some.booleans())
    return st.Create(kind.name, draw(names), given_properties, variants, missing, draw(made))


@some.composite
def alters(draw: Any) -> st.Alter:
    kind = draw(some.sampled_from(sorted(ACTIONS)))
    action_name = draw(some.sampled_from(sorted(ACTIONS[kind])))
    action = ACTIONS[kind][action_name]
    value, found, unset = None, (), ()
    if action.value is not None and value_of(action_name, action.value) is None:
        action_name, action = "RENAME TO", ACTIONS[kind]["RENAME TO"]
    if action.value is not None:
        value = draw(value_of(action_name, action.value))
    elif action_name == "UNSET":
        unset = tuple(draw(some.lists(some.sampled_from(sorted(action.settings)), unique=True, min_size=1, max_size=3)))
    elif action.settings is not None:
        found = draw(properties(action.settings, least=1))
    version = v.Name((draw(parts),)) if action.versioned else None
    types = () if kind == "PROCEDURE" else None
    return st.Alter(kind, draw(names), action_name, value, found, unset, version, draw(some.booleans()), types)


others = some.one_of(
    some.builds(st.ExecuteTask, names, some.none() | texts, awaits=some.booleans()),
    some.builds(st.ExecuteTask, names, retry_last=some.booleans()),
    some.builds(st.ExecuteTask, names, retry_group=texts),
    some.builds(st.ExecuteJobService, names, names, texts, some.none() | locations),
    some.builds(st.ExecuteImmediate, expressions),
    some.builds(st.ExecuteImmediate, locations, some.lists(some.tuples(parts, expressions), max_size=2).map(tuple)),
    some.builds(st.CallProcedure, calls),
    some.builds(st.Select, some.lists(expressions, min_size=1, max_size=2).map(tuple)),
    some.builds(
        st.Grant,
        some.sampled_from([("USAGE",), ("EXECUTE TASK", "ALL PRIVILEGES")]),
        some.sampled_from(["COMPUTE POOL", "FUTURE TASKS IN SCHEMA", "STAGE"]),
        names,
        names,
        some.booleans(),
        some.sampled_from(["ROLE", "DATABASE ROLE"]),
        some.booleans(),
    ),
    some.builds(st.GrantRole, names, names, some.sampled_from(["ROLE", "USER"]), some.booleans()),
    some.builds(st.Use, some.sampled_from(["DATABASE", "WAREHOUSE", "ROLE"]), names),
    some.builds(st.Put, files, locations, properties({"OVERWRITE": kinds.TRUTH})),
    some.builds(st.Get, locations, files),
    some.builds(st.ListFiles, locations, some.none() | texts),
    some.builds(st.RemoveFiles, locations, some.none() | texts),
    some.builds(st.CopyFiles, locations, locations, properties({"FILES": kinds.TEXTS})),
    some.builds(st.Comment, some.sampled_from(["TASK", "MODEL MONITOR"]), names, texts, some.booleans()),
    some.builds(st.Drop, some.sampled_from(["TASK", "COMPUTE POOL"]), names, some.booleans()),
    some.builds(
        st.Show,
        some.sampled_from(["TASKS", "IMAGE REPOSITORIES"]),
        some.none() | texts,
        some.none() | some.tuples(some.just("IN SCHEMA"), names),
        some.none() | texts,
        some.none() | whole,
    ),
)


@given(some.one_of(creates(), alters(), others))
@settings(max_examples=200, deadline=None)
def test_what_is_written_reads_as_the_same_statement(statement: st.Statement) -> None:
    text = render(statement)
    assert parse(text) == statement
    assert parse(text + " ;") == statement


@given(some.text(max_size=40))
def test_any_text_is_a_statement_or_refused(text: str) -> None:
    with contextlib.suppress(ParseError):
        statement = parse(text)
        assert parse(render(statement)) == statement


# -- what the documentation shows -------------------------------------------------------------------------------------


WRITTEN = {
    "create task t1 schedule='60 MINUTES' timestamp_input_format='YYYY' as select 1;": (
        "CREATE TASK T1 SCHEDULE = '60 MINUTES' TIMESTAMP_INPUT_FORMAT = 'YYYY' AS select 1"
    ),
    "CREATE TASK a AFTER b, \"c d\" WHEN SYSTEM$GET_PREDECESSOR_RETURN_VALUE('B')::int >= 2 AS CALL p()": (
        "CREATE TASK A AFTER B, \"c d\" WHEN SYSTEM$GET_PREDECESSOR_RETURN_VALUE('B')::INT >= 2 AS CALL p()"
    ),
    "ALTER TASK a MODIFY WHEN not x.b = 1 and (x.c or x.d) and x.e is null": (
        "ALTER TASK A MODIFY WHEN NOT X.B = 1 AND (X.C OR X.D) AND X.E IS NULL"
    ),
    "EXECUTE JOB SERVICE IN COMPUTE POOL p FROM @s SPECIFICATION_FILE='f.yaml' NAME=d.s.j REPLICAS=2": (
        "EXECUTE JOB SERVICE IN COMPUTE POOL P FROM @S SPECIFICATION_FILE = 'f.yaml' NAME = D.S.J REPLICAS = 2"
    ),
    "desc service identifier(?)": "DESCRIBE SERVICE IDENTIFIER(?)",
    "call d.s.\"j_1\"!spcs_wait_for('DONE',30)": "CALL D.S.\"j_1\"!SPCS_WAIT_FOR('DONE', 30)",
    "put file:///tmp/a.zip @st/x/ overwrite=true": "PUT 'file:///tmp/a.zip' @ST/x/ OVERWRITE = TRUE",
    "ALTER MODEL m VERSION v1 SET ALIAS = prod": "ALTER MODEL M VERSION V1 SET ALIAS = PROD",
    "show tasks in schema": "SHOW TASKS IN SCHEMA",
    "GRANT ALL ON FUTURE TASKS IN SCHEMA d.s TO r": "GRANT ALL PRIVILEGES ON FUTURE TASKS IN SCHEMA D.S TO ROLE R",
    "DROP PROCEDURE p(int, number(38,0))": "DROP PROCEDURE P(INT, NUMBER(38, 0))",
    "CREATE TAG t ALLOWED_VALUES 'a', 'b' -- why\n": "CREATE TAG T ALLOWED_VALUES 'a', 'b'",
    "use db..x": "USE DATABASE DB..X",
}


@pytest.mark.parametrize(("text", "written"), WRITTEN.items())
def test_statements_of_the_documentation(text: str, written: str) -> None:
    assert render(parse(text)) == written
    assert parse(written) == parse(text)


def test_strings_are_read_with_their_escapes() -> None:
    comment = parse(r"COMMENT ON TASK t IS 'it''s \\ \x41\u00e9\101\n\q'")
    assert comment == st.Comment("TASK", v.Name(("T",)), "it's \\ AéA\nq")
    assert parse("EXECUTE TASK t USING CONFIG = $${\"a\": 'b\\n'}$$") == st.ExecuteTask(
        v.Name(("T",)), "{\"a\": 'b\\n'}"
    )


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("CREATE TASK t SCHEDUL='1 MINUTE' AS SELECT 1", 14, "SCHEDULE"),
        ("CREATE TASK t COMMENT='a'", 25, "AS"),
        ("CREATE TASK t COMMENT='a' COMMENT='b' AS SELECT 1", 26, "AS"),
        ("CREATE TASK t AS SELECT 1; DROP TASK u", 27, "the end"),
        ("CREATE TABLE t (a INT)", 7, "TASK"),
        ("ALTER TASK t DANCE", 13, "RESUME"),
        ("CREATE TASK t OVERLAP_POLICY=MAYBE AS SELECT 1", 29, "NO_OVERLAP"),
        ("CREATE OR ALTER STREAM s ON TABLE t", 16, "TASK"),
        ("EXECUTE JOB SERVICE IN COMPUTE POOL p NAME=j FROM SPECIFICATION 'x'", 38, "FROM"),
        ("COMMENT ON TASK t IS 'open", 21, "a string that ends"),
        ("DROP TASK a.b.c.d", 15, "the end"),
        (f"DROP TASK {'x' * 256}", 10, "a name of 1 to 255 characters"),
        ('DROP TASK ""', 10, "a name of 1 to 255 characters"),
        ("SELECT a FROM b", 9, "the end"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, position: int, expected: str) -> None:
    with pytest.raises(ParseError, match=r"^line 1, column \d+: expected .*, but found ") as caught:
        parse(text)
    assert (caught.value.position, caught.value.column) == (position, position + 1)
    assert expected in " ".join(caught.value.expected)


def test_the_nearest_word_is_named_among_many() -> None:
    with pytest.raises(ParseError, match=r"expected SCHEDULE .*or one of \d+ others, but found 'SCHEDUL'"):
        parse("CREATE TASK t SCHEDUL='1 MINUTE' AS SELECT 1")


def test_covers_tells_these_statements_from_those_of_a_query_engine() -> None:
    assert all(
        map(covers, ["create or replace task x", "SHOW GRANTS", "desc model m", "rm @x", "comment on stage s is"])
    )
    assert not any(map(covers, ["create table x", "select 1", "show tables", "insert", "'", "", "alter table x"]))


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRAIN", "TRAIN"),
        ("train", '"train"'),
        ("SELECT", '"SELECT"'),
        ('a"; DROP TASK b', '"a""; DROP TASK b"'),
        ("Läckerli", '"Läckerli"'),
        ("1ST", '"1ST"'),
    ],
)
def test_a_name_is_quoted_where_it_has_to_be(name: str, text: str) -> None:
    assert identifier(name) == text
    assert parse(f"DROP TASK {text}") == st.Drop("TASK", v.Name((name,)))


@pytest.mark.parametrize("name", ["", "x" * (LONGEST + 1), "a\nb", "a\0b"])
def test_what_can_be_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be a name in Snowflake.*Mend: 1 to 255 characters"):
        identifier(name)
