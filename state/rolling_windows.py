"""Rolling windows as rings of buckets: a tuple of (start, count), ascending, that lives in a
row.
"""

from collections.abc import Sequence

from schemas.records import Bucket

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WIDTH_MS = 6 * HOUR_MS  # a window ends somewhere within a bucket; 30 days touch 121 of these
KEPT_MS = 30 * DAY_MS


def counted(buckets: Sequence[Bucket], at: int) -> tuple[Bucket, ...]:
    """The ring with one more at a moment of event time; what is older than 30 days goes, the moment
    itself too.

    Folds to the same ring in any order, as long as the latest moment is not more than 30 days ahead
    of the others.
    """
    start = at - at % WIDTH_MS
    counts = {bucket.start: bucket.count for bucket in buckets}
    counts[start] = counts.get(start, 0) + 1
    oldest = max(counts) - KEPT_MS - WIDTH_MS
    return tuple(Bucket(start, counts[start]) for start in sorted(counts) if start > oldest)


def within(buckets: Sequence[Bucket], now: int, span_ms: int) -> int:
    """How many fell into the span before `now`, to within a bucket."""
    return sum(
        bucket.count
        for bucket in buckets
        if now - span_ms < bucket.start + WIDTH_MS and bucket.start <= now
    )
