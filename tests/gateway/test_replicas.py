"""Two replicas tell one story, whichever is asked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.catalog import REQUESTS, TABLES_COMMANDS
from schemas.records import Phase
from streams.runtime.settings import Settings
from tests.support.gateway.served import Answered, Served, token
from tests.support.gateway.world import CODEC, Kept, Tenant, write, write_journal
from tests.support.kafka.logs import messages
from tests.support.kafka.running import own_topics

pytestmark = pytest.mark.kafka
ANN = token("ann", ("acme",))
COMMANDS = "/api/v1/commands"
ROUNDS = 12


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as made:
        write_journal(made)
        yield made


@pytest.fixture(scope="module")
def replicas(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Served]]:
    first: Path = tmp_path_factory.mktemp("first")
    second: Path = tmp_path_factory.mktemp("second")
    with Served(settings, first) as one, Served(settings, second) as other:
        yield one, other


def test_one_key_sent_to_both_at_once_is_one_order(
    settings: Settings, replicas: tuple[Served, Served]
) -> None:
    with ThreadPoolExecutor(2) as both:
        for number in range(ROUNDS):
            body = {"kind": "RETRAIN", "subject": f"acme/line-{number}"}
            key = {"Idempotency-Key": f"order {number}"}

            def post(
                replica: Served, body: dict[str, str] = body, key: dict[str, str] = key
            ) -> Answered:
                return replica.call("POST", COMMANDS, ANN, body, key)

            answers = [*both.map(post, replicas)]
            assert [answer.status for answer in answers] == [202, 202], answers
            assert len({answer.json["command_id"] for answer in answers}) == 1
            assert len({answer.json["position"] for answer in answers}) == 1
    assert len(messages(settings, REQUESTS)) >= ROUNDS


def test_no_answer_goes_back_behind_what_was_seen(
    settings: Settings, replicas: tuple[Served, Served]
) -> None:
    """Each read rests on the position of the one before, from the other replica."""
    acme, position = Tenant("acme"), ""
    for number in range(2 * ROUNDS):
        phase = (Phase.ISSUED, Phase.COMPLETED)[number % 2]
        row = replace(acme.command_row(), phase=phase, attempt=number + 1)
        kept = Kept(TABLES_COMMANDS, row.command_id, CODEC.encode(row), row.subject)
        write(settings, [kept])
        seen = replicas[number % 2].call("GET", f"{COMMANDS}/{row.command_id}", ANN)
        if seen.status == 404:  # it is not there yet for anybody
            continue
        at_least = {"Mendstream-At-Least": seen.json["position"]}
        other = replicas[1 - number % 2].call(
            "GET", f"{COMMANDS}/{row.command_id}", ANN, headers=at_least
        )
        assert other.status == 200, other.body
        assert other.json["item"]["attempt"] >= seen.json["item"]["attempt"]
        position = other.json["position"]
    assert position
