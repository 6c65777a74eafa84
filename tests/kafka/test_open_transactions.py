"""A stranger's transaction that is open when a processor starts is not waited for, and counts once
it has ended.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from schemas.catalog import POLICIES, REQUESTS, REVIEWS, SPECS, STATUS
from schemas.records import Policy
from streams.kafka.backend import backend_of
from streams.runtime.settings import Settings
from tests.support.builders import CODEC, spec
from tests.support.kafka.running import SECONDS, Threaded, own_topics

pytestmark = pytest.mark.kafka
POLICY = Policy(event_id="late", policy_id="late")


@contextmanager
def held(settings: Settings) -> Iterator[None]:
    """Holds a policy and a spec, and stands open on all else that is read before any result;
    committed in the end.
    """
    stranger = backend_of(settings).producer(
        settings.client(**{"transactional.id": "a stranger", "transaction.timeout.ms": 300_000})
    )
    stranger.init_transactions(SECONDS)
    stranger.begin_transaction()
    stranger.produce(POLICIES, CODEC.encode(POLICY), POLICY.policy_id, 0)
    for topic in (SPECS, STATUS, REQUESTS, REVIEWS):
        for partition in range(settings.partitions):
            stranger.produce(topic, CODEC.encode(spec()), "bot", partition)
    assert stranger.flush(SECONDS) == 0
    yield
    stranger.commit_transaction(SECONDS)


def test_a_start_does_not_wait_for_a_transaction_that_somebody_left_open(kafka: str) -> None:
    with own_topics(kafka) as settings:
        with held(settings), Threaded(settings) as worker:
            worker.until(lambda: worker.ready)
        with Threaded(settings) as worker:
            worker.until(lambda: worker.ready)
            policies = [one.tables.policies for one in worker.processor._member.owned.values()]
            worker.until(lambda: all(POLICY.policy_id in each for each in policies))
