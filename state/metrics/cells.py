"""The numbers of live metrics as compiled code sees them: rows, the versions of each, and how those
are linked.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled
from state.metrics.open_point import OPEN_POINT_WIDTH
from state.metrics.usual import USUAL_WIDTH

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ALTERNATIVES = 4  # of the e-detector
NONE = -1  # no row, no watch, no moment

COUNTED = (  # of a version: what each record may change, by the names of its row
    *("count", "judged", "bad", "sum", "coarse", "learned", "applied_offset", "seen_at"),
    *("start_count", "start_bad", "floor", "window_count", "window_bad", "window_offset"),
    *("whole_judged", "whole_bad", "whole_window_count", "whole_window_bad", "log_e"),
)
_FLOATS = frozenset({"sum", "floor", "log_e"})
WATCH = np.dtype(
    [
        *((name, "f8" if name in _FLOATS else "i8") for name in COUNTED),
        *(("carry", "f8", (ALTERNATIVES,)), ("ratios", "f8", (ALTERNATIVES,))),
        *(("state", "i1"), ("detected", "?"), ("begun", "?")),
        *(("version", "u8"), ("barred", "?"), ("touched", "?"), ("is_behind", "?")),
        *(("row", "i4"), ("next", "i4"), ("behind", "i4"), ("next_behind", "i4")),
    ],
    align=True,
)
ROW = np.dtype(
    [
        *(("reference_count", "i8"), ("reference_bad", "i8"), ("reference_sum", "f8")),
        *(("share_count", "i8"), ("share_bad", "i8"), ("frozen", "?"), ("left_out", "i8")),
        *(("expected", "f8"), ("bound", "f8"), ("usual", "f8", (USUAL_WIDTH,))),
        ("open_point", "f8", (OPEN_POINT_WIDTH,)),
        *(("how", "i1"), ("is_rate", "?"), ("upper", "?"), ("threshold", "f8"), ("needed", "i8")),
        *(("coarse_most", "i8"), ("values_needed", "i8")),
        *(("season", "i1"), ("tolerance", "f8"), ("stated", "?"), ("points", "i1")),
        *(("alternatives", "f8", (2, ALTERNATIVES)), ("limit", "f8"), ("thin", "i8")),
        *(("alone", "i8"), ("coarse", "i8"), ("values_count", "i8"), ("awaited", "u8")),
        *(("first", "i4"), ("recent", "i4")),
        *(("hash", "u8"), ("epoch", "i8"), ("heard", "i8"), ("stale", "?"), ("listed", "?")),
    ],
    align=True,
)


class WatchCells(Protocol):
    """A version of a row, as compiled code sees it: a WATCH.

    Down to `log_e` as VersionWatch has it. carry, ratios: shape (j,), begun: whether it has them.
    detected: whether there is evidence. version: the hash of its name. barred: neither judged nor
    learned from. touched: to be written back. row: its own. next: watch of the same row.

    A segment is behind the whole where it took in records of a version since the whole's watch of
    it was suspected last: behind: of the whole's watch, the first of those; next_behind: of one
    of them, the next.
    """

    count: int
    judged: int
    bad: int
    sum: float
    coarse: int
    learned: int
    applied_offset: int
    seen_at: int
    start_count: int
    start_bad: int
    floor: float
    window_count: int
    window_bad: int
    window_offset: int
    whole_judged: int
    whole_bad: int
    whole_window_count: int
    whole_window_bad: int
    log_e: float
    carry: Floats
    ratios: Floats
    state: int
    detected: bool
    begun: bool
    version: np.uint64
    barred: bool
    touched: bool
    is_behind: bool
    row: int
    next: int
    behind: int
    next_behind: int


class RowCells(Protocol):
    """A row, as compiled code sees it: a ROW.

    Down to `bound` as MetricRow has it; usual and open_point: see state.metrics. Then its Terms;
    alternatives: (2, j), to the bound, zeros until they are worked out. limit: NaN where there is
    none. alone, coarse: units of all versions that came alone, and several to a record.
    values_count: that its limit was learned from. awaited: the hash of the version that it awaits,
    0 where none. first, recent: the watches of its first version and of the last that was found.
    epoch: of the policies by which the metric stands, of its whole; NONE where it is not in hand.
    heard: the clock at its last record. stale: to be written back; listed: among those touched.
    """

    reference_count: int
    reference_bad: int
    reference_sum: float
    share_count: int
    share_bad: int
    frozen: bool
    left_out: int
    expected: float
    bound: float
    usual: Floats
    open_point: Floats
    how: int
    is_rate: bool
    upper: bool
    threshold: float
    needed: int
    coarse_most: int
    values_needed: int
    season: int
    tolerance: float
    stated: bool
    points: int
    alternatives: Floats
    limit: float
    thin: int
    alone: int
    coarse: int
    values_count: int
    awaited: np.uint64
    first: int
    recent: int
    hash: np.uint64
    epoch: int
    heard: int
    stale: bool
    listed: bool


class Watches(Protocol):
    """`MetricsTable.watches` as compiled code sees it."""

    def __getitem__(self, number: int, /) -> WatchCells: ...


class Rows(Protocol):
    """`MetricsTable.records` as compiled code sees it."""

    def __getitem__(self, number: int, /) -> RowCells: ...


class Terms(NamedTuple):
    """How the records of one row are judged.

    how: a code of the agent's. is_rate: whether sums are counts of units. upper: more is worse.
    threshold: log of the alarm. needed: judged units that freeze the reference. coarse_most: units
    of several to a record, none ever alone, with which it cannot be judged. values_needed: that
    freeze the limit, 0 where none is learned. season: a code of the agent's; tolerance: times the
    odds of what is expected. stated: whether the reference is one that the policy states. points:
    what makes a point of its series, a code of the agent's.
    """

    how: int
    is_rate: bool
    upper: bool
    threshold: float
    needed: int
    coarse_most: int
    values_needed: int
    season: int
    tolerance: float
    stated: bool
    points: int


@compiled
def link_behind(rows: Rows, watches: Watches, whole: int, numbers: Ints) -> None:
    """Finds which watches of a metric's rows are behind those of its whole; numbers: of its
    rows.
    """
    at = rows[whole].first
    while at >= 0:
        watches[at].behind = NONE
        at = watches[at].next
    for index in range(len(numbers)):
        if numbers[index] == whole:
            continue
        at = rows[numbers[index]].first
        while at >= 0:
            watches[at].is_behind = False
            if watches[at].whole_judged != watches[at].whole_window_count:
                owner = watch_of(rows, watches, whole, watches[at].version)
                if owner >= 0:
                    fall_behind(watches, owner, at)
            at = watches[at].next


@compiled
def fall_behind(watches: Watches, whole: int, part: int) -> None:
    """Notes that a segment's watch is behind the whole's of the same version."""
    if not watches[part].is_behind:
        watches[part].is_behind = True
        watches[part].next_behind = watches[whole].behind
        watches[whole].behind = part


@compiled
def watch_of(rows: Rows, watches: Watches, row: int, version: np.uint64) -> int:
    """The watch of a version in a row, by the hash of its name; -1 where there is none."""
    recent = rows[row].recent
    if recent >= 0 and watches[recent].version == version:
        return recent
    at = rows[row].first
    while at >= 0 and watches[at].version != version:
        at = watches[at].next
    if at >= 0:
        rows[row].recent = at
    return at
