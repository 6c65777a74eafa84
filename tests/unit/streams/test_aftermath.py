"""What became of records is told whole, in whatever order brokers show the logs of one
transaction.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from schemas.catalog import DEAD_LETTERS, JOURNAL, SPECS
from streams.kafka.memory.log import Fate
from streams.kafka.reading import TopicPartitionKey, read
from streams.operations import record_fates
from streams.operations.record_fates import Aftermath
from streams.runtime.settings import Settings
from tests.support.builders import CODEC
from tests.support.still import still


def test_a_letter_that_is_shown_after_the_journal_is_no_new_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with still() as one:
        one.worker().until(lambda: len(one.values(JOURNAL)) > 0)
        looks_after = Aftermath(one.settings, CODEC)
        one.send(SPECS, b"garbage", "bot")
        one.worker().until(lambda: len(one.values(DEAD_LETTERS)) == 1)
        letters = one.kafka.logs[DEAD_LETTERS, 0]
        letters.entries[0].fate, letters.entries[0].owner = Fate.OPEN, "worker"
        letters.open["worker"] = 0

        def shown(
            settings: Settings, ranges: Mapping[TopicPartitionKey, tuple[int, int]]
        ) -> Iterator[list[Any]]:
            letters.end("worker", Fate.COMMITTED, one.now)
            return read(settings, ranges)

        monkeypatch.setattr(record_fates, "read", shown)
        became = looks_after.became({(SPECS, 0): [[0, 0]]})
        assert (became.new, became.known, len(became.refused)) == (0, 0, 1)
