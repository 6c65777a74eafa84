"""Two installations share a cluster: each has topics, group and workers of its own, and decides of
its own log alone.
"""

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from schemas.catalog import COMMANDS, RESULTS, TABLES_EXPERIMENTS, TOPICS
from streams.cli.app import application
from streams.kafka.admin.topics import create
from streams.kafka.reading import admin
from streams.operations.audit.audit import audit
from streams.runtime.settings import Settings
from tests.kafka.logs import by_id, calm, commands, ends_of, journal, send_harm, standing, table
from tests.kafka.running import STEADY, Threaded, changed, own_kafka

pytestmark = pytest.mark.kafka
PREFIXES = ("staging.", "live.")


@pytest.fixture(scope="module")
def installations() -> Iterator[dict[str, Settings]]:
    with own_kafka(STEADY, topic_prefix=PREFIXES[0]) as (_, first):
        second = changed(first, topic_prefix=PREFIXES[1])
        create(admin(second), second)
        yield {first.topic_prefix: first, second.topic_prefix: second}


def test_each_decides_of_its_own_log_alone(installations: dict[str, Settings]) -> None:
    staging, live = (installations[prefix] for prefix in PREFIXES)
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


def test_kafka_has_no_topic_but_theirs(installations: dict[str, Settings]) -> None:
    client = AdminClient({"bootstrap.servers": installations[PREFIXES[0]].bootstrap})
    found = {each for each in client.list_topics(timeout=10.0).topics if not each.startswith("__")}
    assert found == {f"{prefix}{name}" for prefix in PREFIXES for name in TOPICS}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_command_shows_what_the_named_prefix_has(
    installations: dict[str, Settings], prefix: str
) -> None:
    settings = installations[prefix]
    where = ["--bootstrap", settings.bootstrap, "--topic-prefix", prefix]
    watched = CliRunner().invoke(application(), ["watch", "commands", "--no-follow", *where])
    assert watched.exit_code == 0, watched.output
    assert len(watched.stdout.splitlines()) == len(standing(settings, COMMANDS["ROLLBACK"]))
    described = CliRunner().invoke(application(), ["topics", "describe", *where])
    assert described.stdout.count(f'"topic": "{prefix}') == len(TOPICS)
    checked = CliRunner().invoke(application(), ["topics", "check", *where])
    assert checked.stdout == "all topics are there with 4 partitions\n"
    assert journal(settings)
