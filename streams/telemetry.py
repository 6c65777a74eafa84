"""The names of all metrics, each with a sentence that says what it counts."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

ProcessRole = Literal["processor", "executor", "views"]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # process_start_time_seconds and its like, under the names that everybody knows


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"mendstream_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"mendstream_{name}", text, labels, registry=REGISTRY)


PROCESS = Info(
    "mendstream_process",
    "1, labelled with what this process is: its role, the processors' group, its slot.",
    registry=REGISTRY,
)
PARTITIONS = _gauge("partitions", "Partitions that each input has, as this worker is configured; 0 for other roles.")
RECORDS = _counter("records", "Data records of the inputs, by topic and fate.", "topic", "fate")
REFUSED = _counter("dead_letters", "Records put on the dead letter topic, by reason.", "topic", "reason")
COMMANDS = _counter("commands", "Commands issued, by type.", "type")
TRANSITIONS = _counter("command_transitions", "Moves of commands, by order and what moved them.", "order", "event")
DECISIONS = _counter("decisions", "Decisions written, by verdict and outcome.", "verdict", "outcome")
COMMITS = _counter("commits", "Transactions committed.")
COMMIT_SECONDS = Histogram(
    "mendstream_commit_seconds",
    "Time from the first row produced to the commit acknowledged.",
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
TXN_RECREATED = _counter(
    "producer_recreated", "Producers made anew because the transaction coordinator was out of reach."
)
LAG_RECORDS = _gauge("lag_records", "Records of an input partition not yet applied.", "topic", "partition")
LAG_SECONDS = _gauge(
    "lag_seconds", "Age of the last record applied of the input that waits longest; 0 when caught up.", "partition"
)
RESTORING = _gauge("restoring", "1 while partitions are restored, in which time nothing is decided.")
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
VIEWS_DEGRADED = _gauge("views_degraded", "1 while the store of the views does not answer and they lag behind the log.")
VIEWS_ROWS = _gauge("views_rows", "Rows in the views when they were last built.")
ASSIGNED = _gauge("assigned_partitions", "Partitions this worker owns and has restored.")
CARRIED = _counter(
    "commands_carried_out", "Commands that the executor answered, by what became of them.", "order", "end"
)
UNDER_WAY = _gauge("commands_under_way", "Commands that the executor has taken and not yet answered for.")
REPORTED = _counter("statuses_reported", "Statuses of commands that the executor reported, by status.", "status")
NOTIFICATIONS = _counter(
    "notifications",
    "Alerts by channel: SENT, each try that FAILED, REFUSED or GIVEN_UP for good.",
    "channel",
    "outcome",
)


def introduce(role: ProcessRole, group: str, slot: str) -> None:
    """Says what this process is, beside all that it counts."""
    PROCESS.info({"role": role, "group": group, "slot": slot})
