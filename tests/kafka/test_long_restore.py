"""A restore that outlasts the session costs nobody a partition, though another worker joins in the
middle of it.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.catalog import RESULTS
from state.partition.partition_state import PartitionState
from streams.engine.topology import DECIDING
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.settings import Settings
from tests.support.builders import result
from tests.support.kafka.logs import ends_of, send
from tests.support.kafka.running import SECONDS, Child, Threaded, changed, own_topics

pytestmark = pytest.mark.kafka
SESSION_SECONDS = 1.5


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(
        kafka, session_timeout_ms=int(SESSION_SECONDS * 1_000), transaction_timeout_ms=5_000
    ) as given:
        send(given, RESULTS, [result(n, subject=f"bot-{n % 9}") for n in range(100)])
        yield given


def test_a_restore_longer_than_the_session_keeps_its_partitions_while_another_joins(
    settings: Settings, tmp_path: Path
) -> None:
    restored: list[int] = []  # partitions, in the order in which they were

    def slowly(tables: PartitionState) -> None:
        until = (
            monotonic() + SESSION_SECONDS
        )  # of one partition, so that all of them take a few sessions
        wait_until(lambda: monotonic() > until, SECONDS)
        DECIDING.rebuild(tables)
        restored.append(tables.partition)

    topology = replace(DECIDING, rebuild=slowly)
    with Threaded(settings, topology=topology) as slow:
        slow.until(lambda: len(restored) == 1)
        with Child(changed(settings, slot="other"), tmp_path / "other.log") as other:
            slow.until(lambda: other.says(" restored in ") and slow.ready and len(restored) == 6)
            send(settings, RESULTS, [result(n, subject=f"bot-{n % 9}") for n in range(100, 200)])
            ends = ends_of(settings, RESULTS)
            mine = {place: end for place, end in ends.items() if place[1] in restored[4:]}
            began = monotonic()
            # Time enough for whoever was thought dead to be thrown out, and for another round.
            slow.until(
                lambda: (
                    slow.processor.progress(mine) == sum(mine.values())
                    and monotonic() - began > 2.0
                )
            )
            assert restored[:4] == [0, 1, 2, 3], "it began anew before it was ready"
            assert len(restored) == 6, "it restored what it had"
            assert other.log.read_text().count(" restored in ") == 1
            assert not other.ended
