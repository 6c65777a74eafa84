"""Kafka's own exactly-once test passes the engine and refuses the control; `make oracle` does far
more to both.
"""

from pathlib import Path

import pytest

from streams.kafka.embedded.jars import fetched, kafka_jars
from streams.runtime.errors import MendstreamError
from tests.oracle.java import ORACLE, Verdict
from tests.oracle.ordeal import SHORT, SHORTEST, undergo

pytestmark = pytest.mark.kafka
SEED = 1


@pytest.fixture(scope="module", autouse=True)
def jars() -> None:
    try:
        kafka_jars()
        fetched(ORACLE)
    except MendstreamError as why:
        pytest.skip(f"no embedded Kafka with its own test: {why}")


def test_the_engine_passes(tmp_path: Path) -> None:
    outcome = undergo("engine", SHORT, tmp_path, SEED, print)
    assert outcome.verdict == Verdict(passed=True, refused=False, reason="")
    assert outcome.records == outcome.echoes > 0
    assert (outcome.kills, outcome.zombies) >= (1, 1)


def test_plain_offset_commits_are_refused(tmp_path: Path) -> None:
    outcome = undergo("control", SHORTEST, tmp_path, SEED, print)
    assert outcome.verdict.refused, outcome.verdict
    assert outcome.echoes > outcome.records
