"""Shows of each partition of a worker how far behind its inputs it is and what holds it back, by
librdkafka's own figures, and which arms and subjects have stopped sending.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from schemas.catalog import METRICS, RESULTS
from schemas.records import ExperimentStatus
from state.partition.partition_state import PartitionState
from streams.engine.partition import Owned
from streams.engine.topology import S
from streams.runtime.metrics import (
    HELD_RECORDS,
    LAG_RECORDS,
    LAG_SECONDS,
    LAST_TICK,
    OPEN_TRANSACTION_SECONDS,
    SILENT_ARMS,
    SILENT_SUBJECTS,
    UNWATCHED_SUBJECTS,
)

log = logging.getLogger("mendstream.lag")
# Our own transactions end within MENDSTREAM_TRANSACTION_TIMEOUT_MS, 60 s at most; what stands
# longer is a stranger's.
STRANGERS_SECONDS = 90.0
_PER_PARTITION = (
    HELD_RECORDS,
    LAG_RECORDS,
    LAG_SECONDS,
    LAST_TICK,
    OPEN_TRANSACTION_SECONDS,
    SILENT_ARMS,
    SILENT_SUBJECTS,
    UNWATCHED_SUBJECTS,
)
silent_log = logging.getLogger("mendstream.silent")
NAMED_MAX = 5  # in a line of the log


def measure_lag(
    statistics: str,
    owned: Mapping[int, Owned[S]],
    now: int,
    prefix: str = "",
    waits: Callable[[tuple[str, int]], bool] = lambda _: False,
) -> None:
    """Sets the lag of each owned partition. statistics: librdkafka's, of a consumer; now: ms;
    prefix: of the topics at Kafka; waits: whether records of a topic and partition were delivered
    that are not applied yet.

    An input is as old as the last record of it that was applied, or as the last moment at which it
    was caught up, whichever came later. Ticks go on while another input waits, so the partition's
    own clock would not tell.
    """
    ages: dict[int, float] = defaultdict(float)
    for topic, figures in json.loads(statistics).get("topics", {}).items():
        for name, part in figures["partitions"].items():
            one = owned.get(int(name))
            if one is None or part["ls_offset"] < 0:  # another worker's; not fetched from yet
                continue
            _hold(topic, name, one, part, now, prefix)
            is_read = part["app_offset"] >= part["ls_offset"] and not waits((topic, int(name)))
            # Past the last record a transaction's marker may stand, which is read over but never
            # applied.
            applied = one.journal.next_offsets.get(topic, 0)
            lag = 0 if is_read else max(0, int(part["ls_offset"]) - applied)
            LAG_RECORDS.labels(topic, name).set(lag)
            if not lag:
                one.applied_until[topic] = now
            elif until := one.applied_until.get(topic, one.tables.now):
                ages[int(name)] = max(ages[int(name)], (now - until) / 1_000)
    for number, one in owned.items():
        LAG_SECONDS.labels(str(number)).set(ages[number])
        LAST_TICK.labels(str(number)).set(one.ticked_at / 1_000)


def forget() -> None:
    """Lets go of all partitions: whoever has them next tells of them."""
    for gauge in _PER_PARTITION:
        gauge.clear()


def _hold(
    topic: str, name: str, one: Owned[S], part: Mapping[str, Any], now: int, prefix: str
) -> None:
    """Shows the open transaction that a reader of committed records must not pass, and tells once
    of one that stays.
    """
    stable = int(part["ls_offset"])
    high = int(part.get("hi_offset", stable))
    before, stood = one.held.pop(topic, None), 0.0
    if high > stable:
        since, told = before[1:] if before is not None and before[0] == stable else (now, False)
        stood = (now - since) / 1_000
        if stood >= STRANGERS_SECONDS and not told:
            log.error(
                "a transaction has been open on %s/%s at offset %d for %.0f s, and nothing behind "
                "it is read: end the "
                "producer that began it; if that is gone, kafka-transactions.sh --bootstrap-server "
                "HOST:PORT abort "
                "--topic %s --partition %s --start-offset %d",
                *(prefix + topic, name, stable, stood, prefix + topic, name, stable),
            )
        one.held[topic] = stable, since, told or stood >= STRANGERS_SECONDS
    OPEN_TRANSACTION_SECONDS.labels(topic, name).set(stood)
    HELD_RECORDS.labels(topic, name).set(max(0, high - stable))


def measure_silence(owned: Mapping[int, Owned[S]], silent_ms: int) -> None:
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
            if _is_open(tables, arm[0])
        ]
        subjects = tables.experiments.silence.stopped_subjects(now, silent_ms)
        _say("arms", [f"{key} {variant}" for key, variant in arms], one)
        _say("subjects", subjects, one)
        SILENT_ARMS.labels(str(number)).set(len(arms))
        SILENT_SUBJECTS.labels(str(number)).set(len(subjects))
        UNWATCHED_SUBJECTS.labels(str(number)).set(tables.experiments.silence.unwatched)


def _read_until(one: Owned[S]) -> int | None:
    """Up to which moment all that is sent to a partition is read; None where that is not known yet,
    after a restart.

    Ticks go on while another input waits.
    """
    moments = [one.applied_until.get(topic) for topic in (RESULTS, METRICS)]
    known = [at for at in moments if at is not None]
    return min(one.tables.now, *known) if len(known) == len(moments) else None


def _is_open(tables: PartitionState, key: str) -> bool:
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
        silent_log.warning(
            "partition %d: %s stopped sending: %s%s", one.tables.partition, what, named, more
        )
