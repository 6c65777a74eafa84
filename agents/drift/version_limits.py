"""Which versions of a model a row has room for: what serves is never left out while there is room,
nor without a word.
"""

from dataclasses import replace

from agents.core.batch import Finding
from agents.drift.unjudged_metrics import missing_finding
from schemas.records import MetricRow, VersionWatch
from state.metrics.table import is_barred

VERSIONS_KEPT = 8  # always: a rollback needs the one before; more tell a person what happened
VERSIONS_MAX = 64  # that serve at once; a row of so many takes some 15 KB, written with each commit
IDLE_MS = 7 * 86_400_000  # of the broker's clock; who has not served for so long is out of service
FEW = 100  # units; a version with fewer, a misspelt one among them, proves nothing
FEW_IDLE_MS = 3_600_000


def may_go(version: VersionWatch, now: int) -> bool:
    """Whether a version leaves its row where another needs the room."""
    idle_ms = now - version.seen_at
    hardly_seen = version.count < FEW and not is_barred(version)
    return idle_ms >= IDLE_MS or (hardly_seen and idle_ms >= FEW_IDLE_MS)


def with_room(row: MetricRow, now: int) -> MetricRow:
    """The row as another version comes: of those that may go the longest unseen go, as long as
    enough stay.
    """
    going = sorted(
        (one for one in row.versions if may_go(one, now)), key=lambda one: one.applied_offset
    )
    gone = {one.model_version for one in going[: max(0, len(row.versions) - VERSIONS_KEPT + 1)]}
    return (
        replace(row, versions=tuple(one for one in row.versions if one.model_version not in gone))
        if gone
        else row
    )


def crowded_finding(row: MetricRow, name: str) -> Finding:
    """Returns the finding that a version is not judged, because too many serve; told once until
    there is room again.
    """
    return missing_finding(
        row,
        name="crowded",
        rule="more versions than are watched at once",
        reason=(
            f"{row.subject}: {row.metric} of {name}, and of whatever version comes after it, is "
            "not judged: "
            f"{VERSIONS_MAX} others have sent within {IDLE_MS // 86_400_000} days; there is room "
            "again once one of them "
            "has not for so long"
        ),
        version=name,
    )
