"""The judge of the faults sees each kind of harm, one after the other, and says nothing where there
is too little.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.catalog import COMMANDS, DEAD_LETTERS, RESULTS, TABLES_ARMS
from streams.kafka.backend import backend_of
from streams.runtime.settings import Settings
from tests.support.faults.case import Harm
from tests.support.faults.judge import judged
from tests.support.faults.load import announce, take_in
from tests.support.kafka.logs import ends_of, planted, send, send_planted, standing
from tests.support.kafka.running import own_kafka

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with own_kafka(dedupe_window=100_000) as (_, chosen):
        yield chosen


def test_what_a_calm_run_leaves_is_without_harm_until_somebody_does_some(
    settings: Settings, tmp_path: Path
) -> None:
    announce(settings)
    send(settings, RESULTS, planted(500))
    with pytest.raises(
        AssertionError, match=r"^0 commands come of this log: too few to say anything"
    ):
        judged(settings, ends_of(settings, RESULTS))
    ends = send_planted(settings, 30_000)  # with 500 ids that were there already
    take_in(settings, ends, tmp_path / "log")
    assert judged(settings, ends) == Harm(0, 0, 0)
    producer = backend_of(settings).producer(settings.client())
    partition, key, value = standing(settings, COMMANDS["ROLLBACK"])[0]
    producer.produce(COMMANDS["ROLLBACK"], value, key, partition)
    producer.flush(10.0)
    assert judged(settings, ends) == Harm(0, 1, 0)
    (row, other) = [each for each in standing(settings, TABLES_ARMS) if each[0] == partition][:2]
    producer.produce(TABLES_ARMS, other[2], row[1], partition)
    producer.produce(DEAD_LETTERS, b"", headers={"__streams.errors.topic": RESULTS.encode()})
    producer.flush(10.0)
    assert judged(settings, ends) == Harm(0, 1, 2)
    send(settings, RESULTS, [*planted(60_000)][30_000:])
    worse = judged(settings, ends_of(settings, RESULTS))  # nobody took these in
    assert worse.lost > 0
    assert worse.wrong > 2 + settings.partitions
