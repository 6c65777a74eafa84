"""What the whole judges of each segment of one metric at any record of a slice."""

from dataclasses import dataclass

import numpy as np

from agents.core.batch import Ints
from agents.drift.stream_columns import Column, Records
from schemas.records import MetricRow


@dataclass(frozen=True, slots=True)
class SegmentTotals:
    """The segments' rows as they came into the slice, and the slice's records of the metric as the
    whole judges them.

    segments: (n,) code of each record's segment in `codes`, -1 for none; names: of the version
    codes. Segments have limits of their own, so their judged and bad units do not add up to those
    of the whole: `whole_judged`, `whole_bad` do.
    """

    rows: dict[str, MetricRow]
    records: Records
    segments: Ints
    codes: list[str]
    names: list[str]

    @staticmethod
    def of(
        rows: dict[str, MetricRow],
        records: Records,
        segments: Ints,
        codes: list[str],
        names: list[str],
    ) -> "SegmentTotals":
        records = records.where(Column.WHOLE_JUDGED, records.judged, records.bad)
        return SegmentTotals(rows, records, segments, codes, names)

    def labels(self) -> list[str]:
        """Every segment known or named in this slice; sorted, so that sums over them do not depend
        on the cut.
        """
        named = {self.codes[code] for code in set(self.segments.tolist()) if code >= 0}
        return sorted(named | self.rows.keys())

    def of_segment(self, label: str) -> Records:
        return self.records.take(self.within(label))

    def within(self, label: str) -> Ints:
        """The positions of one segment's records among all."""
        code = self.codes.index(label) if label in self.codes else -2
        return np.flatnonzero(self.segments == code)

    def totals(self, label: str, upto: int, version: str) -> tuple[int, int]:
        """Judged and bad units of one version after the record at position `upto` of the facts."""
        row = self.rows.get(label)
        versions = [one for one in row.versions if one.model_version == version] if row else []
        own = self.within(label)
        code = self.names.index(version) if version in self.names else -1
        own = own[(self.records.at[own] <= upto) & (self.records.version[own] == code)]
        judged = sum(one.whole_judged for one in versions) + int(self.records.judged[own].sum())
        return judged, sum(one.whole_bad for one in versions) + int(self.records.bad[own].sum())
