"""Shows which arms and subjects of a worker's partitions have stopped sending."""

import logging
from collections.abc import Mapping

from schemas.catalog import METRICS, RESULTS
from schemas.records import ExperimentStatus
from state.partition.partition_state import PartitionState
from streams.engine.partition import Owned
from streams.engine.topology import S
from streams.runtime.metrics import SILENT_ARMS, SILENT_SUBJECTS, UNWATCHED_SUBJECTS

log = logging.getLogger("mendstream.silent")

NAMED_MAX = 5  # in a line of the log
_PER_PARTITION = (SILENT_ARMS, SILENT_SUBJECTS, UNWATCHED_SUBJECTS)


def measure(owned: Mapping[int, Owned[S]], silent_ms: int) -> None:
    """Sets the figures of each owned partition, by its own clock: in a backlog nobody has stopped
    who is not read yet.
    """
    for number, one in owned.items():
        tables, now = one.tables, _read_until(one)
        if not isinstance(tables, PartitionState) or not one.ticked_at or now is None:
            continue
        arms = [
            arm
            for arm in tables.experiments.silence.stopped_arms(now, silent_ms)
            if _open(tables, arm[0])
        ]
        subjects = tables.experiments.silence.stopped_subjects(now, silent_ms)
        _say("arms", [f"{key} {variant}" for key, variant in arms], one)
        _say("subjects", subjects, one)
        SILENT_ARMS.labels(str(number)).set(len(arms))
        SILENT_SUBJECTS.labels(str(number)).set(len(subjects))
        UNWATCHED_SUBJECTS.labels(str(number)).set(tables.experiments.silence.unwatched)


def forget() -> None:
    """Lets go of all partitions: whoever has them next tells of them."""
    for gauge in _PER_PARTITION:
        gauge.clear()


def _read_until(one: Owned[S]) -> int | None:
    """Up to which moment all that is sent to a partition is read; None where that is not known yet,
    after a restart.

    Ticks go on while another input waits.
    """
    moments = [one.applied_until.get(topic) for topic in (RESULTS, METRICS)]
    known = [at for at in moments if at is not None]
    return min(one.tables.now, *known) if len(known) == len(moments) else None


def _open(tables: PartitionState, key: str) -> bool:
    """Returns whether an experiment is undecided: after a rollback an arm is to stop, and after a
    promotion the other.
    """
    row = tables.experiments.experiments.get(key)
    return row is not None and row.status != ExperimentStatus.STOPPED and not row.decided


def _say(what: str, names: list[str], one: Owned[S]) -> None:
    """Names those that stopped since, once; a metric must not have as many labels as there are
    names.
    """
    fresh = [name for name in names if name not in one.silent[what]]
    one.silent[what] = frozenset(names)
    if fresh:
        more = f" and {len(fresh) - NAMED_MAX} more" if len(fresh) > NAMED_MAX else ""
        named = ", ".join(fresh[:NAMED_MAX])
        log.warning(
            "partition %d: %s stopped sending: %s%s", one.tables.partition, what, named, more
        )
