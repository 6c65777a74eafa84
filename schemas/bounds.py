"""How many names one row may hold, so that its bytes stay below what a topic takes and a commit stays quick.

A row is written whole with each commit that changes it, and Kafka takes 1 048 588 bytes of a record unless told otherwise.
Bytes count beside numbers because a name has up to 512 characters, of up to four bytes each.
"""

VARIANTS_MOST = 100  # of one metric of an experiment; a test of a hundred arms has no sample for more
METRICS_MOST = 100  # of one experiment
PAIRS_MOST = 2_000  # of a variant and a metric in one experiment: each may command, and is looked up at each verdict
PAIR_BYTES_MOST = 98_304  # of their names
METRIC_BYTES_MOST = 65_536  # of the names of an experiment's metrics
SEGMENTS_MOST = 10_000  # of all metrics of one experiment together; each has a row for every variant
TARGETS_MOST = 50  # of one subject whose numbers and locks are remembered; most have one or two
RUN_BYTES_MOST = 524_288  # of the names of what was recommended in one run
SNAPSHOT_BYTES_MOST = 524_288  # of a metric's cumulative totals that stand or wait for an arm
REFERENCE_COUNT_MOST = (
    50_000  # values that a live metric learns its limit from: 8 bytes each, in one row until it is fixed
)


def bytes_of(*names: str | None) -> int:
    """How many bytes names take in UTF-8."""
    return sum(len(name.encode()) for name in names if name is not None)
