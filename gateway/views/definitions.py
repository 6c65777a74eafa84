"""What is kept of each topic: whose a row is, the columns that lists are sorted and filtered by,
and the text that a search finds it by.

A row is kept as the bytes that it has on its topic, and decoded when it is shown. Where all columns
stand in the key, as of arms, which change with each commit, nothing is decoded to keep it.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.views import tenants
from gateway.views.tenants import Fields
from schemas.catalog import (
    ALERTS,
    DECISIONS,
    FAILURES,
    POINTS,
    POLICIES,
    REQUESTS,
    REVIEWS,
    SPECS,
    TABLES_ALERTS,
    TABLES_ARMS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
    TABLES_LESSONS,
    TABLES_PATTERNS,
    TABLES_POLICIES,
    TABLES_SUBJECTS,
    TABLES_TRUST,
    TOPICS,
    TRANSITIONS,
)
from state.storage.table import key_parts, row_key

SCHEMA_VERSION = 1  # raised where the meaning of a stored column changes without its name
Column = Callable[[Fields], str | int | float]
# Topics that a gateway writes. Kept of them is where the record of an event id stands.
WRITTEN = (REQUESTS, REVIEWS, SPECS, POLICIES)
LOG_DAYS = 30  # of a log's tail; `mendstream watch` reads what is older
LOG_ROWS_MAX = 1_000_000  # of one log: some 600 MB with its indexes
_STORM = "storm of "  # how the rule of a row begins that counts alerts and is none


@dataclass(frozen=True, slots=True)
class KeptView:
    """What is kept of one topic.

    tenant: of a row. columns: in which a list may be filtered, or sorted where `orders` names it;
    the first order is the usual one. key: None where the topic's own key names a row, otherwise
    what does. of_key: the fields that columns and tenant are made of, where they stand in the
    topic's key. counted: a column whose values are counted by tenant. text: what a search finds.
    keeps: whether a row is one to show.
    """

    name: str
    topic: str
    tenant: Callable[[Fields], str]
    columns: Mapping[str, Column]
    orders: tuple[str, ...]
    filters: tuple[str, ...] = ()
    key: Column | None = None
    of_key: Callable[[str], Fields] | None = None
    counted: str | None = None
    text: Callable[[Fields], str] | None = None
    keeps: Callable[[Fields], bool] = field(default=lambda _fields: True)

    @property
    def record(self) -> str:
        """The name of the record that a row is."""
        name = TOPICS[self.topic].record
        assert name is not None, f"{self.topic} holds no record of ours"
        return name

    @property
    def is_log(self) -> bool:
        """Whether it is the tail of a log, and leaves by age, instead of a table."""
        return TOPICS[self.topic].cleanup == "delete"

    @property
    def table(self) -> str:
        """The name of its table in SQLite."""
        return f"v_{self.name.replace('-', '_')}"


def _text(name: str) -> Column:
    return lambda fields: fields[name] or ""


def _number(name: str) -> Column:
    def value(fields: Fields) -> int | float:
        found: int | float | None = fields[name]
        return -1 if found is None else found

    return value


def _columns(texts: str, numbers: str = "") -> dict[str, Column]:
    return {name: _text(name) for name in texts.split()} | {
        name: _number(name) for name in numbers.split()
    }


def _words(*names: str) -> Callable[[Fields], str]:
    return lambda fields: "\n".join(str(fields[name]) for name in names if fields[name])


def _arm(key: str) -> Fields:
    names = ("subject", "experiment_id", "metric", "variant", "segment", "step")
    return dict(zip(names, key_parts(key), strict=True))


def _point(fields: Fields) -> str:
    """The key of a point: those of an arm follow each other in the order of the log."""
    names = ("subject", "experiment_id", "metric", "variant")
    return f"{row_key(*(fields[name] for name in names))}|{fields['offset']:020}"


_ALL = (
    KeptView(
        "commands",
        TABLES_COMMANDS,
        tenants.of_subject,
        _columns("subject order phase target experiment_id decision_id", "issued_at due_at"),
        orders=("issued_at", "due_at"),
        filters=("phase", "subject", "order", "decision_id"),
        counted="phase",
        text=_words("command_id", "subject", "target", "experiment_id", "reason", "requested_by"),
    ),
    KeptView(
        "experiments",
        TABLES_EXPERIMENTS,
        tenants.of_subject,
        _columns("subject experiment_id status", "begun_at"),
        orders=("begun_at",),
        filters=("subject", "status"),
        counted="status",
        text=_words("subject", "experiment_id"),
    ),
    KeptView(
        "arms",
        TABLES_ARMS,
        tenants.of_subject,
        {},  # they are found by how their keys begin, and change too often for indexes
        orders=(),
        of_key=_arm,
    ),
    KeptView(
        "subjects",
        TABLES_SUBJECTS,
        tenants.of_subject,
        {"frozen": lambda fields: int(bool(fields["frozen_by"]))} | _columns("subject"),
        orders=("subject",),
        filters=("frozen",),
        text=_words("subject"),
    ),
    KeptView(
        "trust",
        TABLES_TRUST,
        tenants.of_agent,
        _columns("agent_id kind priority trend", "overall slope boost"),
        orders=("overall", "slope", "boost"),
        filters=("kind", "priority", "trend"),
        text=_words("agent_id"),
    ),
    KeptView(
        "lessons",
        TABLES_LESSONS,
        tenants.of_tenant,
        _columns("category status name", "approved outcomes"),
        orders=("approved", "outcomes"),
        filters=("category", "status"),
        text=_words("name"),
    ),
    KeptView(
        "alerts",
        TABLES_ALERTS,
        tenants.of_alert_row,
        _columns("rule state alert_id", "raised_at"),
        orders=("raised_at",),
        filters=("state", "rule"),
        counted="state",
        keeps=lambda fields: not fields["rule"].startswith(_STORM),
    ),
    KeptView(
        "patterns",
        TABLES_PATTERNS,
        tenants.of_nobody,
        _columns("status", "month week loss last_at"),
        orders=("month", "week", "loss", "last_at"),
        filters=("status",),
    ),
    KeptView(
        "policies",
        TABLES_POLICIES,
        tenants.of_nobody,
        _columns("policy_id"),
        orders=("policy_id",),
    ),
    KeptView(
        "decisions",
        DECISIONS,
        tenants.of_subject,
        _columns("subject verdict order outcome experiment_id", "decided_at"),
        orders=("decided_at",),
        filters=("subject", "verdict", "order", "outcome", "experiment_id"),
        key=_text("decision_id"),
        text=_words("decision_id", "subject", "experiment_id", "reason"),
    ),
    KeptView(
        "transitions",
        TRANSITIONS,
        tenants.of_subject,
        _columns("subject command_id", "moved_at"),
        orders=("moved_at",),
        filters=("command_id",),
        key=_text("event_id"),
    ),
    KeptView(
        "failures",
        FAILURES,
        tenants.of_subject,
        _columns("subject metric severity pattern decision_id", "analysed_at"),
        orders=("analysed_at",),
        filters=("subject", "severity", "pattern", "decision_id"),
        key=_text("failure_id"),
        text=_words("failure_id", "subject", "metric", "risk"),
    ),
    KeptView(
        "points",
        POINTS,
        tenants.of_subject,
        _columns("", "at"),
        orders=("at",),
        key=_point,
    ),
    KeptView(
        "alert-log",
        ALERTS,
        tenants.of_alert,
        _columns("alert_id severity state", "raised_at"),
        orders=("raised_at",),
        filters=("alert_id",),
        key=lambda fields: f"{fields['alert_id']}|{fields['state']}",
    ),
)
VIEWS = {view.name: view for view in _ALL}
BY_TOPIC = {view.topic: view for view in _ALL}


def layout() -> str:
    """A digest of what a file holds and how: files with another one are built anew."""
    told = [
        (view.name, view.topic, *view.columns, view.orders, view.filters, view.counted)
        for view in _ALL
    ]
    return hashlib.sha256(repr((SCHEMA_VERSION, WRITTEN, told)).encode()).hexdigest()
