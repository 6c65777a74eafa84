"""Whether a bad version's fault came with it, and which version it can be rolled back to."""

from collections.abc import Set

from schemas.records import MetricRow, VersionWatch
from state.metrics.table import is_barred


def came_with(version: VersionWatch) -> bool:
    """Whether it was bad for most of its life.

    What it brought before suspicion began, in the reference or against it, is less than what
    followed.
    """
    return (
        version.learned + version.window_count - version.start_count
        < version.judged - version.window_count
    )


def sound_before(
    row: MetricRow, name: str, bad_elsewhere: Set[str], sound_count: int
) -> str | None:
    """The sound version seen last among those that came before the named one; None where there is
    none.

    Sound is a version that was not found bad, here or in another segment, was not rolled back, and
    has `sound_count` units in the reference or watched against it. "Seen last" leaves out a version
    that served for a while and was taken back by hand: of v1, v2, v1 again and v3, the last goes
    back to v1.
    """
    began = next(one.first_offset for one in row.versions if one.model_version == name)
    sound = [
        one
        for one in row.versions
        if one.first_offset < began
        and not is_barred(one)
        and one.model_version not in bad_elsewhere
        and _proved(one) >= sound_count
    ]
    return max(sound, key=lambda one: one.applied_offset).model_version if sound else None


def _proved(version: VersionWatch) -> int:
    return version.learned + (version.judged - version.start_count if version.carry else 0)
