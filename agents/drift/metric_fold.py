"""One subject's metric, its whole and its segments, while a slice is folded."""

from dataclasses import dataclass, replace

import numpy as np

from agents.core.batch import Facts, Finding, Floats, Ints
from agents.core.kitagawa import Part
from agents.drift.decay_or_mix import MixChange, explain
from agents.drift.drift_wording import drift_finding
from agents.drift.metric_rows import barred, empty_row, learning_anew, served
from agents.drift.rollback_candidate import came_with, sound_before
from agents.drift.rule import BadWhen, Rule
from agents.drift.segments.segment_sheet import Rows, Sheet, misfit
from agents.drift.segments.segment_stream import Alarm, Stream
from agents.drift.segments.segment_totals import SegmentTotals
from agents.drift.stream_columns import Records
from agents.drift.unjudged_metrics import silent_finding, why_unjudged
from agents.drift.version_limits import (
    VERSIONS_KEPT,
    VERSIONS_MAX,
    crowded_finding,
    has,
    is_full,
    newcomers,
    with_room,
)
from schemas.ids import decision_id
from schemas.records import MetricRow, Order, Verdict


@dataclass(frozen=True, slots=True)
class StreamColumns:
    """The columns of a slice's facts that the watch reads, each of shape (n,), encoded once."""

    count: Ints
    total: Floats
    version: Ints
    versions: list[str]
    segment: Ints
    segments: list[str]
    times: Ints

    @staticmethod
    def of(facts: Facts) -> "StreamColumns":
        version, segment = codes(facts, "model_version"), codes(facts, "segment")
        return StreamColumns(
            facts.ints("count"), facts.floats("sum"), *version, *segment, facts.ints("occurred_at")
        )

    def labels(self, at: Ints) -> list[str]:
        """The segments that these records name."""
        return [self.segments[code] for code in np.unique(self.segment[at]).tolist() if code >= 0]


def codes(facts: Facts, name: str) -> tuple[Ints, list[str]]:
    encoded = facts.batch.column(name).dictionary_encode()
    found = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return found, encoded.dictionary.to_pylist()


class MetricFold:
    """Folds records of one metric into its rows; the rows given are left as they are."""

    def __init__(
        self,
        facts: Facts,
        columns: StreamColumns,
        named: tuple[str, str],
        rule: Rule,
        rows: Rows,
        sheet: Sheet,
        at: Ints,
    ) -> None:
        """named: subject and metric; at: positions of its records in the facts, ascending; sheet:
        where more rows are.
        """
        self._facts, self._named, self._rule, self._sheet = facts, named, rule, sheet
        self.serves = _awaited(rows, columns, at)
        if self.serves:
            rows = {
                segment: served(row, self.serves) for segment, row in (sheet.all() | rows).items()
            }
        if misfit(rows.values(), rule):
            rows = {
                segment: replace(learning_anew(row), limit=None, values=(), thin=1)
                for segment, row in (sheet.all() | rows).items()
            }
        self._last = at[-1]
        rows = self._with_room(rows, columns, at)
        self._whole = self._open(None, rows.get(None))
        self._crowded: list[Finding] = []
        at = self._admitted(columns, at)
        records = Records.of(
            at,
            facts.offsets[at],
            columns.version[at],
            columns.count[at],
            columns.total[at],
            columns.times[at],
            facts.now[at],
        )
        records = self._whole.measure(records, columns.versions, rule)
        known = {segment: row for segment, row in rows.items() if segment is not None}
        self._ledger = SegmentTotals.of(
            known, records, columns.segment[at], columns.segments, columns.versions
        )
        self._streams = {
            label: self._open(label, known.get(label)) for label in self._ledger.labels()
        }

    def fold(self) -> list[Finding]:
        """Findings in the order of the log."""
        ledger = self._ledger
        if not len(ledger.records):
            return self._crowded
        alarms, reference = self._whole.fold(ledger.records, ledger.names, self._rule)
        self._share(reference)
        for name in self._whole.suspected_at:
            self._take_up(self._sheet.behind(name))
        if alarms:
            self._take_up(self._sheet.all())
        findings = self._crowded + [
            self._finding(self._whole, alarm, self._change(alarm)) for alarm in alarms
        ]
        for label, stream in list(self._streams.items()):
            own = ledger.of_segment(label)
            if len(own):
                alarms, _ = stream.fold(
                    stream.measure(own, ledger.names, self._rule), ledger.names, self._rule
                )
                if alarms:
                    self._take_up(self._sheet.all())
                findings += [self._finding(stream, alarm, None) for alarm in alarms]
            self._remember(label, stream)
        if any(one.verdict == Verdict.MIX_SHIFT for one in findings):
            self._begin_in_new_mix()
        return sorted(findings, key=lambda finding: finding.at)

    def rows(self) -> Rows:
        """The rows as they stand after the records, with why they cannot be judged; since when
        stands in the whole.
        """
        streams = (self._whole, *self._streams.values())
        return {stream.row.segment: _with_silence(stream.row, self._rule) for stream in streams}

    @property
    def falls_silent(self) -> bool:
        """Whether within these records it came about that the metric cannot be judged."""
        return not self._whole.row.unjudged and bool(why_unjudged(self._whole.row, self._rule))

    def fall_silent(self) -> Finding:
        """Tells that the metric cannot be judged from its last record on."""
        at = int(self._last)
        row = _with_silence(self._whole.row, self._rule)
        self._whole.row = replace(row, unjudged_at=int(self._facts.now[at]))
        return silent_finding(row, at)

    def _take_up(self, rows: Rows) -> None:
        """Takes up segments that none of the records names; those that are taken up already stand
        as they do.
        """
        more = {
            label: row
            for label, row in rows.items()
            if label is not None and label not in self._streams
        }
        self._ledger = replace(self._ledger, rows=self._ledger.rows | more)
        opened = {label: self._open(label, row) for label, row in more.items()}
        self._streams = dict(sorted((self._streams | opened).items()))

    def _with_room(self, rows: Rows, columns: StreamColumns, at: Ints) -> Rows:
        """The rows as a version comes with the first record; `room` ends what is folded at once
        before each.
        """
        name, segment, now = (
            columns.versions[columns.version[at[0]]],
            columns.segment[at[0]],
            int(self._facts.now[at[0]]),
        )
        here = (None, columns.segments[segment]) if segment >= 0 else (None,)
        crowded = {
            label: rows[label] for label in here if label in rows and not has(rows[label], name)
        }
        return rows | {
            label: with_room(row, now)
            for label, row in crowded.items()
            if len(row.versions) >= VERSIONS_KEPT
        }

    def _admitted(self, columns: StreamColumns, at: Ints) -> Ints:
        """The records of versions that there is room for; the others are counted, and told of
        once.
        """
        row = self._whole.row
        names = columns.versions
        if len(row.versions) < VERSIONS_MAX:
            comes = row.unwatched_at >= 0 and len(newcomers(row, columns.version[at], names)) > 0
            self._whole.row = replace(row, unwatched_at=-1) if comes else row
            return at
        known = np.array([has(row, name) for name in names])[columns.version[at]]
        left = at[~known]
        if len(left):
            if row.unwatched_at < 0:
                first = int(left[0])
                self._crowded = [
                    crowded_finding(self._facts, row, names[columns.version[first]], first)
                ]
                row = replace(row, unwatched_at=int(self._facts.now[first]))
            self._whole.row = replace(row, unwatched=row.unwatched + int(columns.count[left].sum()))
        admitted: Ints = at[known]
        return admitted

    def _open(self, segment: str | None, row: MetricRow | None) -> Stream:
        row, rule = row or empty_row(*self._named, segment), self._rule
        if rule.how == BadWhen.LIMIT and rule.limit is not None and row.limit is None:
            row = replace(row, limit=rule.limit, values=())
        reference = rule.reference(segment)
        if reference is not None and not row.frozen and row.limit == rule.compared:
            row = replace(
                row,
                reference_count=reference.count,
                reference_bad=rule.bad_of(reference),
                reference_sum=reference.sum,
                frozen=True,
            )
        return Stream(row)

    def _share(self, reference: Ints) -> None:
        """Adds to each segment what of it went into the reference of the whole."""
        if not len(reference):
            return
        judged, bad, segments = (
            column[reference]
            for column in (
                self._ledger.records.judged,
                self._ledger.records.bad,
                self._ledger.segments,
            )
        )
        for code in np.unique(segments).tolist():
            if code >= 0:
                stream, own = self._streams[self._ledger.codes[code]], segments == code
                count, more = int(judged[own].sum()), int(bad[own].sum())
                row = stream.row
                stream.row = replace(
                    row, share_count=row.share_count + count, share_bad=row.share_bad + more
                )

    def _change(self, alarm: Alarm) -> MixChange | None:
        """What the segments did between the reference of the whole and the suspicion that led to
        the alarm.
        """
        name = alarm.version.model_version
        parts = []
        for label, stream in self._streams.items():
            count, bad = self._ledger.totals(label, alarm.at, name)
            count_then, bad_then = self._window(label, stream, name)
            row = stream.row
            parts.append(
                Part(label, row.share_count, row.share_bad, count - count_then, bad - bad_then)
            )
        return explain([part for part in parts if part.count_before or part.count_during])

    def _window(self, label: str, stream: Stream, name: str) -> tuple[int, int]:
        """A segment's totals when the suspicion of the whole began."""
        if name in self._whole.suspected_at:
            return self._ledger.totals(label, self._whole.suspected_at[name], name)
        version = stream.version(name)
        return (version.whole_window_count, version.whole_window_bad) if version else (0, 0)

    def _remember(self, label: str, stream: Stream) -> None:
        for name, at in self._whole.suspected_at.items():
            version = stream.version(name)
            if version is not None:
                count, bad = self._ledger.totals(label, at, name)
                if (count, bad) != (version.whole_window_count, version.whole_window_bad):
                    stream.put(replace(version, whole_window_count=count, whole_window_bad=bad))

    def _begin_in_new_mix(self) -> None:
        """The whole is compared with the mix that is; a stated reference stands, and the finding
        with it.

        Segments are watched on against their own references, so a decay is found in them meanwhile.
        """
        if self._rule.reference(None) is not None:
            return
        self._whole.row = learning_anew(self._whole.row)
        for stream in self._streams.values():
            stream.row = replace(stream.row, share_count=0, share_bad=0)

    def _finding(self, stream: Stream, alarm: Alarm, change: MixChange | None) -> Finding:
        previous = self._previous(stream, alarm)
        finding = drift_finding(self._facts, stream.row, self._rule, alarm, change, previous)
        found_id = decision_id(
            self._facts.topic, self._facts.partition, alarm.offset, finding.agent, finding.ordinal
        )
        version = stream.version(alarm.version.model_version)
        assert version is not None
        stream.put(replace(version, finding_id=found_id, asked=finding.order, again_at=-1))
        return finding

    def _previous(self, stream: Stream, alarm: Alarm) -> str | None:
        """The version to roll back to; None where the fault did not come with the version or none
        before is sound.

        Where another segment or the whole has asked for a rollback of it, this one asks for the
        same, not for a training.
        """
        name, streams = alarm.version.model_version, (self._whole, *self._streams.values())
        asking = [
            one for one in streams if (its := one.version(name)) and its.asked == Order.ROLLBACK
        ]
        if not asking and not came_with(alarm.version):
            return None
        bad = {one.model_version for each in streams for one in each.row.versions if barred(one)}
        return sound_before((asking or [stream])[0].row, name, bad, self._rule.sound_count)


def room(columns: StreamColumns, now: Ints, rows: Rows, at: Ints) -> int:
    """How many records can be folded at once.

    Not past one that brings a version for which another may have to go, nor past one that brings an
    awaited version.

    now: the broker's clock at each of the facts.
    """
    awaited = _awaits(rows)
    code = columns.versions.index(awaited) if awaited in columns.versions else -2
    coming = np.flatnonzero(columns.version[at] == code)
    most = int(coming[0]) if len(coming) and coming[0] else len(at)
    if (
        max((len(row.versions) for row in rows.values()), default=0) + len(columns.versions)
        <= VERSIONS_KEPT
    ):
        return most
    version, segment, rooms = columns.version[at], columns.segment[at], [most]
    whole, admitted = rows.get(None), np.ones(len(at), np.bool_)
    if whole is not None and is_full(whole, int(now[at[-1]])):
        # What brings no version in needs no stop, and there may be many such names.
        admitted = np.array([has(whole, name) for name in columns.versions])[version]
    for code in (None, *set(segment[admitted & (segment >= 0)].tolist())):
        row = rows.get(None if code is None else columns.segments[code])
        own = np.flatnonzero(admitted & ((segment == code) if code is not None else True))
        fresh = own[newcomers(row, version[own], columns.versions)]
        free = VERSIONS_KEPT - (len(row.versions) if row else 0)
        rooms += [one for one in fresh[max(0, free) :].tolist() if one > 0][:1]
    return min(rooms)


def _awaits(rows: Rows) -> str:
    whole = rows.get(None)
    return whole.awaits_version if whole is not None else ""


def _awaited(rows: Rows, columns: StreamColumns, at: Ints) -> str:
    """The version of the first of these records, if it is one that the metric awaits; empty
    otherwise.
    """
    name = columns.versions[columns.version[at[0]]]
    return name if name == _awaits(rows) else ""


def _with_silence(row: MetricRow, rule: Rule) -> MetricRow:
    why = why_unjudged(row, rule)
    if why == row.unjudged:
        return row
    return replace(row, unjudged=why, unjudged_at=row.unjudged_at if why else -1)
