"""What is kept of each topic: whose a row is, the columns that lists are sorted and filtered by,
and the text that a search finds it by.

A row is kept as the bytes that it has on its topic, and decoded when it is shown. Where all columns
stand in the key, as of arms, which change with each commit, nothing is decoded to keep it.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.views import tenants
from gateway.views.tenants import Fields
from schemas.catalog import (
    ALERTS,
    CYCLES,
    DECISIONS,
    FAILURES,
    POINTS,
    POLICIES,
    REQUESTS,
    REVIEWS,
    SPECS,
    TABLES_AGENT_DAYS,
    TABLES_ALERTS,
    TABLES_ANOMALIES,
    TABLES_ARMS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
    TABLES_LEARNING,
    TABLES_LESSONS,
    TABLES_METRICS,
    TABLES_PATTERNS,
    TABLES_POLICIES,
    TABLES_SIGNALS,
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


def _served(fields: Fields) -> str:
    """The target at which a command changed what serves; empty where it did not."""
    moved = fields["order"] in ("DEPLOY", "ROLLBACK") and fields["phase"] == "COMPLETED"
    target: str = fields["target"]
    return target if moved else ""


# Columns that are no field as it stands.
_MADE: Mapping[str, Column] = {
    "frozen": lambda fields: int(bool(fields["frozen_by"])),
    "served": _served,
    "owner": _text("tenant"),  # each table has a column `tenant` of its own
}


def _view(
    name: str,
    topic: str,
    tenant: Callable[[Fields], str],
    filters: str = "",
    numbers: str = "",
    names: str = "",
    **more: Any,
) -> KeptView:
    """A view whose lists are filtered by the words of `filters`, and sorted by those of `numbers`
    and `names`, the first as usual. found: the words by which a search finds a row. id: the field
    that names a row.
    """
    words = [word for text in (filters, names) for word in text.split()]
    columns = {word: _MADE.get(word) or _text(word) for word in words}
    columns |= {word: _number(word) for word in numbers.split()}
    if (found := more.pop("found", None)) is not None:
        more["text"] = _words(*found.split())
    if (own := more.pop("id", None)) is not None:
        more["key"] = _text(own)
    orders = (*numbers.split(), *names.split())
    return KeptView(name, topic, tenant, columns, orders, tuple(filters.split()), **more)


def _words(*names: str) -> Callable[[Fields], str]:
    return lambda fields: "\n".join(str(fields[name]) for name in names if fields[name])


def _parts(*names: str) -> Callable[[str], Fields]:
    """What reads fields off a row's key, whose parts have these names."""
    return lambda key: dict(zip(names, key_parts(key), strict=True))


def _no_storm(fields: Fields) -> bool:
    return not fields["rule"].startswith(_STORM)


def _point(fields: Fields) -> str:
    """The key of a point: those of an arm follow each other in the order of the log."""
    names = ("subject", "experiment_id", "metric", "variant")
    return f"{row_key(*(fields[name] for name in names))}|{fields['offset']:020}"


_ALL = (
    _view(
        "commands",
        TABLES_COMMANDS,
        tenants.of_subject,
        "phase subject order decision_id served",
        "issued_at due_at",
        counted="phase",
        found="command_id subject target experiment_id reason requested_by",
    ),
    _view(
        "experiments",
        TABLES_EXPERIMENTS,
        tenants.of_subject,
        "subject status",
        "begun_at",
        counted="status",
        found="subject experiment_id",
    ),
    # These are found by how their keys begin, and change too often for indexes.
    _view(
        "arms",
        TABLES_ARMS,
        tenants.of_subject,
        of_key=_parts("subject", "experiment_id", "metric", "variant", "segment", "step"),
    ),
    _view(
        "metrics",
        TABLES_METRICS,
        tenants.of_subject,
        of_key=_parts("subject", "metric", "segment"),
    ),
    _view(
        "anomalies",
        TABLES_ANOMALIES,
        tenants.of_subject,
        of_key=_parts("subject", "metric", "segment"),
    ),
    _view(
        "subjects",
        TABLES_SUBJECTS,
        tenants.of_subject,
        "frozen",
        names="subject",
        found="subject",
    ),
    _view(
        "trust",
        TABLES_TRUST,
        tenants.of_agent,
        "kind priority trend",
        "overall slope boost",
        found="agent_id",
    ),
    _view(
        "agent-days",
        TABLES_AGENT_DAYS,
        tenants.of_agent,
        of_key=_parts("agent_id", "day"),
    ),
    _view(
        "lessons",
        TABLES_LESSONS,
        tenants.of_tenant,
        "category status",
        "approved outcomes",
        found="name",
    ),
    _view("learning", TABLES_LEARNING, tenants.of_tenant, names="owner"),
    _view(
        "alerts",
        TABLES_ALERTS,
        tenants.of_alert_row,
        "state rule",
        "raised_at",
        counted="state",
        keeps=_no_storm,
    ),
    _view("patterns", TABLES_PATTERNS, tenants.of_nobody, "status", "month week loss last_at"),
    _view("signals", TABLES_SIGNALS, tenants.of_nobody, numbers="last_at seen"),
    _view("policies", TABLES_POLICIES, tenants.of_nobody, names="policy_id"),
    _view(
        "decisions",
        DECISIONS,
        tenants.of_subject,
        "subject verdict order outcome experiment_id",
        "decided_at",
        id="decision_id",
        found="decision_id subject experiment_id reason",
    ),
    _view(
        "transitions",
        TRANSITIONS,
        tenants.of_subject,
        "command_id",
        "moved_at",
        id="event_id",
    ),
    _view(
        "failures",
        FAILURES,
        tenants.of_subject,
        "subject severity pattern decision_id",
        "analysed_at",
        id="failure_id",
        found="failure_id subject metric risk",
    ),
    _view("points", POINTS, tenants.of_subject, numbers="at", key=_point),
    _view(
        "alert-log",
        ALERTS,
        tenants.of_alert,
        "alert_id",
        "raised_at",
        key=lambda fields: f"{fields['alert_id']}|{fields['state']}",
    ),
    _view("cycles", CYCLES, tenants.of_tenant, numbers="cycled_at", id="cycle_id"),
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
