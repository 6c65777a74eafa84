"""One worker on a real Kafka: every record has one fate, whatever comes twice, astray or early."""

import json
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from agents.flow.ingress import FORWARDED_FROM
from schemas.catalog import (
    COMMANDS,
    DEAD_LETTERS,
    METRICS,
    POLICIES,
    RESULTS,
    SPECS,
    STATUS,
    TABLES_ARMS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
    TABLES_METRICS,
)
from schemas.ids import event_uuid, partition_of
from schemas.records import (
    ArmRow,
    Autonomy,
    CommandRow,
    CommandStatus,
    ExperimentResult,
    ExperimentRow,
    MetricRow,
    ModelMetric,
    Phase,
    Policy,
    RetrainCommand,
    Status,
)
from state.storage.table import row_key
from streams.engine.topology import DECIDING
from streams.history.replay import main as replay
from streams.kafka.backend import backend_of
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import REGISTRY
from streams.runtime.settings import Settings
from tests.support.builders import metric, result, spec
from tests.support.kafka.logs import (
    CODEC,
    commands,
    delivered,
    ends_of,
    fates,
    journal,
    last,
    messages,
    reason,
    send,
    standing,
    table,
)
from tests.support.kafka.running import Child, Threaded, changed, own_topics, victim

pytestmark = pytest.mark.kafka
RETRAINED = Policy(
    event_uuid("policy"), "models", ("model-*",), retrain=Autonomy.AUTO, reference_count=200
)


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    """Topics that the tests share, each with subjects of its own."""
    with own_topics(kafka) as chosen:
        yield chosen


@pytest.fixture
def fresh(kafka: str) -> Iterator[Settings]:
    """Topics for one test alone, which looks at all that is on them."""
    with own_topics(kafka) as chosen:
        yield chosen


def _applied(settings: Settings, policies: int) -> bool:
    """Whether each partition has taken in so many policies."""
    entries = last(settings)
    return len(entries) == settings.partitions and all(
        one.broadcast_offset == policies for one in entries.values()
    )


def results(subject: str, numbers: range, **fields: object) -> list[ExperimentResult]:
    return [result(n, subject=subject, event_id=event_uuid(subject, n), **fields) for n in numbers]


def total(settings: Settings, subject: str) -> int:
    """How many results of a subject are in its arms, segments left out."""
    rows = [row for row in table(settings, TABLES_ARMS).values() if isinstance(row, ArmRow)]
    return sum(row.count for row in rows if row.subject == subject and row.segment is None)


def test_an_event_that_comes_again_and_again_is_applied_once(settings: Settings) -> None:
    events = results("again", range(50))
    sent = [event for n, event in enumerate(events) for _ in range(2 + n % 4)]
    before = fates(settings)
    with Threaded(settings) as worker:
        send(settings, RESULTS, sent)
        worker.takes_in(ends_of(settings, RESULTS))
    with Threaded(settings) as worker:  # a restart
        send(settings, RESULTS, events)
        worker.takes_in(ends_of(settings, RESULTS))
    send(settings, RESULTS, [*events, *results("again", range(50, 60))])
    ends = ends_of(settings, RESULTS)
    assert (
        victim(settings, "rows", 0.0, ends) == -signal.SIGKILL
    )  # its transaction is not to be seen
    assert victim(settings, "committed", 2.0, ends) == 0
    assert total(settings, "again") == 60
    assert fates(settings).duplicates - before.duplicates == len(sent) - 50 + 50 + 50


def test_the_window_of_duplicates_is_measured_in_offsets_across_a_restart(
    settings: Settings,
) -> None:
    near, far, *filler = results("window", range(1_000))
    with Threaded(settings) as worker:
        send(settings, RESULTS, [near, far, *filler])
        worker.takes_in(ends_of(settings, RESULTS))
    (late,) = results("window", range(1_000, 1_001))
    with Threaded(settings) as worker:
        send(
            settings, RESULTS, [near, late, far]
        )  # 1 000 and 1 001 offsets after their first selves
        worker.takes_in(ends_of(settings, RESULTS))
    assert total(settings, "window") == 1_000 + 1 + 1


def behind(topic: str, partition: int) -> float | None:
    """Records, as the worker shows it."""
    labels = {"topic": topic, "partition": str(partition)}
    return REGISTRY.get_sample_value("mendstream_lag_records", labels)


def test_a_record_on_the_wrong_partition_is_sent_home_once(settings: Settings) -> None:
    home = partition_of("astray", settings.partitions)
    wrong = (home + 1) % settings.partitions
    lost, stubborn = results("astray", range(2))
    before = fates(settings)
    producer = backend_of(settings).producer(settings.client())
    producer.produce(RESULTS, CODEC.encode(lost), "astray", wrong, headers=[("trace", b"1")])
    marked: list[tuple[str, str | bytes | None]] = [(FORWARDED_FROM, b"elsewhere")]
    producer.produce(RESULTS, CODEC.encode(stubborn), "astray", wrong, headers=marked)
    assert producer.flush(10.0) == 0
    with Threaded(settings) as worker:
        worker.until(lambda: total(settings, "astray") == 1)
        worker.until(lambda: behind(RESULTS, home) == 0)
    with Threaded(
        settings
    ) as worker:  # which begins at the marker of the transaction that sent it home
        worker.until(lambda: behind(RESULTS, home) == 0)
    after = fates(settings)
    assert (after.forwarded - before.forwarded, after.dead_letters - before.dead_letters) == (1, 1)
    (sent_on,) = [
        each
        for each in messages(settings, RESULTS)
        if each.key() == b"astray" and each.partition() == home
    ]
    assert sent_on.value() == CODEC.encode(lost)
    (offset,) = [
        each.offset()
        for each in messages(settings, RESULTS)
        if each.partition() == wrong and each.headers() == [("trace", b"1")]
    ]
    assert sent_on.headers() == [
        ("trace", b"1"),
        (FORWARDED_FROM, f"{RESULTS}/{wrong}/{offset}".encode()),
    ]
    (dead,) = [each for each in messages(settings, DEAD_LETTERS) if each.key() == b"astray"]
    assert reason(dead) == "FORWARDED_TWICE"
    assert dead.value() == CODEC.encode(stubborn)


def test_a_spec_that_waits_beside_results_is_taken_before_them(settings: Settings) -> None:
    send(
        settings,
        RESULTS,
        [each for e in range(20) for each in results(f"early-{e}", range(20), variant="b")],
    )
    send(
        settings,
        SPECS,
        [spec(event_id=event_uuid("early", e), subject=f"early-{e}") for e in range(20)],
    )
    with Threaded(settings) as worker:
        worker.takes_in(ends_of(settings, RESULTS))
    rows = table(settings, TABLES_EXPERIMENTS)
    found = [rows[row_key(f"early-{e}", "exp")] for e in range(20)]
    assert all(isinstance(row, ExperimentRow) and row.specified for row in found)


def test_a_policy_is_seen_by_every_partition_and_applied_once(fresh: Settings) -> None:
    policy = RETRAINED
    wrong = Policy(event_uuid("wrong"), "wrong", alpha=7.0)
    with Threaded(fresh) as worker:
        send(fresh, POLICIES, [policy, wrong, b"no policy"], ["models", "wrong", "none"])
        worker.until(lambda: _applied(fresh, 3))
    letters = [
        each
        for each in messages(fresh, DEAD_LETTERS)
        if each.key() in (b"models", b"wrong", b"none")
    ]
    reasons = {each.key(): reason(each) for each in letters}
    assert len(letters) == 2
    assert reasons == {b"wrong": "OUT_OF_RANGE", b"none": "NOT_FRAMED"}
    with Threaded(fresh) as worker:  # a restart knows what was applied
        send(fresh, RESULTS, results("after-policy", range(10)))
        worker.takes_in(ends_of(fresh, RESULTS))
    for entries in journal(fresh).values():
        taken = [
            (step.first_offset, step.record)
            for entry in entries
            for step in entry.steps
            if step.topic == POLICIES
        ]
        assert taken == [
            (0, CODEC.encode(policy)),
            (1, CODEC.encode(wrong)),
            (2, b"no policy"),
        ]
    assert (
        len([each for each in messages(fresh, DEAD_LETTERS) if each.key() in (b"wrong", b"none")])
        == 2
    )


def errors(numbers: range, every: int) -> list[ModelMetric]:
    return [
        metric(n, subject="model-a", event_id=event_uuid("model-a", n), sum=float(n % every == 0))
        for n in numbers
    ]


def test_a_completed_retrain_makes_the_watch_learn_anew(fresh: Settings) -> None:
    with Threaded(fresh) as worker:
        send(fresh, POLICIES, [RETRAINED], [RETRAINED.policy_id])
        worker.until(lambda: _applied(fresh, 1))
        send(fresh, METRICS, errors(range(400), every=10))
        send(fresh, METRICS, errors(range(400, 800), every=2))
        worker.takes_in(ends_of(fresh, METRICS))
        (ordered,) = [each for each in commands(fresh) if each.subject == "model-a"]
        assert isinstance(ordered, RetrainCommand)
        for status, phase in (
            (Status.ACKNOWLEDGED, Phase.ACKNOWLEDGED),
            (Status.COMPLETED, Phase.COMPLETED),
        ):
            report = CommandStatus(
                event_id=event_uuid(status),
                command_id=ordered.command_id,
                subject="model-a",
                status=status,
                fencing_token=ordered.fencing_token,
                reported_at=now_ms(),
                reporter="trainer",
            )
            send(fresh, STATUS, [report])
            worker.takes_in(ends_of(fresh, STATUS))
            row = table(fresh, TABLES_COMMANDS)[ordered.command_id]
            assert isinstance(row, CommandRow)
            assert row.phase == phase
        watched = table(fresh, TABLES_METRICS)[row_key("model-a", "error", None)]
        assert isinstance(watched, MetricRow)
        assert (watched.frozen, watched.reference_count) == (False, 0)
        send(fresh, METRICS, errors(range(800, 1_400), every=2))
        worker.takes_in(ends_of(fresh, METRICS))
    watched = table(fresh, TABLES_METRICS)[row_key("model-a", "error", None)]
    assert isinstance(watched, MetricRow)
    assert (watched.frozen, watched.reference_count, watched.reference_bad) == (True, 200, 100)
    assert [each for each in commands(fresh) if each.subject == "model-a"] == [ordered]


def test_time_passes_in_silence(settings: Settings) -> None:
    with Threaded(settings) as worker:
        worker.until(lambda: len(last(settings)) == settings.partitions)
        before = {p: entry.now for p, entry in last(settings).items()}
        worker.until(lambda: all(entry.now > before[p] for p, entry in last(settings).items()))


def answer(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10.0) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, ""


def test_readiness_begins_with_the_restored_tables(settings: Settings) -> None:
    meanwhile: list[float | None] = []

    def state(partition: int, chosen: Settings) -> Any:
        meanwhile.append(REGISTRY.get_sample_value("mendstream_restoring"))
        return DECIDING.state(partition, chosen)

    with Health().serve("127.0.0.1", 0) as health:
        worker = Threaded(settings, health, replace(DECIDING, state=state))
        assert answer(health.port, "/ready")[0] == 503
        assert answer(health.port, "/live")[0] == 200
        with worker:
            worker.until(lambda: answer(health.port, "/ready")[0] == 200)
            _, metrics = answer(health.port, "/metrics")
            assert set(meanwhile) == {1.0}
            assert "\nmendstream_restoring 0.0\n" in metrics
        assert answer(health.port, "/ready")[0] == 503, "a worker that left is not ready"
        with pytest.raises(
            MendstreamError, match=rf"^Port {health.port} on 127\.0\.0\.1 is taken\. "
        ):
            Health().serve("127.0.0.1", health.port)
    for name in (
        "records_total",
        "dead_letters_total",
        "commands_total",
        "decisions_total",
        "commits_total",
        "commit_seconds_bucket",
        "producer_recreated_total",
        "lag_records",
        "lag_seconds",
        "restore_seconds",
        "table_rows",
        "breaker_open",
        "assigned_partitions",
    ):
        assert f"mendstream_{name}" in metrics


def test_sigterm_finishes_the_open_transaction_and_leaves(
    settings: Settings, tmp_path: Path
) -> None:
    patient = changed(settings, commit_ms=5_000)
    with Child(patient, tmp_path / "log") as child:
        child.awaits("restored")
        port = int(child.log.read_text().split("http://127.0.0.1:")[1].split('"')[0])
        send(settings, RESULTS, results("leaving", range(500)))

        def folded() -> bool:
            taken = [
                line
                for line in answer(port, "/metrics")[1].splitlines()
                if 'fate="applied",topic="exp' in line
            ]
            return any(line.split()[-1] == "500.0" for line in taken)

        assert wait_until(folded, 4.0)
        assert total(settings, "leaving") == 0, "the transaction is to be open"
        child.send(signal.SIGTERM)
        assert child.wait(5.0) == 0
    assert total(settings, "leaving") == 500


def test_every_record_has_one_fate(fresh: Settings) -> None:
    """Duplicates, a stray, a policy and what cannot be read among them, over three workers."""
    events = results("fated", range(60))
    wrong = (partition_of("fated", fresh.partitions) + 1) % fresh.partitions
    for part in (events[:30], events[20:50], events[40:]):
        send(fresh, RESULTS, [*part, b"garbage"], ["fated"] * (len(part) + 1))
        stray = backend_of(fresh).producer(fresh.client())
        stray.produce(RESULTS, CODEC.encode(part[0]), "fated", wrong)
        assert stray.flush(10.0) == 0
        send(fresh, POLICIES, [RETRAINED], [RETRAINED.policy_id])
        with Threaded(fresh) as worker:
            worker.takes_in(ends_of(fresh, RESULTS))
    found = fates(fresh)
    assert found.all() == delivered(fresh)
    assert (found.dead_letters, found.forwarded, found.duplicates) == (3, 3, 20 + 3)
    assert total(fresh, "fated") == 60
    for entries in journal(fresh).values():
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))


def test_the_replay_gives_the_same_bytes_until_somebody_writes_a_command(
    fresh: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Threaded(fresh) as worker:
        send(fresh, POLICIES, [RETRAINED], [RETRAINED.policy_id])
        worker.until(lambda: _applied(fresh, 1))
        send(fresh, METRICS, errors(range(400), every=10))
        send(fresh, METRICS, errors(range(400, 800), every=2))
        worker.takes_in(ends_of(fresh, METRICS))
    assert replay(fresh) == 0
    ((_, _, ordered),) = standing(fresh, COMMANDS["RETRAIN"])
    # A forgery, without a decision in the log.
    send(fresh, COMMANDS["RETRAIN"], [ordered], ["model-a"])
    capsys.readouterr()
    assert replay(fresh, tmp_path / "report.json") == 1
    place = f"{COMMANDS['RETRAIN']}/{partition_of('model-a', fresh.partitions)}"
    assert f"differs: {place}: 2 stand, 1 replayed, not the same bytes" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(report["differences"]) == 1
    assert [each["type"] for each in report["commands"]] == ["RetrainCommand"]
