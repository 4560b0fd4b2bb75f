"""What a hostile or a careless hand may type, write or send: one corpus for every entry point of the command line.

Not imported as a module (tests are no package): `CORPUS = SimpleNamespace(**runpy.run_path(…))`.
"""

from __future__ import annotations

import copy
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

ESCAPED = "escaped"
"""The name of what must never be there after a call."""

TEXTS = {
    "a path upward": f"../{ESCAPED}",
    "a path upward, encoded": f"%2e%2e/{ESCAPED}",
    "a path upward, in wide letters": f"．．／{ESCAPED}",
    "a path upward, with backslashes": f"..\\{ESCAPED}",
    "an absolute path": "/etc/hostname",
    "a path of ours": "objects/00/" + "0" * 64 + ".json",
    "home": f"~/{ESCAPED}",
    "dots": "..",
    "a NUL": "a\0b",
    "a long text": "x" * 5000,
    "a long path": "a/" * 3000,
    "many letters of a number": "9" * 5000,
    "deep": "[" * 5000,
    "a line end": "a\nb",
    "a return": "a\rb",
    "a text that turns": "a\u202eb",
    "a text that steers": "\x1b[2J\x1b]0;pwned\x07",
    "half a character": "\udcff",
    "an option": "--json=1",
    "a dash": "-rf",
    "a blank": " ",
    "nothing": "",
    "SQL": "'; DROP TABLE run; --",
    "SQL of names": '"; DROP TABLE run; --',
    "LIKE": "%",
    "a format": "%s%n{0}{a.__class__}",
    "a shell": f"$(touch {ESCAPED})`touch {ESCAPED}`;touch {ESCAPED}|",
    "Python": f"__import__('pathlib').Path('{ESCAPED}').touch()",
    "YAML": f"!!python/object/apply:os.system ['touch {ESCAPED}']",
    "a glob": "**/*",
    "a URL of a file": "file:///etc/hostname",
    "a URL": "http://127.0.0.1:1/x",
    "an object": "s3://bucket/../x",
    "infinity": "1e999",
    "no number": "NaN",
    "less than nothing": "-1",
}

HOLE = "§"
"""Where a text goes in a call."""

CALLS = [
    *[
        ("run", "flow", "--inline", option, HOLE)
        for option in ("--set", "--input", "--only", "--from", "--to", "--env")
    ],
    *[("run", "flow", "--inline", "--set", f"{name}={HOLE}") for name in ("n", "words", "share", "day", "deep.n")],
    ("run", HOLE),
    ("run", "flow", "--workers", HOLE),
    ("run", "flow", "--set", f"{HOLE}=1"),
    ("run", "flow", "--inline", "--input", f"customers={HOLE}"),
    ("run", "flow", "--inline", "--input", f"rows={HOLE}"),
    ("run", "flow", "--inline", "--input", f"{HOLE}=customers.csv"),
    *[(verb, HOLE) for verb in ("resume", "cancel", "show", "logs", "output", "sql", "models")],
    *[("models", verb, HOLE) for verb in ("show", "list", "history", "compare")],
    *[("models", verb, HOLE, "--reason", "x") for verb in ("promote", "approve", "reject", "rollback", "archive")],
    ("models", "promote", "a", "--reason", "x", "--by", HOLE),
    ("show", "flow", "--format", HOLE),
    ("show", "--run", HOLE),
    ("runs", "--status", HOLE),
    ("runs", "--limit", HOLE),
    ("runs", "--env", HOLE),
    ("logs", "flow", HOLE),
    ("logs", "--attempt", HOLE),
    ("output", "rows", "--run", HOLE),
    ("output", "rows", "--limit", HOLE),
    ("sql", f"SELECT * FROM '{HOLE}'"),
    ("sql", f'SELECT * FROM "{HOLE}"'),
    ("sql", "SELECT 1", "--run", HOLE),
    ("sql", "SELECT 1", "--format", HOLE),
    ("clean", "--older-than", HOLE),
    ("clean", "--keep", HOLE),
    ("clean", "--yes", "--forget-owner", HOLE),
    ("exec", "--graph", HOLE, "--task", "rows", "--run", "r1"),
    ("exec", "--graph", "flow.json", "--task", HOLE, "--run", "r1"),
    ("exec", "--graph", "flow.json", "--task", "rows", "--run", HOLE),
    ("exec", "--graph", "flow.json", "--task", "part", "--run", "r1", "--element", HOLE),
    ("exec", "--graph", "flow.json", "--task", "rows", "--run", "r1", "--set", HOLE),
    (HOLE,),
    ("list", HOLE),
    *[("features", verb, HOLE) for verb in ("show", "materialize", "list")],
    ("features", "materialize", "--at", HOLE),
    ("features", "get", "view", "--entity", HOLE),
]
"""Calls in which any text of the corpus is wrong. Those that write where the caller says (`--output`) are left out."""

VARIABLES = [f"FIRNFLOW_{name}" for name in ("ENV", "WORKERS", "THREADS", "MEMORY", "LEASE", "CACHE", "STATE")]
"""Environment variables in which any text of the corpus is wrong, or as good as not there."""


def filled(call: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Return a call with a text where its hole is."""
    return tuple(part.replace(HOLE, text) for part in call)


# -- files ------------------------------------------------------------------------------------------------------------

_HEAD = '[project]\nname = "lab"\npipelines = ["{module}"]\n'
SETTINGS: dict[str, str | bytes] = {
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "NULs": b"\0" * 1000,
    "another module": _HEAD.replace("{module}", "os"),
    "a module upward": _HEAD.replace("{module}", "../escaped"),
    "a module with code": _HEAD.replace("{module}", "os; import escaped"),
    "a name that is a path": _HEAD.replace('"lab"', '"../escaped"'),
    "a name that steers": _HEAD.replace('"lab"', '"\\u001b[2J\\u202e"'),
    "an unknown table": _HEAD + "[hooks]\non_start = 'touch escaped'\n",
    "an unknown key": _HEAD + "[environments.local]\nstat = 'x'\n",
    "a type": _HEAD + "[environments.local]\nworkers = 'many'\n",
    "too many workers": _HEAD + "[environments.local]\nworkers = 99999999999999999999\n",
    "no memory": _HEAD + "[environments.local]\nmemory = '-1GB'\n",
    "more memory than there is": _HEAD + f"[environments.local]\nmemory = '{'9' * 400}GB'\n",
    "a lease without end": _HEAD + "[environments.local]\nlease = inf\n",
    "another database": _HEAD + "[environments.local]\nstate = 'mysql://root@127.0.0.1:1/x'\n",
    "a database with code": _HEAD + "[environments.local]\nstate = 'postgresql+os.system://x/y'\n",
    "no database": _HEAD + "[environments.local]\nstate = 'sqlite:///'\n",
    "a folder as database": _HEAD + "[environments.local]\nstate = 'sqlite:///.'\n",
    "a circle": _HEAD + "[environments.local]\ninherits = 'a'\n[environments.a]\ninherits = 'local'\n",
    "a parameter that is none": _HEAD + "[pipelines.flow.params]\n'../escaped' = 1\n",
    "a deep parameter": _HEAD + f"[pipelines.flow.params]\nn = {'[' * 900}{']' * 900}\n",
    "keys of one letter": _HEAD + "".join(f"[environments.e{i}]\n" for i in range(3000)) + "[environments.e1]\n",
}
"""firnflow.toml: name → content, `{module}` the project's module."""

CATALOGS: dict[str, str | bytes] = {
    "no text": b"\xff\xfe\x00",
    "a name that is a path": "['../escaped']\npath = 'customers.csv'\n",
    "a name of SQL": "[\"'; DROP TABLE run; --\"]\npath = 'customers.csv'\n",
    "no place": "[customers]\n",
    "a NUL in a path": '[customers]\npath = "a\\u0000b"\n',
    "a URL of a file": "[customers]\nurl = 'file:///etc/hostname'\nformat = 'csv'\n",
    "a URL": "[customers]\nurl = 'http://127.0.0.1:1/x.csv'\n",
    "a deep pattern": f"[customers]\npath = 'x.csv'\n[customers.columns]\nid = {{pattern = '{'(' * 900}'}}\n",
    "a type with code": "[customers]\npath = 'customers.csv'\n[customers.columns]\nid = 'INT); DROP TABLE x; --'\n",
    "an encoding with code": "[customers]\npath = 'customers.csv'\nencoding = 'unicode_escape; x'\n",
    "a codec that is no text": "[customers]\npath = 'customers.csv'\nencoding = 'zip'\n",
    "a delimiter of two": "[customers]\npath = 'customers.csv'\ndelimiter = '||'\n",
    "a query without a place": "[customers]\nquery = 'DROP TABLE x'\n",
    "a query on a file": "[customers]\nquery = 'SELECT 1'\nconnection = 'sqlite:///escaped.db'\n",
    "an unknown key": "[customers]\npath = 'customers.csv'\nconverter = 'os.system'\n",
}
"""catalog.toml: name → content."""

DATA: dict[str, tuple[str, bytes]] = {
    "garbage as CSV": ("csv", bytes(range(256)) * 50),
    "NULs as CSV": ("csv", b"id\n1\0\n"),
    "one long line": ("csv", b"id\n" + b"1" * 3_000_000),
    "no rows": ("csv", b"id\n"),
    "a formula": ("csv", b"id\n=cmd|' /C touch escaped'!A0\n"),
    "names that steer": ("csv", "\x1b[2J\x1b]0;x\x07,\u202eid\n1,2\n".encode()),
    "names twice": ("csv", b"id,id\n1,2\n"),
    "a quote that never ends": ("csv", b'id\n"1\n' * 1000),
    "no Parquet": ("parquet", b"PAR1" * 3),
    "a footer larger than the file": ("parquet", b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1"),
    "deep JSON": ("jsonl", b'{"id": ' + b"[" * 100_000 + b"\n"),
    "JSON with a type": ("jsonl", b'{"__class__": "os.system", "id": "touch escaped"}\n'),
    "JSON with a key twice": ("jsonl", b'{"id": 1, "id": 2}\n'),
}
"""Files for the source `customers`, of which the column `id` is declared an int: name → suffix, content."""


def parquet(trap: Path) -> dict[str, bytes]:
    """Return hostile Parquet files for the same source; what one of them holds would touch `trap`."""
    import pyarrow as pa

    pickled = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": payload(trap)}
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    field = pa.field("x", pa.int64(), metadata=pickled)
    good = _parquet(pa.table({"id": list(range(100))}))
    return {
        "cut": good[:-9],
        "a pickled type": _parquet(pa.table([pa.array([1])], schema=pa.schema([field]))),
        "names of SQL": _parquet(pa.table({'"); DROP TABLE x; --': [1], "'": [2]})),
        "names that steer": _parquet(pa.table({"\x1b[2J\u202e": [1]})),
        "a name without end": _parquet(pa.table({"x" * 100_000: [1]})),
        "no name": _parquet(pa.table({"": [1]})),
        "names that differ in case": _parquet(pa.table({"ID": [1], "id": [2]})),
        "deep": _parquet(pa.table({"id": [deep]})),
        "texts": _parquet(pa.table({"id": ["1; DROP TABLE x"]})),
        "numbers too large": _parquet(pa.table({"id": pa.array([2**63 + 1], pa.uint64())})),
    }


def _parquet(table: Any) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


class Payload:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def payload(trap: Path) -> bytes:
    """Return a pickle that would touch `trap`."""
    return pickle.dumps(Payload(trap))


def archives(trap: Path) -> dict[str, bytes]:
    """Return hostile files in the place of a stored model; what some of them hold would touch `trap`."""
    manifest = {
        "format": "firnflow.model",
        "version": 1,
        "library": "sklearn",
        "file": "model.skops",
        "info": {"class": "sklearn.linear_model.LogisticRegression"},
        "features": ["a"],
        "preprocessing": None,
        "metadata": {},
        "wrapped": True,
    }
    skops = zipped({"schema.json": json.dumps(_reduce(trap)).encode()})
    pickled = {**manifest, "library": "pickle", "file": "model.pkl", "info": {"class": "pathlib.PosixPath"}}
    return {
        "a pickle": payload(trap),
        "a path upward": zipped({f"../../{ESCAPED}": b"x"}),
        "an absolute path": zipped({f"/{ESCAPED}": b"x"}),
        "a bomb": zipped({"manifest.json": b"\0" * 30_000_000}, zipfile.ZIP_DEFLATED),
        "deep": zipped({"manifest.json": b"[" * 200_000}),
        "a pickle in an archive": zipped({"manifest.json": json.dumps(pickled).encode(), "model.pkl": payload(trap)}),
        "skops that calls": zipped({"manifest.json": json.dumps(manifest).encode(), "model.skops": skops}),
        "a library that is a module": zipped({"manifest.json": json.dumps({**manifest, "library": "os"}).encode()}),
    }


def _reduce(trap: Path) -> dict[str, Any]:
    """Return a skops schema that would call `Path.touch`."""
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "is_json": True, "__id__": 2}
    argument = {**text, "content": json.dumps(str(trap))}
    several = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [argument]}
    return {
        "__class__": "PosixPath",
        "__module__": "pathlib",
        "__loader__": "ReduceNode",
        "__reduce__": {"args": several},
        "content": argument,
        "__id__": 1,
        "protocol": 2,
        "_skops_version": "0.13",
    }


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


PLACES = [
    "../../../escaped",
    "/etc/hostname",
    "objects/../../../etc/hostname",
    "objects/00/%2e%2e.json",
    f"objects/aa/{'a' * 64}.json/../../x",
    f"objects/aa/{'a' * 64}.json\n",
    f"objects/aa/{'a' * 64}.js\0on",
    "file:///etc/hostname",
    "",
    "x" * 5000,
]
"""Places in a ref that are none in the store."""


def graphs(good: dict[str, Any]) -> dict[str, bytes]:
    """Return hostile graph files made of a good one, which has a task `rows` that reads a parameter `n`."""

    def changed(*path: Any, to: Any) -> bytes:
        data = copy.deepcopy(good)
        at = data
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = to
        return json.dumps(data).encode()

    rows = good["tasks"]["rows"]
    text = json.dumps(good).encode()
    return {
        "nothing": b"",
        "cut": text[: len(text) // 2],
        "deep": b'{"format": "firnflow.graph", "x": ' + b"[" * 200_000,
        "a key twice": text[:-1] + b', "pipeline": "other"}',
        "a newer version": changed("version", to=99),
        "another pipeline": changed("pipeline", to="../escaped"),
        "a task that is a path": changed("tasks", "../escaped", to=rows),
        "a module of Python's": changed("tasks", "rows", "key", to="os:system"),
        "a function that is no task": changed("tasks", "rows", "key", to="pathlib:Path.touch"),
        "a key with code": changed("tasks", "rows", "key", to="os:system('touch escaped')"),
        "a hook": changed("tasks", "rows", "hook", to="touch escaped"),
        "a ref as an input": changed(
            "tasks", "rows", "inputs", "n", to={"source": "ref", "kind": "pickle", "where": "/etc/hostname"}
        ),
        "a value of another type": changed(
            "tasks", "rows", "inputs", "n", to={"source": "constant", "value": {"$": "x"}}
        ),
        "a cycle": changed("tasks", "rows", "inputs", "n", to={"source": "task", "task": "rows", "output": None}),
        "a memory without end": changed("tasks", "rows", "options", "timeout", to=1e999),
        "code as a case": changed("tasks", "rows", "when", to=[{"task": "rows", "case": "__import__('os')"}]),
    }


QUERIES = [
    "DROP TABLE rows",
    f"COPY rows TO '{ESCAPED}.csv'",
    f"EXPORT DATABASE '{ESCAPED}'",
    f"ATTACH '{ESCAPED}.db'",
    "INSTALL httpfs",
    "SET threads = 1",
    f"SELECT 1; COPY (SELECT 1) TO '{ESCAPED}.csv'",
    f"SELECT 1) TO '{ESCAPED}.csv'; --",
    f"SELECT * FROM query('COPY (SELECT 1) TO ''{ESCAPED}.csv''')",
    "WITH x AS (INSERT INTO rows VALUES (1) RETURNING *) SELECT * FROM x",
    "SELECT CAST(n::VARCHAR || 'x' AS INT) FROM rows",
    "SELECT error('boom')",
    "SELECT * FROM 'https://127.0.0.1:1/x.parquet'",
    "SELECT * FROM sqlite_scan('.firnflow/state.db', 'run')",
    "SELECT * FROM '/etc/hostname'",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "SELECT 'infinity'::DATE",
    "SELECT union_value(a := 1)",
    "SELECT '101'::BIT",
    "SELECT ?",
    "PRAGMA version",
    ";",
    "/*",
]
"""Queries that `firnflow sql` does not answer."""
