"""Two installations share a cluster: each has topics, group and workers of its own, and decides of
its own log alone.
"""

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from schemas.catalog import COMMANDS, RESULTS, TABLES_EXPERIMENTS, TOPICS
from streams.cli.app import application
from streams.operations.audit.audit import audit
from streams.runtime.settings import Settings
from tests.support.kafka.logs import (
    by_id,
    calm,
    commands,
    ends_of,
    journal,
    send_harm,
    standing,
    table,
)
from tests.support.kafka.running import Threaded, own_topics, where

pytestmark = pytest.mark.kafka
NAMES = ("staging", "live")


@pytest.fixture(scope="module")
def installations(kafka: str) -> Iterator[dict[str, Settings]]:
    with own_topics(kafka) as staging, own_topics(kafka) as live:
        yield {"staging": staging, "live": live}


def test_each_decides_of_its_own_log_alone(installations: dict[str, Settings]) -> None:
    staging, live = (installations[name] for name in NAMES)
    assert staging.group != live.group
    with Threaded(staging) as one, Threaded(live) as other:
        send_harm(staging, range(2))
        one.takes_in(ends_of(staging, RESULTS))
        assert not any(ends_of(live, RESULTS).values())
        assert commands(live) == []
        send_harm(live, range(2))
        other.takes_in(ends_of(live, RESULTS))
        assert by_id(commands(live)) == by_id(commands(staging)), "of the same log the same comes"
        send_harm(live, [2])
        other.takes_in(ends_of(live, RESULTS))
    for settings, number in ((staging, 2), (live, 3)):
        assert by_id(commands(settings)) == by_id(calm(settings))
        assert len(commands(settings)) == len(table(settings, TABLES_EXPERIMENTS)) == number
        assert audit(settings, False, lambda _text: None).as_json()["found"] == 0


def test_kafka_has_no_topic_without_a_prefix(installations: dict[str, Settings]) -> None:
    (bootstrap,) = {each.bootstrap for each in installations.values()}
    client = AdminClient({"bootstrap.servers": bootstrap})
    found = client.list_topics(timeout=10.0).topics.keys()
    for settings in installations.values():
        own = {name for name in found if name.startswith(settings.topic_prefix)}
        assert own == {settings.topic(name) for name in TOPICS}
    assert not found & TOPICS.keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_command_shows_what_the_named_prefix_has(
    installations: dict[str, Settings], name: str
) -> None:
    settings = installations[name]
    here = where(settings)
    watched = CliRunner().invoke(application(), ["watch", "commands", "--no-follow", *here])
    assert watched.exit_code == 0, watched.output
    assert len(watched.stdout.splitlines()) == len(standing(settings, COMMANDS["ROLLBACK"]))
    described = CliRunner().invoke(application(), ["topics", "describe", *here])
    assert described.stdout.count(f'"topic": "{settings.topic_prefix}') == len(TOPICS)
    checked = CliRunner().invoke(application(), ["topics", "check", *here])
    assert checked.stdout == "all topics are there with 4 partitions\n"
    assert journal(settings)
