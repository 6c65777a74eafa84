"""How far behind its inputs each partition of a worker is, and what holds it back, from
librdkafka's own figures.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from streams.engine.partition import Owned
from streams.engine.topology import S
from streams.runtime.metrics import (
    HELD_RECORDS,
    LAG_RECORDS,
    LAG_SECONDS,
    LAST_TICK,
    OPEN_TRANSACTION_SECONDS,
)

log = logging.getLogger("mendstream.lag")

# Our own transactions end within MENDSTREAM_TRANSACTION_TIMEOUT_MS, 60 s at most; what stands
# longer is a stranger's.
STRANGERS_SECONDS = 90.0
_PER_PARTITION = (HELD_RECORDS, LAG_RECORDS, LAG_SECONDS, LAST_TICK, OPEN_TRANSACTION_SECONDS)


def measure(statistics: str, owned: Mapping[int, Owned[S]], now: int, prefix: str = "") -> None:
    """Sets the lag of each owned partition. statistics: librdkafka's, of a consumer; now: ms;
    prefix: of the topics at Kafka.

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
            lag = _behind(part, one.journal.next_offsets.get(topic, 0))
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


def _behind(part: Mapping[str, Any], applied: int) -> int:
    """Records to come. Past the last one a transaction's marker may stand, which is read over but
    never applied.
    """
    end = int(part["ls_offset"])
    return 0 if part["app_offset"] >= end else max(0, end - applied)
