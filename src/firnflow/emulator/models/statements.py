"""CREATE, ALTER, DROP and SHOW of models and their versions.

https://docs.snowflake.com/en/sql-reference/commands-model
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.models import datasets, versions
from firnflow.emulator.objects import making
from firnflow.emulator.objects.given import parsed, plain, settings
from firnflow.emulator.objects.show import comment, created, like, name, owner, part, shown
from firnflow.emulator.objects.tags import set_tags, unset_tags
from firnflow.emulator.registry import function, statement
from firnflow.emulator.result import Result, done, rows, status

if TYPE_CHECKING:
    from firnflow.emulator.catalog import Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_PARTLY = "no live versions, no services"


@statement("CREATE MODEL", "sql-reference/sql/create-model", partly=_PARTLY)
def _create(session: Session, given: Statement) -> Result:
    made = parsed(given)
    path = session.path("MODEL", made.name.parts)
    body = settings(made.properties)
    replaces = "OR REPLACE" in made.variants
    if found := making.begin(session, "MODEL", path, replaces=replaces, optional=made.if_not_exists):
        return found
    if "WITH VERSION" not in body or not {"FROM", "FROM MODEL"} & set(body):
        raise errors.unknown("CREATE MODEL without WITH VERSION … FROM", ["CREATE MODEL m WITH VERSION v FROM @stage"])
    there = session.account.catalog.get("MODEL", path)
    source = versions.source_of(session, body)
    model = making.made(session, "MODEL", path, {"versions": {}, "COMMENT": body.get("COMMENT", "")})
    try:
        session.account.catalog.put(versions.added(session, model, body["WITH VERSION"][-1], source))
    except errors.SnowflakeError:
        session.account.catalog.drop("MODEL", path)
        if there is not None:
            session.account.catalog.put(there)
        raise
    return status(f"Model {path[2]} successfully created.")


@statement("ALTER MODEL", "sql-reference/sql/alter-model", partly=_PARTLY)
def _alter(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    path = session.path("MODEL", asked.name.parts)
    model = session.need("MODEL", path)
    if asked.action == "RENAME TO":
        new = session.path("MODEL", asked.value.parts)
        making.renamed(session, "MODEL", path, new)
        for version in model.body["versions"]:
            old, to = (versions.files_of(session.account, each, version) for each in (path, new))
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(old, to)
        return done()
    session.account.catalog.put(_changed(session, model, asked))
    return done()


def _changed(session: Session, model: Object, asked: Any) -> Object:
    """Return a model as an ALTER makes it."""
    version = asked.version.last if asked.version is not None else ""
    given = settings(asked.properties)
    if asked.action == "ADD VERSION FROM":
        return versions.added(session, model, version, versions.source_of(session, {"FROM": plain(asked.value)}))
    if asked.action == "SET":
        if "DEFAULT_VERSION" in given:
            given["default"] = versions.resolved(model, given.pop("DEFAULT_VERSION")[-1])
        return model.changed(**given)
    if asked.action in ("SET TAG", "UNSET TAG"):
        return (set_tags if asked.action == "SET TAG" else unset_tags)(session, model, plain(asked.value))
    return _in_version(session, model, asked, version, given)


def _in_version(session: Session, model: Object, asked: Any, named: str, given: dict[str, Any]) -> Object:
    """Return a model as an ALTER of one of its versions makes it."""
    version = versions.resolved(model, named)
    if asked.action == "MODIFY VERSION SET":
        changes = {"comment": given.get("COMMENT"), "metadata": _metadata(given.get("METADATA"))}
        return versions.entry(model, version, **{key: value for key, value in changes.items() if value is not None})
    if asked.action == "VERSION SET ALIAS":
        return versions.aliased(model, version, asked.value.last)
    if asked.action == "VERSION UNSET ALIAS":
        aliases = [each for each in model.body["versions"][version]["aliases"] if named not in (each, version)]
        return versions.entry(model, version, aliases=aliases)
    if asked.action == "DROP VERSION":
        return versions.without(session, model, version)
    raise errors.unknown(f"ALTER MODEL {asked.action}", ["ALTER MODEL ADD VERSION FROM", "ALTER MODEL SET"])


def _metadata(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise errors.invalid("METADATA has to be JSON") from None


@statement("DROP MODEL", "sql-reference/sql/drop-model")
def _drop(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    path = session.path("MODEL", asked.name.parts)
    model = making.droppable(session, "MODEL", path, optional=asked.if_exists)
    if model is None:
        return making.gone(path[2])
    for version in model.body["versions"]:
        shutil.rmtree(versions.files_of(session.account, path, version), ignore_errors=True)
    session.account.catalog.drop("MODEL", path)
    return status(f"{path[2]} successfully dropped.")


@statement("SHOW MODELS", "sql-reference/sql/show-models")
def _show(session: Session, given: Statement) -> Result:
    columns = (
        ("created_on", "timestamp_ltz", created),
        ("name", "text", name),
        ("model_type", "text", lambda *_: "USER_MODEL"),
        ("database_name", "text", part(0)),
        ("schema_name", "text", part(1)),
        ("comment", "text", comment),
        ("owner", "text", owner),
        ("default_version_name", "text", lambda _, model: model.body.get("default")),
        ("versions", "text", lambda _, model: json.dumps(list(model.body["versions"]))),
        ("aliases", "text", lambda _, model: json.dumps(_all_aliases(model))),
    )
    return shown(session, given, "MODEL", columns)


def _all_aliases(model: Object) -> dict[str, str]:
    own = {alias: each for each, held in model.body["versions"].items() for alias in held["aliases"]}
    return {**{alias: versions.resolved(model, alias) for alias in versions.RESERVED}, **own}


@statement("SHOW VERSIONS", "sql-reference/sql/show-versions-in-model")
def _show_versions(session: Session, given: Statement) -> Result:
    reader = given.reader
    pattern = reader.string() if reader.take("LIKE") else "%"
    if reader.take("IN", "DATASET"):
        return datasets.versions(session, reader, pattern)
    reader.need("IN", "MODEL")
    path = session.path("MODEL", reader.name())
    reader.end()
    model, account = session.find("MODEL", path), session.account
    head = (
        *("created_on", "name", "aliases", "comment", "database_name", "schema_name", "model_name"),
        *(
            "is_default_version",
            "functions",
            "metadata",
            "user_data",
            "model_spec",
            "runnable_in",
            "inference_services",
            "model_attributes",
        ),
    )
    aliases = _all_aliases(model)
    made = [
        (
            *(dt.datetime.fromtimestamp(held["created"], dt.UTC), version),
            *(json.dumps([alias for alias, each in aliases.items() if each == version]), held["comment"], *path),
            *("true" if version == model.body["default"] else "false", json.dumps(_names(session, model, version))),
            *(
                json.dumps(held["metadata"]),
                json.dumps(versions.manifest(account, model, version).get("user_data", {})),
            ),
            versions.spec(account, model, version),
            *(json.dumps(versions.platforms(account, model, version)), "[]"),
            json.dumps({"task": versions.task_of(account, model, version)}),
        )
        for version, held in model.body["versions"].items()
        if like(pattern, version)
    ]
    return rows([(each, "timestamp_ltz" if each == "created_on" else "text") for each in head], made, kind=0x4400)


def _names(session: Session, model: Object, version: str) -> list[str]:
    return [str(each["name"]) for each in versions.functions(session.account, model, version)]


@statement("SHOW FUNCTIONS", "sql-reference/sql/show-functions-in-model", partly="those of models")
def _show_functions(session: Session, given: Statement) -> Result:
    reader = given.reader
    if not reader.take("IN", "MODEL"):
        raise errors.unknown("SHOW FUNCTIONS", ["SHOW FUNCTIONS IN MODEL"])
    model = session.find("MODEL", session.path("MODEL", reader.name()))
    version = versions.resolved(model, reader.part() if reader.take("VERSION") else "DEFAULT")
    reader.end()
    head = ("name", "min_num_arguments", "max_num_arguments", "arguments", "return_type", "description", "language")
    made = []
    for each in versions.functions(session.account, model, version):
        takes = [str(one["type"]) for one in each.get("inputs", [])]
        gives = ", ".join(f"{one.get('name', '')} {one['type']}".strip() for one in each.get("outputs", []))
        kind = "TABLE_FUNCTION" if each.get("type") == "TABLE_FUNCTION" else "FUNCTION"
        said = f"TABLE ({gives})" if kind == "TABLE_FUNCTION" else gives or "OBJECT"
        made.append((each["name"], len(takes), len(takes), f"({', '.join(takes)}) RETURN {said}", said, kind, "PYTHON"))
    return rows([(each, "text") for each in head], made, kind=0x4400)


@function("SYSTEM$ML_PLATFORM_CAPABILITIES")
def _capabilities(_: Session) -> str:
    """What the platform can, as Snowflake's client asks; nothing beyond what it takes for granted."""
    return "{}"
