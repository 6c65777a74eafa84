"""One live metric in one segment: its reference fills and freezes, then each version is watched against it."""

from dataclasses import dataclass, field, replace

import numpy as np

from agents.slice import Floats, Ints
from agents.watch.detector import Alternatives, Scan, empty_carry, scan, upper_bound
from schemas.records import MetricRow, State, VersionWatch

VERSIONS_KEPT = 8  # a rollback needs the one before; more tell a person what happened


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one stream in the order of the log, shape (n,): units, bad units, sums, version codes, offsets.

    at: their positions in the slice's facts.
    """

    at: Ints
    count: Ints
    bad: Ints
    total: Floats
    version: Ints
    offsets: Ints

    def take(self, chosen: Ints) -> "Records":
        return Records(
            self.at[chosen],
            self.count[chosen],
            self.bad[chosen],
            self.total[chosen],
            self.version[chosen],
            self.offsets[chosen],
        )

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True)
class Rule:
    """How a stream is watched: units that freeze its reference, log of the alarm's threshold, or not at all."""

    reference_count: int
    threshold: float
    watched: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """Raised by the record at position `at` of the facts, after which `version` stood like this."""

    at: int
    offset: int
    version: VersionWatch


@dataclass(slots=True)
class Stream:
    """The row of one metric in one segment while a slice is folded into it."""

    row: MetricRow
    frozen_at: int | None = None  # position in the facts where this slice froze the reference
    suspected_at: dict[str, int] = field(
        default_factory=dict
    )  # by version: after which record it last began to suspect

    def version(self, name: str) -> VersionWatch | None:
        return next((version for version in self.row.versions if version.model_version == name), None)

    def fold(self, records: Records, names: list[str], rule: Rule) -> list[Alarm]:
        """Folds records; names: of the version codes. Returns alarms, at most one a version."""
        if not len(records):
            return []
        learning = self._learn(records, rule.reference_count) if rule.watched else len(records)
        alarms = []
        for code in dict.fromkeys(records.version.tolist()):
            own = np.flatnonzero(records.version == code)
            mine = records.take(own)
            version = self.version(names[code]) or _fresh(names[code], int(mine.offsets[0]))
            count, bad = version.count + np.cumsum(mine.count), version.bad + np.cumsum(mine.bad)
            first = int(np.searchsorted(own, learning))
            if self.row.frozen and first < len(own) and version.state != State.HARM:
                version, alarm = self._watch(version, mine, count, bad, first, rule.threshold)
                alarms += [alarm] if alarm else []
            total = _added(version.sum, mine.total)
            last = int(mine.offsets[-1])
            self.put(replace(version, count=int(count[-1]), bad=int(bad[-1]), sum=total, applied_offset=last))
        return alarms

    def put(self, version: VersionWatch) -> None:
        """Sets a version's part of the row; the oldest goes when there are too many."""
        kept = {old.model_version: old for old in self.row.versions}
        kept[version.model_version] = version
        self.row = replace(self.row, versions=tuple(kept.values())[-VERSIONS_KEPT:])

    def _learn(self, records: Records, needed: int) -> int:
        """Fills the reference; returns how many of these records went into it."""
        if self.row.frozen:
            return 0
        filled = self.row.reference_count + np.cumsum(records.count)
        taken = min(int(np.searchsorted(filled, needed)) + 1, len(records))
        frozen = bool(filled[taken - 1] >= needed)
        self.row = replace(
            self.row,
            reference_count=int(filled[taken - 1]),
            reference_bad=self.row.reference_bad + int(records.bad[:taken].sum()),
            reference_sum=_added(self.row.reference_sum, records.total[:taken]),
            frozen=frozen,
        )
        self.frozen_at = int(records.at[taken - 1]) if frozen else None
        return taken

    def _watch(
        self, version: VersionWatch, records: Records, count: Ints, bad: Ints, first: int, threshold: float
    ) -> tuple[VersionWatch, Alarm | None]:
        """Watches the records from position `first`; count, bad: the version's running totals over all of them."""
        before = (int(count[first - 1]), int(bad[first - 1])) if first else (version.count, version.bad)
        if not version.carry:
            version = _begun(version, *before, offset=int(records.offsets[first]))
            self.suspected_at[version.model_version] = int(records.at[first]) - 1
        scanned = self._scan(version, count[first:], bad[first:], before)
        crossed = np.flatnonzero(scanned.log_r >= threshold)
        last = int(crossed[0]) if len(crossed) else len(scanned.log_r) - 1
        version = self._date(version, scanned.suspicion[: last + 1], records, count, bad, first)
        carry, log_e = tuple(scanned.carry[last].tolist()), float(scanned.log_r[last])
        version = replace(version, carry=carry, log_e=log_e)
        if not len(crossed):
            return version, None
        version = replace(version, state=State.HARM)
        at = first + last
        then = replace(version, count=int(count[at]), bad=int(bad[at]))
        return version, Alarm(int(records.at[at]), int(records.offsets[at]), then)

    def _scan(self, version: VersionWatch, count: Ints, bad: Ints, before: tuple[int, int]) -> Scan:
        return scan(
            Alternatives.against(upper_bound(self.row.reference_bad, self.row.reference_count)),
            bad - version.start_bad,
            count - version.start_count,
            before[1] - version.start_bad,
            before[0] - version.start_count,
            np.array(version.carry),
        )

    def _date(
        self, version: VersionWatch, ratio: Floats, records: Records, count: Ints, bad: Ints, first: int
    ) -> VersionWatch:
        """A change is dated to where the likelihood ratio was last at its lowest."""
        lowest = np.minimum.accumulate(np.append(version.floor, ratio))
        at_floor = np.flatnonzero(ratio <= lowest[:-1])
        if not len(at_floor):
            return version
        last = int(at_floor[-1])
        at = first + last
        self.suspected_at[version.model_version] = int(records.at[at])
        return replace(
            version,
            floor=float(ratio[last]),
            window_count=int(count[at]),
            window_bad=int(bad[at]),
            window_offset=int(records.offsets[at]),
        )


def _added(carry: float, values: Floats) -> float:
    """One after the other, so that a cut changes nothing; a sum too large is infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.add.accumulate(np.append(carry, values))[-1])


def empty_row(subject: str, metric: str, segment: str | None) -> MetricRow:
    return MetricRow(
        subject=subject,
        metric=metric,
        segment=segment,
        reference_count=0,
        reference_bad=0,
        reference_sum=0.0,
        frozen=False,
        share_count=0,
        share_bad=0,
        versions=(),
    )


def _fresh(name: str, offset: int) -> VersionWatch:
    return VersionWatch(
        model_version=name,
        count=0,
        bad=0,
        sum=0.0,
        first_offset=offset,
        applied_offset=offset,
        start_count=0,
        start_bad=0,
        carry=(),
        floor=0.0,
        window_count=0,
        window_bad=0,
        window_offset=offset,
        whole_window_count=0,
        whole_window_bad=0,
        log_e=0.0,
        state=State.WAIT,
    )


def _begun(version: VersionWatch, count: int, bad: int, offset: int) -> VersionWatch:
    return replace(
        version,
        start_count=count,
        start_bad=bad,
        carry=tuple(empty_carry().tolist()),
        floor=0.0,
        window_count=count,
        window_bad=bad,
        window_offset=offset,
        log_e=0.0,
        state=State.OK,
    )
