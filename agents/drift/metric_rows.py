"""The rows of the watch: how they begin, and how they begin anew after a command or a shift of the
mix.
"""

from dataclasses import replace

from schemas.records import CommandRow, MetricRow, Order, State, VersionWatch
from state.metrics.table import is_barred
from state.partition.drift_tables import DriftTables


def restart(tables: DriftTables, command: CommandRow, made: str | None) -> str:
    """After a command is COMPLETED, every metric whose finding asked for its kind for its version
    is watched anew.

    Several metrics may ask for one command, which is issued once. After a rollback the version
    before serves again, and its reference stands; the version rolled back is watched in no metric
    any more, so that its late records neither command nor teach. A metric whose model was retrained
    or improved learns its reference anew, a new hypothesis, once `made`, the version that came of
    it, is in service; where none is named, at once. Returns what there is to be said of that.
    """
    name, rows = command.model_version, list(tables.metrics.rows_of(command.subject))
    if name is None or command.experiment_id is not None:
        return ""
    if command.order == Order.ROLLBACK:
        for row in rows:
            versions = tuple(_out(v) if v.model_version == name else v for v in row.versions)
            if versions != row.versions:
                put(replace(row, versions=versions), tables)
        return ""
    asking = {
        row.metric
        for row in rows
        for v in row.versions
        if (v.model_version, v.asked) == (name, command.order)
    }
    answered = [row for row in rows if row.metric in asking]
    for row in answered:
        put(_answered(row, command, made, serves(tables, command.subject, made)), tables)
    return _said(command, made, sorted({row.metric for row in answered}))


def put(row: MetricRow, tables: DriftTables) -> None:
    """Puts a row that another than its records has changed: with the next of them all of its metric
    are looked at.
    """
    tables.metrics.put(row)
    tables.forget_rule(row.subject, row.metric)


def serves(tables: DriftTables, subject: str, version: str | None) -> bool:
    """Whether a version has sent records of any live metric."""
    rows = tables.metrics.rows_of(subject)
    return any(one.model_version == version for row in rows for one in row.versions)


def deployed(tables: DriftTables, subject: str, version: str) -> None:
    """A version is in service: what waits for it is watched anew."""
    for row in list(tables.metrics.rows_of(subject)):
        if row.awaits_version == version:
            put(served(row, version), tables)


def served(row: MetricRow, version: str) -> MetricRow:
    """The row as a version begins to serve that was trained in the place of one found bad, which
    teaches nothing.
    """
    versions = tuple(
        replace(v, finding_id="", asked=Order.NONE, learned=0)
        if is_barred(v)
        else replace(_again(v), learned=0)
        for v in row.versions
    )
    why = f"{version}, which a completed training made, serves"
    return replace(
        empty_row(row.subject, row.metric, row.segment), versions=versions, reference_from=why
    )


def _answered(row: MetricRow, command: CommandRow, made: str | None, is_served: bool) -> MetricRow:
    name = command.model_version
    if made not in (None, name):
        assert made is not None, "no version is named"
        return served(row, made) if is_served else replace(row, awaits_version=made)
    versions = tuple(
        _again(v) if v.model_version == name or not is_barred(v) else v for v in row.versions
    )
    versions = tuple(replace(v, learned=0) for v in versions)
    what = f"made {name} anew" if made else "names no version that it made"
    why = (
        f"{command.order.lower()} {command.command_id} is completed and {what}: learned from "
        "what serves"
    )
    return replace(
        empty_row(row.subject, row.metric, row.segment), versions=versions, reference_from=why
    )


def _said(command: CommandRow, made: str | None, metrics: list[str]) -> str:
    """One sentence on what became of the reference; empty where there is nothing to be said."""
    if not metrics or made == command.model_version:
        return ""
    about = (
        f"{command.subject} {command.model_version}: {command.order.lower()} "
        f"{command.command_id} is completed"
    )
    if made is None:
        return (
            f"{about} and names no version that it made: {', '.join(metrics)} learn their "
            "reference anew from what serves, "
            "be it as bad as before; let the trainer report made_version"
        )
    return (
        f"{about} and made {made}: what was found in {', '.join(metrics)} stands until {made} "
        "serves; deploy it"
    )


def learning_anew(row: MetricRow) -> MetricRow:
    """The whole after a shift of its mix: its reference fills again, in the mix that is; segments
    keep theirs.

    The finding stays open: the command that it asked for restarts the metric when it is COMPLETED.
    """
    versions = tuple(
        v
        if is_barred(v) and v.asked != Order.IMPROVE
        else replace(v, carry=(), ratios=(), state=State.WAIT, log_e=0.0, learned=0)
        for v in row.versions
    )
    return replace(
        row,
        reference_count=0,
        reference_bad=0,
        reference_sum=0.0,
        frozen=False,
        share_count=0,
        share_bad=0,
        left_out=0,
        expected=-1.0,
        bound=-1.0,
        usual=(),
        versions=versions,
    )


def _again(version: VersionWatch) -> VersionWatch:
    return replace(watched_anew(version), tries=0)


def watched_anew(version: VersionWatch) -> VersionWatch:
    """The version before its watch begins, with nothing found of it."""
    return replace(
        version,
        carry=(),
        ratios=(),
        state=State.WAIT,
        log_e=0.0,
        finding_id="",
        asked=Order.NONE,
        again_at=-1,
    )


def _out(version: VersionWatch) -> VersionWatch:
    return replace(version, finding_id="", asked=Order.NONE, rolled_back=True, tries=0, again_at=-1)


def version_of(row: MetricRow, name: str) -> VersionWatch | None:
    """A version's part of a row; None where it has none."""
    return next((one for one in row.versions if one.model_version == name), None)


def with_version(row: MetricRow, version: VersionWatch) -> MetricRow:
    """The row with a version's part of it in the place of the one before."""
    versions = tuple(
        version if one.model_version == version.model_version else one for one in row.versions
    )
    return replace(row, versions=versions)


def empty_row(subject: str, metric: str, segment: str | None) -> MetricRow:
    return MetricRow(
        subject=subject,
        metric=metric,
        segment=segment,
        reference_count=0,
        reference_bad=0,
        reference_sum=0.0,
        frozen=False,
        values=(),
        limit=None,
        thin=1,
        share_count=0,
        share_bad=0,
        versions=(),
    )


def first_seen(name: str, offset: int, occurred_at: int, now: int) -> VersionWatch:
    """A version as its first record comes, before that is counted. now: the broker's clock, ms."""
    return VersionWatch(
        model_version=name,
        count=0,
        judged=0,
        bad=0,
        sum=0.0,
        coarse=0,
        learned=0,
        first_offset=offset,
        applied_offset=offset,
        start_count=0,
        start_bad=0,
        carry=(),
        floor=0.0,
        window_count=0,
        window_bad=0,
        window_offset=offset,
        whole_judged=0,
        whole_bad=0,
        whole_window_count=0,
        whole_window_bad=0,
        log_e=0.0,
        state=State.WAIT,
        first_at=occurred_at,
        seen_at=now,
    )
