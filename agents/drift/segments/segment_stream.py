"""One live metric in one segment: its reference fills and freezes, then each version is watched
against it.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from agents.core.batch import Floats, Ints
from agents.drift.judged_records import measured
from agents.drift.metric_rows import barred, begun, first_seen
from agents.drift.rule import Rule
from agents.drift.stream_columns import Column, Records, added, taught
from agents.statistics.e_detector import Alternatives, Scan, scan, upper_bound
from schemas.records import EvidenceKind, MetricRow, State, VersionWatch


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
    suspected_at: dict[str, int] = field(
        default_factory=dict
    )  # by version: position in the facts; see `_date`

    def version(self, name: str) -> VersionWatch | None:
        return next(
            (version for version in self.row.versions if version.model_version == name), None
        )

    def measure(self, records: Records, names: list[str], rule: Rule) -> Records:
        """Says which records are judged here and which are bad; learns the limit they are compared
        with.
        """
        self.row, records = measured(self.row, records, names, rule)
        return records

    def fold(self, records: Records, names: list[str], rule: Rule) -> tuple[list[Alarm], Ints]:
        """Folds measured records, at least one; names: of the version codes.

        Returns alarms, at most one a version, and the positions of the records that went into the
        reference.
        """
        reference, watched_from = self._learn(records, names, rule)
        alarms = []
        for code in dict.fromkeys(records.version.tolist()):
            own = np.flatnonzero(records.version == code)
            version = self.version(names[code]) or first_seen(
                names[code], int(records.offsets[own[0]]), int(records.times[own[0]])
            )
            if len(reference):
                mine = reference[records.version[reference] == code]
                version = replace(
                    version, learned=version.learned + int(records.judged[mine].sum())
                )
            tested = own[records.judged[own] > 0]
            first = int(np.searchsorted(tested, watched_from))
            if self.row.frozen and first < len(tested) and not barred(version):
                version, alarm = self._watch(version, records.take(tested), first, rule.threshold)
                alarms += [alarm] if alarm else []
            self.put(_summed(version, records.take(own)))
        return alarms, reference

    def put(self, version: VersionWatch) -> None:
        """Sets a version's part of the row."""
        kept = {old.model_version: old for old in self.row.versions}
        kept[version.model_version] = version
        self.row = replace(self.row, versions=tuple(kept.values()))

    def _learn(self, records: Records, names: list[str], rule: Rule) -> tuple[Ints, int]:
        """Fills the reference; returns the positions of what went into it, and from which one on
        records are watched.
        """
        if self.row.frozen:
            return _NONE, 0
        fit = taught(self.row, records, names, records.judged > 0)
        if not len(fit):
            return _NONE, len(records)
        filled = self.row.reference_count + np.cumsum(records.judged[fit])
        needed = rule.needed(self.row.thin)
        fit = fit[: int(np.searchsorted(filled, needed)) + 1]
        frozen = bool(filled[len(fit) - 1] >= needed)
        self.row = replace(
            self.row,
            reference_count=int(filled[len(fit) - 1]),
            reference_bad=self.row.reference_bad + int(records.bad[fit].sum()),
            reference_sum=added(self.row.reference_sum, records.total[fit]),
            frozen=frozen,
        )
        return fit, int(fit[-1]) + 1 if frozen else len(records)

    def _watch(
        self, version: VersionWatch, records: Records, first: int, threshold: float
    ) -> tuple[VersionWatch, Alarm | None]:
        """Watches the judged records of a version from position `first`."""
        judged, bad = (
            version.judged + np.cumsum(records.judged),
            version.bad + np.cumsum(records.bad),
        )
        before = (
            (int(judged[first - 1]), int(bad[first - 1]))
            if first
            else (version.judged, version.bad)
        )
        if not version.carry:
            version = begun(version, *before, offset=int(records.offsets[first]))
            self.suspected_at[version.model_version] = int(records.at[first]) - 1
        scanned = self._scan(version, judged[first:], bad[first:], before)
        crossed = np.flatnonzero(scanned.log_r >= threshold)
        last = int(crossed[0]) if len(crossed) else len(scanned.log_r) - 1
        version = self._date(version, scanned.suspicion[: last + 1], records, judged, bad, first)
        version = replace(
            version,
            carry=tuple(scanned.carry[last].tolist()),
            log_e=float(scanned.log_r[last]),
            evidence_kind=EvidenceKind.E_DETECTOR,
        )
        if not len(crossed):
            return version, None
        version, at = replace(version, state=State.HARM), first + last
        then = replace(version, judged=int(judged[at]), bad=int(bad[at]))
        return version, Alarm(int(records.at[at]), int(records.offsets[at]), then)

    def _scan(
        self, version: VersionWatch, judged: Ints, bad: Ints, before: tuple[int, int]
    ) -> Scan:
        return scan(
            Alternatives.against(upper_bound(self.row.reference_bad, self.row.reference_count)),
            bad - version.start_bad,
            judged - version.start_count,
            before[1] - version.start_bad,
            before[0] - version.start_count,
            np.array(version.carry),
        )

    def _date(
        self,
        version: VersionWatch,
        ratio: Floats,
        records: Records,
        judged: Ints,
        bad: Ints,
        first: int,
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
            window_count=int(judged[at]),
            window_bad=int(bad[at]),
            window_offset=int(records.offsets[at]),
        )


_NONE = np.zeros(0, np.int64)


def _summed(version: VersionWatch, own: Records) -> VersionWatch:
    """The version's totals after its records."""
    count, judged, bad, coarse, whole_judged, whole_bad = (
        own.ints[Column.COUNT : Column.TIME].sum(axis=1).tolist()
    )
    return replace(
        version,
        count=version.count + count,
        judged=version.judged + judged,
        bad=version.bad + bad,
        sum=added(version.sum, own.total),
        coarse=version.coarse + coarse,
        whole_judged=version.whole_judged + whole_judged,
        whole_bad=version.whole_bad + whole_bad,
        applied_offset=int(own.offsets[-1]),
        seen_at=int(own.now[-1]),
    )
