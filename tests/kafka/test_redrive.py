"""Dead letters go back once: after a fix they are applied, and no death of a redrive loses or
doubles one.
"""

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition

from schemas.catalog import DEAD_LETTERS, METRICS, POLICIES, REDRIVES, SPECS, TABLES_METRICS
from schemas.ids import event_uuid, partition_of
from schemas.records import Direction, MetricKind, MetricRow, MetricSpec, ModelMetric, Policy, Role
from streams.history.replay import main as replay
from streams.kafka.backend import backend_of
from streams.kafka.reading import committed
from streams.operations.audit.audit import audit
from streams.operations.redrive import Wanted, redrive, survey
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.builders import metric
from tests.support.kafka.console import ROOT, environment, error, output
from tests.support.kafka.logs import (
    CODEC,
    Place,
    delivered,
    ends_of,
    fates,
    headers,
    messages,
    reason,
    send,
    standing,
)
from tests.support.kafka.running import SECONDS, Threaded, environment_of, own_topics, where

pytestmark = pytest.mark.kafka
BAD = 240  # metrics that are no rate
WHENCE: list[tuple[str, str | bytes | None]] = [("trace", b"\x00\xff"), ("nothing", None)]


def revenue(n: int) -> ModelMetric:
    return metric(
        n, subject=f"bot-{n % 7}", metric="margin", event_id=event_uuid("margin", n), sum=1.5
    )


def policy(kind: MetricKind, version: str) -> Policy:
    margin = MetricSpec("margin", Role.GOAL, Direction.HIGHER_IS_BETTER, kind)
    return Policy(event_id=event_uuid(version), policy_id="all", metrics=(margin,))


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    """Topics where a policy said that a margin is a rate: 240 metrics became dead letters, and 30
    specs that are none.
    """
    with own_topics(kafka) as chosen:
        send(chosen, POLICIES, [policy(MetricKind.RATE, "wrong")], ["all"])
        producer = backend_of(chosen).producer(chosen.client())
        for n in range(BAD):
            record = revenue(n)
            home = partition_of(record.subject, chosen.partitions)
            producer.produce(METRICS, CODEC.encode(record), f"key {n}", home, headers=WHENCE)
        assert producer.flush(SECONDS) == 0
        with Threaded(chosen) as worker:
            send(
                chosen,
                SPECS,
                [b"spec %d" % n for n in range(30)],
                [f"bot-{n % 7}" for n in range(30)],
            )
            worker.takes_in(ends_of(chosen, METRICS) | ends_of(chosen, SPECS))
        assert Counter(reason(each) for each in messages(chosen, DEAD_LETTERS)) == {
            "NOT_A_RATE": BAD,
            "NOT_FRAMED": 30,
        }
        yield chosen


def counted(settings: Settings) -> int:
    """How many margins the table has taken in."""
    rows = {
        key: CODEC.decode("MetricRow", value)
        for _, key, value in standing(settings, TABLES_METRICS)
    }
    return sum(
        version.count
        for row in rows.values()
        if isinstance(row, MetricRow) and row.metric == "margin" and row.segment is None
        for version in row.versions
    )


def redriven(settings: Settings, topic: str) -> list[Message]:
    """The records of an input that were written back."""
    return [
        each for each in messages(settings, topic) if "mendstream-redriven" in dict(headers(each))
    ]


def after_the_last(settings: Settings, *topics: str) -> dict[Place, int]:
    """The offset after the last record of each partition: behind it stands the marker of a
    transaction.
    """
    each_in_order = (each for topic in topics for each in messages(settings, topic))
    return {
        (each.topic() or "", each.partition() or 0): (each.offset() or 0) + 1
        for each in each_in_order
    }


def told(settings: Settings, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output("redrive", "--json", *arguments, *where(settings)))
    return found


def test_a_dry_run_says_what_would_be_redriven_and_writes_nothing(settings: Settings) -> None:
    before = {topic: ends_of(settings, topic) for topic in (METRICS, SPECS, REDRIVES)}
    assert told(settings, "--dry-run")["letters"] == [
        {"topic": SPECS, "reason": "NOT_FRAMED", "count": 30},
        {"topic": METRICS, "reason": "NOT_A_RATE", "count": BAD},
    ]
    seven = ("--topic", "models.metrics", "--reason", "not_a_rate", "--limit", "7")
    assert told(settings, "--dry-run", *seven)["redriven"] == 7
    assert (
        survey(settings, Wanted(frozenset({"NOT_FRAMED"}), frozenset({METRICS}))).counts.total()
        == 0
    )
    of_one = [
        each.offset() or 0 for each in messages(settings, DEAD_LETTERS) if each.partition() == 1
    ]
    later = Wanted(partition=1, from_offset=of_one[5])
    assert survey(settings, later).counts.total() == len(of_one[5:]) > 0
    assert {topic: ends_of(settings, topic) for topic in (METRICS, SPECS, REDRIVES)} == before


def test_what_is_no_input_and_no_partition_is_told(kafka: str) -> None:
    with own_topics(kafka) as settings:
        here = where(settings)
        assert error("redrive", "--topic", "journal", *here).startswith(
            "'journal' is no input. The inputs are experiments."
        )
        assert error("redrive", "--partition", "4", *here).startswith(
            "There is no partition 4 of the dead letters."
        )


def test_a_record_that_is_still_bad_is_a_new_letter_that_says_how_often(settings: Settings) -> None:
    (first,) = [each for each in messages(settings, DEAD_LETTERS) if each.key() == b"key 0"]
    wanted = Wanted(
        frozenset({"NOT_A_RATE"}),
        partition=first.partition(),
        from_offset=first.offset() or 0,
        limit=1,
    )
    for times in (b"1", b"2"):
        assert redrive(settings, wanted).counts == {(METRICS, "NOT_A_RATE"): 1}
        (back,) = redriven(settings, METRICS)[int(times) - 1 :]
        whence = dict(headers(first))
        origin = b"/".join(
            whence[f"__streams.errors.{name}"] or b"" for name in ("topic", "partition", "offset")
        )
        assert headers(back) == [
            *WHENCE,
            ("mendstream-redriven", times),
            ("mendstream-redriven-from", origin),
        ]
        assert (back.key(), back.value(), back.partition()) == (
            b"key 0",
            first.value(),
            first.partition(),
        )
        with Threaded(settings) as worker:
            worker.takes_in(after_the_last(settings, METRICS))
        first = [each for each in messages(settings, DEAD_LETTERS) if each.key() == b"key 0"][-1]
        assert headers(first)[: len(headers(back))] == headers(back)
        wanted = Wanted(partition=first.partition(), from_offset=first.offset() or 0)
    assert survey(settings, wanted).before == 1


def kill(settings: Settings, point: str, number: int) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.support.kafka.redriver",
        point,
        str(number),
        "25",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(environment_of(settings)),
        timeout=SECONDS,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


def test_after_the_fix_each_is_applied_once_however_often_the_redrive_dies(
    settings: Settings,
) -> None:
    """Killed before anything is produced, between produce and commit, between the offsets and the
    end, and after it. What was redriven is left alone, what was refused again waits; another
    redrive of it that a second one fences off writes no letter twice.
    """
    send(settings, POLICIES, [policy(MetricKind.MEAN, "right")], ["all"])
    waiting = survey(settings, Wanted()).counts.total()
    assert waiting == BAD + 30
    left = [waiting]
    for point, number in (
        ("begun", 1),
        ("outputs", 2),
        ("offsets", 2),
        ("committed", 2),
        ("rows", 1),
    ):
        kill(settings, point, number)
        left.append(survey(settings, Wanted()).counts.total())
    assert left == [waiting, waiting, waiting - 25, waiting - 50, waiting - 100, waiting - 100]
    assert redrive(settings, Wanted()).counts.total() == waiting - 100
    with Threaded(settings) as worker:
        worker.takes_in(after_the_last(settings, METRICS, SPECS))
    assert counted(settings) == BAD
    back = Counter(each.key() for each in redriven(settings, METRICS))
    assert back == {b"key %d" % n: 1 for n in range(BAD)}
    assert Counter(each.value() for each in redriven(settings, SPECS)) == {
        b"spec %d" % n: 1 for n in range(30)
    }
    assert fates(settings).duplicates == 0
    assert fates(settings).all() == delivered(settings)
    what_was_refused_again_waits(settings)
    the_group_says_how_many_letters_wait(settings)
    a_second_redrive_fences_the_first(settings)
    with Threaded(settings) as worker:
        worker.takes_in(after_the_last(settings, SPECS))
    assert replay(settings) == 0
    assert audit(settings, True, lambda _text: None).as_json()["found"] == 0


def what_was_refused_again_waits(settings: Settings) -> None:
    found = survey(settings, Wanted())
    assert found.counts == {(SPECS, "NOT_FRAMED"): 30}
    assert (found.before, found.already) == (30, BAD + 30)
    said = output("redrive", "--reason", "NOT_A_RATE", *where(settings))
    assert said.splitlines() == [
        "0 redriven",
        f"{BAD} were redriven by an earlier run and are left alone",
    ]


def the_group_says_how_many_letters_wait(settings: Settings) -> None:
    consumer = backend_of(settings).consumer(
        settings.client(**{"group.id": f"{settings.group}-redrive"})
    )
    parts = [TopicPartition(DEAD_LETTERS, p) for p in range(settings.partitions)]
    group = committed(consumer, parts, settings)
    consumer.close()
    first = {p: end for (_, p), end in ends_of(settings, DEAD_LETTERS).items()}
    for each in messages(settings, DEAD_LETTERS):
        if dict(headers(each)).get("mendstream-redriven") == b"1" and reason(each) == "NOT_FRAMED":
            first[each.partition() or 0] = min(first[each.partition() or 0], each.offset() or 0)
    assert {p for (_, p) in group} == set(range(settings.partitions))
    assert all(offset <= first[p] for (_, p), offset in group.items()), (
        "a letter that waits is never passed"
    )


def a_second_redrive_fences_the_first(settings: Settings) -> None:
    """Neither of them writes a letter twice."""
    begun, go_on, ended = threading.Event(), threading.Event(), list[BaseException]()

    def at(point: str) -> None:
        if point == "outputs":
            begun.set()
            assert go_on.wait(SECONDS)

    def first() -> None:
        try:
            redrive(settings, Wanted(), at)
        except MendstreamError as stopped:
            ended.append(stopped)

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(SECONDS)
    assert redrive(settings, Wanted()).counts.total() == 30
    go_on.set()
    thread.join(SECONDS)
    assert not thread.is_alive()
    (stopped,) = ended
    assert str(stopped).startswith("The redrive stopped: ")
    assert Counter(each.value() for each in redriven(settings, SPECS)) == {
        b"spec %d" % n: 2 for n in range(30)
    }
