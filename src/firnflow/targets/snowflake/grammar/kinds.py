"""The kinds of objects, and what CREATE says of each: one table, read by the parser and by the renderer.

Each kind names its page below https://docs.snowflake.com/en/sql-reference/sql/.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firnflow.targets.snowflake.grammar import rules
from firnflow.targets.snowflake.grammar.rules import Rule, choice, in_list, in_parentheses, moment
from firnflow.targets.snowflake.grammar.session import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT, WHOLE, TRUTH, NAMED = Rule(rules.string), Rule(rules.integer), Rule(rules.boolean), Rule(rules.name)
OPTIONS, TEXTS, NAMES = Rule(rules.options), Rule(in_parentheses(rules.string)), Rule(in_parentheses(rules.name))
CODE, SIZE, FLAG = Rule(rules.code), Rule(rules.text_or_word), Rule(rules.flag, "flag")
TAGS = Rule(rules.pairs, "")
SESSION = {name: Rule(rules.scalar) for name in PARAMETERS}
_COMMON = {"COMMENT": TEXT, "TAG": TAGS}
_MOMENTS = {"AT": moment("AT"), "BEFORE": moment("BEFORE")}
_CLONE = {"CLONE": Rule(rules.name, ""), **_MOMENTS}
_RETENTION = {
    "DATA_RETENTION_TIME_IN_DAYS": WHOLE,
    "MAX_DATA_EXTENSION_TIME_IN_DAYS": WHOLE,
    "DEFAULT_DDL_COLLATION": TEXT,
    "LOG_LEVEL": SIZE,
    "TRACE_LEVEL": SIZE,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object.

    Attributes:
        name: as it stands in CREATE.
        plural: as it stands in SHOW.
        page: its page.
        variants: what may stand before the kind: OR REPLACE, OR ALTER, and words such as TEMPORARY.
        columns: how what stands in parentheses behind the name is read, if anything may.
        settings: what follows, in any order.
        last: what follows then, in this order.
        is_created: whether CREATE makes it; jobs and versions come otherwise.
    """

    name: str
    plural: str
    page: str
    variants: tuple[str, ...] = ("OR REPLACE",)
    columns: str | None = None
    settings: Mapping[str, Rule] = field(default_factory=dict)
    last: Mapping[str, Rule] = field(default_factory=dict)
    is_created: bool = True


TASK = Kind(
    "TASK",
    "TASKS",
    "create-task",
    ("OR REPLACE", "OR ALTER"),
    settings={
        **_COMMON,
        "CONTACT": TAGS,
        "WAREHOUSE": NAMED,
        "USER_TASK_MANAGED_INITIAL_WAREHOUSE_SIZE": SIZE,
        "SCHEDULE": TEXT,
        "CONFIG": CODE,
        "OVERLAP_POLICY": Rule(choice("NO_OVERLAP", "ALLOW_CHILD_OVERLAP", "ALLOW_ALL_OVERLAP")),
        "ALLOW_OVERLAPPING_EXECUTION": TRUTH,
        "USER_TASK_TIMEOUT_MS": WHOLE,
        "SUSPEND_TASK_AFTER_NUM_FAILURES": WHOLE,
        "ERROR_INTEGRATION": NAMED,
        "SUCCESS_INTEGRATION": NAMED,
        "FINALIZE": NAMED,
        "TASK_AUTO_RETRY_ATTEMPTS": WHOLE,
        "USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS": WHOLE,
        "TARGET_COMPLETION_INTERVAL": TEXT,
        "SERVERLESS_TASK_MIN_STATEMENT_SIZE": SIZE,
        "SERVERLESS_TASK_MAX_STATEMENT_SIZE": SIZE,
        "CLONE": Rule(rules.name, ""),
        **SESSION,
    },
    last={
        "AFTER": Rule(in_list(rules.name), "list"),
        "EXECUTE AS USER": Rule(rules.name, ""),
        "WHEN": Rule(rules.condition, ""),
        "AS": Rule(rules.body, ""),
    },
)
STAGE = Kind(
    "STAGE",
    "STAGES",
    "create-stage",
    ("OR REPLACE", "OR ALTER", "TEMPORARY", "TEMP", "SCOPED TEMPORARY"),
    settings={
        **_COMMON,
        "URL": TEXT,
        "STORAGE_INTEGRATION": NAMED,
        "CREDENTIALS": OPTIONS,
        "ENCRYPTION": OPTIONS,
        "DIRECTORY": OPTIONS,
        "FILE_FORMAT": OPTIONS,
        "COPY_OPTIONS": OPTIONS,
        **_CLONE,
    },
)
COMPUTE_POOL = Kind(
    "COMPUTE POOL",
    "COMPUTE POOLS",
    "create-compute-pool",
    (),
    settings={
        **_COMMON,
        "FOR APPLICATION": Rule(rules.name, ""),
        "MIN_NODES": WHOLE,
        "MAX_NODES": WHOLE,
        "INSTANCE_FAMILY": Rule(rules.word),
        "AUTO_RESUME": TRUTH,
        "INITIALLY_SUSPENDED": TRUTH,
        "AUTO_SUSPEND_SECS": WHOLE,
        "PLACEMENT_GROUP": TEXT,
    },
)
IMAGE_REPOSITORY = Kind(
    "IMAGE REPOSITORY",
    "IMAGE REPOSITORIES",
    "create-image-repository",
    settings={**_COMMON, "ENCRYPTION": OPTIONS},
)
WAREHOUSE = Kind(
    "WAREHOUSE",
    "WAREHOUSES",
    "create-warehouse",
    ("OR REPLACE", "OR ALTER"),
    settings={
        **_COMMON,
        "WAREHOUSE_TYPE": SIZE,
        "WAREHOUSE_SIZE": SIZE,
        "GENERATION": TEXT,
        "RESOURCE_CONSTRAINT": SIZE,
        "MAX_CLUSTER_COUNT": WHOLE,
        "MIN_CLUSTER_COUNT": WHOLE,
        "SCALING_POLICY": SIZE,
        "AUTO_SUSPEND": Rule(rules.scalar),
        "AUTO_RESUME": TRUTH,
        "INITIALLY_SUSPENDED": TRUTH,
        "RESOURCE_MONITOR": NAMED,
        "ENABLE_QUERY_ACCELERATION": TRUTH,
        "QUERY_ACCELERATION_MAX_SCALE_FACTOR": WHOLE,
        "MAX_CONCURRENCY_LEVEL": WHOLE,
        "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": WHOLE,
        "STATEMENT_TIMEOUT_IN_SECONDS": WHOLE,
    },
)
SCHEMA = Kind(
    "SCHEMA",
    "SCHEMAS",
    "create-schema",
    ("OR REPLACE", "OR ALTER", "TRANSIENT"),
    settings={**_COMMON, **_RETENTION, **_CLONE, "WITH MANAGED ACCESS": FLAG},
)
DATABASE = Kind(
    "DATABASE",
    "DATABASES",
    "create-database",
    ("OR REPLACE", "OR ALTER", "TRANSIENT"),
    settings={**_COMMON, **_RETENTION, **_CLONE},
)
TAG = Kind(
    "TAG",
    "TAGS",
    "create-tag",
    ("OR REPLACE", "OR ALTER"),
    settings={
        "ALLOWED_VALUES": Rule(in_list(rules.string), "list"),
        "PROPAGATE": Rule(choice("ON_DEPENDENCY_AND_DATA_MOVEMENT", "ON_DEPENDENCY", "ON_DATA_MOVEMENT")),
        "COMMENT": TEXT,
    },
)
ROLE = Kind("ROLE", "ROLES", "create-role", ("OR REPLACE", "OR ALTER"), settings=_COMMON)
SECRET = Kind(
    "SECRET",
    "SECRETS",
    "create-secret",
    settings={
        **_COMMON,
        "TYPE": Rule(choice("PASSWORD", "GENERIC_STRING", "OAUTH2", "SYMMETRIC_KEY", "CLOUD_PROVIDER_TOKEN")),
        "USERNAME": TEXT,
        "PASSWORD": TEXT,
        "SECRET_STRING": TEXT,
        "ALGORITHM": SIZE,
        "API_AUTHENTICATION": NAMED,
        "OAUTH_SCOPES": TEXTS,
        "OAUTH_REFRESH_TOKEN": TEXT,
        "OAUTH_REFRESH_TOKEN_EXPIRY_TIME": TEXT,
        "ENABLED": TRUTH,
    },
)
NOTIFICATION_INTEGRATION = Kind(
    "NOTIFICATION INTEGRATION",
    "NOTIFICATION INTEGRATIONS",
    "create-notification-integration",
    settings={
        "COMMENT": TEXT,
        "TYPE": Rule(choice("EMAIL", "WEBHOOK", "QUEUE")),
        "ENABLED": TRUTH,
        "ALLOWED_RECIPIENTS": TEXTS,
        "DEFAULT_RECIPIENTS": TEXTS,
        "DEFAULT_SUBJECT": TEXT,
        "WEBHOOK_URL": TEXT,
        "WEBHOOK_SECRET": NAMED,
        "WEBHOOK_BODY_TEMPLATE": TEXT,
        "WEBHOOK_HEADERS": Rule(rules.pairs),
        "DIRECTION": Rule(choice("OUTBOUND", "INBOUND")),
        "NOTIFICATION_PROVIDER": SIZE,
        "AWS_SNS_TOPIC_ARN": TEXT,
        "AWS_SNS_ROLE_ARN": TEXT,
        "GCP_PUBSUB_TOPIC_NAME": TEXT,
        "AZURE_EVENT_GRID_TOPIC_ENDPOINT": TEXT,
        "AZURE_TENANT_ID": TEXT,
    },
)
NETWORK_RULE = Kind(
    "NETWORK RULE",
    "NETWORK RULES",
    "create-network-rule",
    settings={
        "TYPE": Rule(choice("HOST_PORT", "PRIVATE_HOST_PORT", "IPV4", "AWSVPCEID", "AZURELINKID", "GCPPSCID")),
        "VALUE_LIST": TEXTS,
        "MODE": Rule(choice("EGRESS", "INGRESS", "INTERNAL_STAGE")),
        "COMMENT": TEXT,
    },
)
EXTERNAL_ACCESS_INTEGRATION = Kind(
    "EXTERNAL ACCESS INTEGRATION",
    "EXTERNAL ACCESS INTEGRATIONS",
    "create-external-access-integration",
    settings={
        "ALLOWED_NETWORK_RULES": NAMES,
        "ALLOWED_AUTHENTICATION_SECRETS": NAMES,
        "ENABLED": TRUTH,
        "COMMENT": TEXT,
    },
)
MODEL = Kind(
    "MODEL",
    "MODELS",
    "create-model",
    settings={
        "WITH VERSION": Rule(rules.version, ""),
        "FROM MODEL": Rule(rules.name, ""),
        "FROM": Rule(rules.location, ""),
        "VERSION": Rule(rules.version, ""),
        **_COMMON,
    },
)
_COLUMNS = Rule(in_parentheses(rules.name_as_text))
MODEL_MONITOR = Kind(
    "MODEL MONITOR",
    "MODEL MONITORS",
    "create-model-monitor",
    settings={
        "MODEL": NAMED,
        "VERSION": Rule(rules.name_as_text),
        "FUNCTION": Rule(rules.name_as_text),
        "SOURCE": NAMED,
        "BASELINE": NAMED,
        "WAREHOUSE": Rule(rules.name_as_text),
        "REFRESH_INTERVAL": TEXT,
        "AGGREGATION_WINDOW": TEXT,
        "TIMESTAMP_COLUMN": Rule(rules.name_as_text),
        "ID_COLUMNS": _COLUMNS,
        "PREDICTION_CLASS_COLUMNS": _COLUMNS,
        "PREDICTION_SCORE_COLUMNS": _COLUMNS,
        "ACTUAL_CLASS_COLUMNS": _COLUMNS,
        "ACTUAL_SCORE_COLUMNS": _COLUMNS,
        "SEGMENT_COLUMNS": _COLUMNS,
        "CUSTOM_METRIC_COLUMNS": _COLUMNS,
        "COMMENT": TEXT,
    },
)
DYNAMIC_TABLE = Kind(
    "DYNAMIC TABLE",
    "DYNAMIC TABLES",
    "create-dynamic-table",
    ("OR REPLACE", "OR ALTER", "TRANSIENT"),
    "columns",
    settings={
        **_COMMON,
        "TARGET_LAG": Rule(rules.lag),
        "LAG": Rule(rules.lag),  # as Snowpark says it
        "WAREHOUSE": NAMED,
        "INITIALIZATION_WAREHOUSE": NAMED,
        "REFRESH_MODE": Rule(choice("AUTO", "FULL", "INCREMENTAL")),
        "INITIALIZE": Rule(choice("ON_CREATE", "ON_SCHEDULE")),
        "CLUSTER BY": Rule(in_parentheses(rules.condition), ""),
        "DATA_RETENTION_TIME_IN_DAYS": WHOLE,
        "MAX_DATA_EXTENSION_TIME_IN_DAYS": WHOLE,
        "COPY GRANTS": FLAG,
        "REQUIRE USER": FLAG,
        **_CLONE,
    },
    last={"AS": Rule(rules.body, "")},
)
PROCEDURE = Kind(
    "PROCEDURE",
    "PROCEDURES",
    "create-procedure",
    ("OR REPLACE", "OR ALTER", "SECURE", "TEMPORARY", "TEMP"),
    "arguments",
    settings={
        "COPY GRANTS": FLAG,
        "RETURNS": Rule(rules.returned, ""),
        "NOT NULL": FLAG,
        "LANGUAGE": Rule(choice("PYTHON", "SQL"), ""),
        "RUNTIME_VERSION": Rule(rules.number_as_text),
        "ARTIFACT_REPOSITORY": NAMED,
        "PACKAGES": TEXTS,
        "IMPORTS": TEXTS,
        "HANDLER": TEXT,
        "EXTERNAL_ACCESS_INTEGRATIONS": NAMES,
        "SECRETS": Rule(rules.pairs),
        "STRICT": FLAG,
        **dict.fromkeys(("VOLATILE", "IMMUTABLE"), FLAG),
        "CALLED ON NULL INPUT": FLAG,
        "RETURNS NULL ON NULL INPUT": FLAG,
        "EXECUTE AS": Rule(choice("OWNER", "CALLER", "RESTRICTED CALLER"), ""),
        "COMMENT": TEXT,
    },
    last={"AS": Rule(rules.code, "")},
)
STREAM = Kind(
    "STREAM",
    "STREAMS",
    "create-stream",
    settings={
        **_COMMON,
        "COPY GRANTS": FLAG,
        **{
            f"ON {kind}": Rule(rules.name, "")
            for kind in ("TABLE", "VIEW", "STAGE", "EXTERNAL TABLE", "DYNAMIC TABLE", "EVENT TABLE")
        },
        **_MOMENTS,
        "APPEND_ONLY": TRUTH,
        "INSERT_ONLY": TRUTH,
        "SHOW_INITIAL_ROWS": TRUTH,
        "CLONE": Rule(rules.name, ""),
    },
)
SERVICE = Kind("SERVICE", "SERVICES", "create-service", is_created=False)

KINDS = {
    kind.name: kind
    for kind in (
        TASK,
        STAGE,
        COMPUTE_POOL,
        IMAGE_REPOSITORY,
        WAREHOUSE,
        SCHEMA,
        DATABASE,
        TAG,
        ROLE,
        SECRET,
        NOTIFICATION_INTEGRATION,
        NETWORK_RULE,
        EXTERNAL_ACCESS_INTEGRATION,
        MODEL,
        MODEL_MONITOR,
        DYNAMIC_TABLE,
        PROCEDURE,
        STREAM,
        SERVICE,
    )
}
"""Name → kind."""
