"""How far behind its inputs each partition of a worker is, from librdkafka's own figures."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from streams.owned import Owned
from streams.telemetry import LAG_RECORDS, LAG_SECONDS


def measure(statistics: str, owned: Mapping[int, Owned], now: int) -> None:
    """Sets the lag of each owned partition. statistics: librdkafka's, of a consumer; now: ms.

    An input is as old as the last record of it that was applied, or as the last moment at which it was caught up,
    whichever came later. Ticks go on while another input waits, so the partition's own clock would not tell.
    """
    ages: dict[int, float] = defaultdict(float)
    for topic, figures in json.loads(statistics).get("topics", {}).items():
        for name, part in figures["partitions"].items():
            one = owned.get(int(name))
            if one is None or part["ls_offset"] < 0:  # another worker's; not fetched from yet
                continue
            lag = _behind(part, one.journal.next_offsets.get(topic, 0))
            LAG_RECORDS.labels(topic, name).set(lag)
            if not lag:
                one.applied_until[topic] = now
            elif until := one.applied_until.get(topic, one.tables.now):
                ages[int(name)] = max(ages[int(name)], (now - until) / 1_000)
    for number in owned:
        LAG_SECONDS.labels(str(number)).set(ages[number])


def forget() -> None:
    """Lets go of all partitions: whoever has them next tells of them."""
    LAG_RECORDS.clear()
    LAG_SECONDS.clear()


def _behind(part: Mapping[str, Any], applied: int) -> int:
    """Records to come. Past the last one a transaction's marker may stand, which is read over but never applied."""
    end = int(part["ls_offset"])
    return 0 if part["app_offset"] >= end else max(0, end - applied)
