"""What an agent is given and what it gives back."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.core.kitagawa import Added
from schemas.records import Evidence, Order, RequestPriority, Verdict

_SECOND = itemgetter(1)  # of (kind of timestamp, ms)
_APPENDED = 2  # the kind of a broker's timestamp, as confluent-kafka numbers them

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Delivered(Protocol):
    """A record as the broker delivered it; confluent-kafka's Message is one."""

    def value(self) -> bytes | None: ...
    def key(self) -> bytes | None: ...
    def headers(self) -> list[tuple[str, bytes]] | None: ...
    def offset(self) -> int: ...
    def timestamp(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class DeliveredRecord:
    """A record that no broker delivered, for folding in this process.

    raw, keyed, headed: its value, key and headers. at: its offset. appended: the broker's moment,
    ms.
    """

    raw: bytes | None
    at: int
    appended: int
    keyed: bytes | None = None
    headed: tuple[tuple[str, bytes], ...] = ()

    def value(self) -> bytes | None:
        return self.raw

    def key(self) -> bytes | None:
        return self.keyed

    def headers(self) -> list[tuple[str, bytes]] | None:
        return list(self.headed) or None

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return _APPENDED, self.appended


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive records of one input topic partition: offsets from `first_offset` up to, not
    including, `next_offset`.

    There are fewer records than offsets where transaction markers stand in between. What every
    record is asked for stands in columns of length n: values, offsets, append_times (the broker's,
    ms); the rest is asked of `records`.
    """

    topic: str
    partition: int
    records: Sequence[Delivered]
    values: Sequence[bytes | None]
    offsets: Ints
    append_times: Ints

    @staticmethod
    def of(topic: str, partition: int, records: Sequence[Delivered]) -> "Slice":
        """The slice of these records, at least one."""
        kind = type(
            records[0]
        )  # an unbound method mapped over the records costs half of a call on each
        n = len(records)
        first, last = records[0].offset(), records[-1].offset()
        # They ascend, so that none is missing where as many lie between the first and the last.
        whole = last - first == n - 1
        offsets = (
            np.arange(first, last + 1)
            if whole
            else np.array(list(map(kind.offset, records)), np.int64)
        )
        times = np.fromiter(map(_SECOND, map(kind.timestamp, records)), np.int64, n)
        return Slice(topic, partition, records, list(map(kind.value, records)), offsets, times)

    @property
    def first_offset(self) -> int:
        return int(self.offsets[0])

    @property
    def next_offset(self) -> int:
        return int(self.offsets[-1]) + 1


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric at the moment of a finding, per unit: of the winner or before, and of the loser or
    now.

    sign: 1.0 where more is better, -1.0 where less is, 0.0 where nobody said.
    """

    metric: str
    before: float
    now: float
    sign: float


@dataclass(frozen=True, slots=True)
class Served:
    """A record is the first of a version that a completed training made."""

    subject: str
    version: str


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What a person says of an order beside what is to be done."""

    priority: RequestPriority = RequestPriority.UNKNOWN
    max_retries: int | None = None  # None: as many as there are
    failure_id: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict that changed, proved by record `at` of the facts; what comes of it the decider
    says.
    """

    at: int
    agent: str
    ordinal: str  # tells apart what one agent finds in one record
    verdict: Verdict
    order: Order
    subject: str
    metric: str
    rule: str
    reason: str
    evidence: tuple[Evidence, ...]
    experiment_id: str | None = None
    variant: str | None = None
    model_version: str | None = None
    to_version: str | None = None
    segments: tuple[str, ...] = ()
    hypothesis: str = ""
    strategy: str = ""
    specialist: str = ""
    expected_gain: float = 0.0
    expected_cost: float = 0.0
    environment: str = "production"
    dry_run: bool = False
    compared: tuple[Compared, ...] = ()
    added: tuple[Added, ...] = ()  # to the difference of the metric, by segment
    came_with_version: bool = False
    units: int = 0  # of the loser
    since: int = -1  # event time from which on they were counted, ms
    terms: OrderTerms | None = None  # of a person's own order
    asks: str = ""  # why a person is asked, whatever the policy; empty: the policy says
