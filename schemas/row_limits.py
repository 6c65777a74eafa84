"""How many names one row may hold, so that its bytes stay below what a topic takes and a commit
stays quick.

A row is written whole with each commit that changes it, and Kafka takes 1 048 588 bytes of a record
unless told otherwise. Bytes count beside numbers because a name has up to 512 characters, of up to
four bytes each.
"""

VARIANTS_MAX = (
    100  # of one metric of an experiment; a test of a hundred arms has no sample for more
)
METRICS_MAX = 100  # of one experiment
# of a variant and a metric in one experiment: each may command, and is looked up at each verdict
PAIRS_MAX = 2_000
PAIR_BYTES_MAX = 98_304  # of their names
METRIC_BYTES_MAX = 65_536  # of the names of an experiment's metrics
SEGMENTS_MAX = 10_000  # of all metrics of one experiment together; each has a row for every variant
LIVE_SEGMENTS_MAX = 1_000  # of one live metric; each costs some microseconds as a version is new
LIVE_ROWS_MAX = 10_000  # of one subject: its live metrics and their segments, at some 8 kB each
TARGETS_MAX = 50  # of one subject whose numbers and locks are remembered; most have one or two
RUN_BYTES_MAX = 524_288  # of the names of what was recommended in one run
SNAPSHOT_BYTES_MAX = 524_288  # of a metric's cumulative totals that stand or wait for an arm
# values that a live metric learns its limit from: 8 bytes each, in one row until it is fixed
REFERENCE_COUNT_MAX = 50_000


def bytes_of(*names: str | None) -> int:
    """Returns the number of bytes that names take in UTF-8; None takes none.

    >>> bytes_of("de", None, "größe")
    9
    """
    return sum(len(name.encode()) for name in names if name is not None)
