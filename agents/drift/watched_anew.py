"""Watches a version anew whose finding's command ended without being carried out.

The watch begins as after a command that was: what still stands is found again in the records from
then on.
"""

from dataclasses import replace

from agents.core.command_outcome import End, EndedHow
from agents.core.provenance import Provenance
from agents.drift.metric_rows import put, watched_anew, with_version
from schemas.records import CommandRow, MetricRow, Policy, VersionWatch
from state.metrics.table import is_barred
from state.partition.drift_tables import DriftTables
from state.storage.table import row_key

FORGOTTEN_MS = (
    24 * 3_600_000
)  # what is not found again within a day of being watched anew does not stand


def ended(
    row: CommandRow, end: End, wait_ms: int, place: Provenance, tables: DriftTables, policy: Policy
) -> VersionWatch | None:
    """Takes in how a command against a live version ended; returns one watch that asked for it,
    None where none did.

    wait_ms: how long the watch rests, unless a person said no.
    """
    found = None
    for metric in list(tables.metrics.rows_of(row.subject)) if row.experiment_id is None else ():
        for before in metric.versions:
            asked = (before.model_version, before.asked) == (row.model_version, row.order)
            if (
                not asked or before.rolled_back or before.again_at >= 0
            ):  # what rests has been told of
                continue
            if end.how == EndedHow.SERVED:
                found = replace(before, tries=0)
            elif end.how in (EndedHow.DENIED, EndedHow.OVERTAKEN):
                found = replace(before, again_at=place.now + policy.manual_lock_ms)
            else:
                found = replace(before, tries=before.tries + 1, again_at=place.now + wait_ms)
                found = (
                    found
                    if wait_ms
                    else replace(watched_anew(found), again_at=place.now + FORGOTTEN_MS)
                )
            metric = with_version(metric, found)
            put(metric, tables)
            _plan(metric, tables)
    return found


def tries_of(row: CommandRow, tables: DriftTables) -> int:
    """How many commands of the kind against the version ended without being carried out."""
    rows = tables.metrics.rows_of(row.subject)
    return max(
        (v.tries for one in rows for v in one.versions if v.model_version == row.model_version),
        default=0,
    )


def due(key: str, place: Provenance, tables: DriftTables) -> str | None:
    """Begins to watch anew what rested, and forgets what was not found again; returns the subject,
    None where the row has left its table meanwhile.
    """
    row = tables.metrics.get(key)
    if row is None:
        return None
    for version in row.versions:
        if not 0 <= version.again_at <= place.now:
            continue
        if is_barred(version):
            row = with_version(
                row, replace(watched_anew(version), again_at=place.now + FORGOTTEN_MS)
            )
        else:
            row = with_version(row, replace(version, tries=0, again_at=-1))
    put(row, tables)
    _plan(row, tables)
    return row.subject


def unserved(subject: str, tables: DriftTables) -> int:
    """Versions of a subject against which commands ended without being carried out, and none was
    since.
    """
    found = {
        v.model_version
        for row in tables.metrics.rows_of(subject)
        for v in row.versions
        if v.tries > 0
    }
    return len(found)


def rebuild(tables: DriftTables) -> None:
    """What is derived, after rows were restored."""
    tables.rewatches.rebuild(())
    for row in tables.metrics.rows():
        _plan(row, tables)


def _plan(row: MetricRow, tables: DriftTables) -> None:
    key = row_key(row.subject, row.metric, row.segment)
    waiting = [version.again_at for version in row.versions if version.again_at >= 0]
    if waiting:
        tables.rewatches.put(key, min(waiting))
    else:
        tables.rewatches.drop(key)
