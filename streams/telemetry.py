"""The names of all metrics, each with a sentence that says what it counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"mendstream_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"mendstream_{name}", text, labels, registry=REGISTRY)


RECORDS = _counter("records", "Data records of the inputs, by topic and fate.", "topic", "fate")
REFUSED = _counter("dead_letters", "Records put on the dead letter topic, by reason.", "topic", "reason")
COMMANDS = _counter("commands", "Commands issued, by type.", "type")
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
    "lag_seconds", "Age of the last record applied while there are more; 0 when caught up.", "partition"
)
RESTORE_SECONDS = _gauge("restore_seconds", "Time the last restore took.")
ROWS = _gauge("table_rows", "Rows in memory, by table.", "table")
BREAKER_OPEN = _gauge(
    "breaker_open",
    "1 where half of a partition's records are invalid: it is paused, unless told to go on.",
    "topic",
    "partition",
)
VIEWS_DEGRADED = _gauge("views_degraded", "1 while the store of the views does not answer and they lag behind the log.")
VIEWS_ROWS = _gauge("views_rows", "Rows in the views when they were last built.")
ASSIGNED = _gauge("assigned_partitions", "Partitions this worker owns and has restored.")
