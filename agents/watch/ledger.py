"""Units and bad units of each segment of one metric at any record of a slice."""

from dataclasses import dataclass

import numpy as np

from agents.slice import Ints
from agents.watch.stream import Records
from schemas.records import MetricRow


@dataclass(frozen=True, slots=True)
class Ledger:
    """The segments' rows as they came into the slice, and the slice's records of the metric.

    segments: (n,) code of each record's segment in `codes`, -1 for none; names: of the version codes.
    """

    rows: dict[str, MetricRow]
    records: Records
    segments: Ints
    codes: list[str]
    names: list[str]

    def labels(self) -> list[str]:
        """Every segment known or named in this slice; sorted, so that sums over them do not depend on the cut."""
        named = {self.codes[code] for code in np.unique(self.segments) if code >= 0}
        return sorted(named | self.rows.keys())

    def of(self, label: str) -> Records:
        """The records of one segment."""
        return self.records.take(self.within(label))

    def within(self, label: str) -> Ints:
        """The positions of one segment's records among all."""
        return np.flatnonzero(self._in(label))

    def totals(self, label: str, upto: int, version: str) -> tuple[int, int]:
        """Units and bad units of one version after the record at position `upto` of the facts."""
        row = self.rows.get(label)
        versions = row.versions if row else ()
        count = sum(v.count for v in versions if version == v.model_version)
        bad = sum(v.bad for v in versions if version == v.model_version)
        chosen = self._in(label) & (self.records.at <= upto)
        chosen &= self.records.version == (self.names.index(version) if version in self.names else -1)
        return count + int(self.records.count[chosen].sum()), bad + int(self.records.bad[chosen].sum())

    def _in(self, label: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        code = self.codes.index(label) if label in self.codes else -2
        return np.asarray(self.segments == code)
