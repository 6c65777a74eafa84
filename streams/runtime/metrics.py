"""The names of all metrics, each with a sentence that says what it counts."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

ProcessRole = Literal["processor", "executor", "views", "gateway"]
REGISTRY = CollectorRegistry()
ProcessCollector(
    registry=REGISTRY
)  # process_start_time_seconds and its like, under the names that everybody knows


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"mendstream_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"mendstream_{name}", text, labels, registry=REGISTRY)


PROCESS = Info(
    "mendstream_process",
    "1, labelled with what this process is: its role, the processors' group, its slot.",
    registry=REGISTRY,
)
PARTITIONS = _gauge(
    "partitions", "Partitions that each input has, as this worker is configured; 0 for other roles."
)
RECORDS = _counter("records", "Data records of the inputs, by topic and fate.", "topic", "fate")
REFUSED = _counter(
    "dead_letters", "Records put on the dead letter topic, by reason.", "topic", "reason"
)
COMMANDS = _counter("commands", "Commands issued, by type.", "type")
TRANSITIONS = _counter(
    "command_transitions", "Moves of commands, by order and what moved them.", "order", "event"
)
DECISIONS = _counter(
    "decisions", "Decisions written, by verdict and outcome.", "verdict", "outcome"
)
COMMITS = _counter("commits", "Transactions committed.")
LAST_COMMIT = _gauge(
    "last_commit_timestamp_seconds", "When the last transaction was committed, seconds since 1970."
)
LAST_TICK = _gauge(
    "last_tick_timestamp_seconds",
    "When the broker took the last tick that was applied, seconds since 1970: the partition's "
    "clock.",
    "partition",
)
OPEN_TRANSACTION_SECONDS = _gauge(
    "open_transaction_seconds",
    "How long a transaction has stood open at one offset of an input, which is not read beyond it; "
    "0: none.",
    "topic",
    "partition",
)
HELD_RECORDS = _gauge(
    "held_records",
    "Offsets between the last stable offset of an input and its high watermark, which an open "
    "transaction holds back.",
    "topic",
    "partition",
)
SILENT_ARMS = _gauge(
    "silent_arms",
    "Arms of undecided experiments that sent results within a day and have stopped, while another "
    "arm goes on.",
    "partition",
)
SILENT_SUBJECTS = _gauge(
    "silent_subjects",
    "Subjects that sent results or metrics within a day and have stopped.",
    "partition",
)
UNWATCHED_SUBJECTS = _gauge(
    "unwatched_subjects",
    "Times that a subject was not watched for silence, because too many are.",
    "partition",
)
COMMIT_SECONDS = Histogram(
    "mendstream_commit_seconds",
    "Time from the first row produced to the commit acknowledged.",
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
TXN_RECREATED = _counter(
    "producer_recreated",
    "Producers made anew because the transaction coordinator was out of reach.",
)
LAG_RECORDS = _gauge(
    "lag_records", "Records of an input partition not yet applied.", "topic", "partition"
)
LAG_SECONDS = _gauge(
    "lag_seconds",
    "Age of the last record applied of the input that waits longest; 0 when caught up.",
    "partition",
)
RESTORING = _gauge(
    "restoring", "1 while partitions are restored, in which time nothing is decided."
)
RESTORE_READ = _gauge(
    "restore_records", "Records that the restore under way, or the last, has read."
)
RESTORE_OFFSETS = _gauge(
    "restore_offsets", "Offsets that it is to read: its records are so many at most."
)
RESTORE_SECONDS = _gauge("restore_seconds", "Time the last restore took.")
ROWS = _gauge("table_rows", "Rows in memory, by table.", "table")
BREAKER_OPEN = _gauge(
    "breaker_open",
    "1 where a partition is paused, because all who send to it send what is mostly invalid.",
    "topic",
    "partition",
)
GARBAGE_SOURCES = _gauge(
    "garbage_sources",
    "Tenants, or subjects without one, half of whose last records on a partition were invalid.",
    "topic",
    "partition",
)
VIEWS_DEGRADED = _gauge(
    "views_degraded", "1 while the store of the views does not answer and they lag behind the log."
)
VIEWS_ROWS = _gauge("views_rows", "Rows in the views when they were last built.")
ASSIGNED = _gauge("assigned_partitions", "Partitions this worker owns and has restored.")
CARRIED = _counter(
    "commands_carried_out",
    "Commands that the executor answered, by what became of them.",
    "order",
    "end",
)
BACKLOG = _gauge(
    "executor_backlog_records",
    "Offsets of a command topic's partition that this executor has not taken yet.",
    "topic",
    "partition",
)
UNDER_WAY = _gauge(
    "commands_under_way", "Commands that the executor has taken and not yet answered for."
)
REPORTED = _counter(
    "statuses_reported", "Statuses of commands that the executor reported, by status.", "status"
)
NOTIFICATIONS = _counter(
    "notifications",
    "Alerts by channel: SENT, each try that FAILED, REFUSED or GIVEN_UP for good.",
    "channel",
    "outcome",
)
GATEWAY_REQUESTS = _counter(
    "gateway_requests", "Requests to the gateway, by route and status.", "method", "route", "status"
)
GATEWAY_SECONDS = Histogram(
    "mendstream_gateway_seconds",
    "Time in which the gateway answered, waits that were asked for included; sockets and exports "
    "are not.",
    ("method", "route"),
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15),
)
GATEWAY_REFUSALS = _counter(
    "gateway_refusals",
    "Requests that the gateway did not do as asked, by the reason in the answer.",
    "reason",
)
GATEWAY_SOCKETS = _gauge("gateway_sockets", "WebSockets that are open.")
GATEWAY_VIEW_AGE = _gauge(
    "gateway_view_age_seconds",
    "Age of the clock of the partition that is furthest behind in the gateway's views.",
)
GATEWAY_VIEW_LAG = _gauge(
    "gateway_view_lag_records",
    "Offsets of a topic that the gateway's views have not taken yet.",
    "topic",
)
JWKS_FAILURES = _counter(
    "jwks_failures", "Attempts to read the keys of tokens that failed; those known stay in use."
)


def introduce(role: ProcessRole, group: str, slot: str) -> None:
    """Says what this process is, beside all that it counts."""
    PROCESS.info({"role": role, "group": group, "slot": slot})
