"""An audit of a sound deployment finds nothing, at rest and at work; each way of tampering with one
is found by name.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from schemas.catalog import COMMANDS, DEAD_LETTERS, DECISIONS, JOURNAL, RESULTS, SPECS, TABLES_ARMS
from schemas.ids import partition_of
from schemas.records import ArmRow, JournalEntry, RollbackCommand, Step
from state.partition.partition_state import PartitionState
from streams.kafka.backend import backend_of
from streams.operations.audit.audit import audit
from streams.operations.audit.checks import Check
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.faults.judge import group_offsets
from tests.support.kafka.console import mendstream
from tests.support.kafka.logs import (
    CODEC,
    delivered,
    ends_of,
    headers,
    journal,
    messages,
    planted,
    send,
    send_planted,
    specs,
    standing,
)
from tests.support.kafka.running import (
    SECONDS,
    Feeder,
    Threaded,
    forget,
    own_topics,
    set_offsets,
    where,
)

pytestmark = pytest.mark.kafka
PLANTED = 20_000
GENEROUS: dict[str, Any] = {"dedupe_window": 100_000, "transaction_timeout_ms": 60_000}
TABLES = len(PartitionState(0, 1).all())  # of each partition
ROLLBACKS = COMMANDS["ROLLBACK"]


def _decided(settings: Settings) -> None:
    """A worker that decides, and leaves."""
    with Threaded(settings) as worker:
        send(settings, SPECS, [b"no spec"], ["bot-1"])
        send_planted(settings, PLANTED)
        worker.takes_in(ends_of(settings, RESULTS) | ends_of(settings, SPECS))


@pytest.fixture(scope="module")
def sound(kafka: str) -> Iterator[Settings]:
    """Topics on which a worker decided, to be looked at alone."""
    with own_topics(kafka, **GENEROUS) as settings:
        _decided(settings)
        yield settings


@pytest.fixture
def lived(kafka: str) -> Iterator[Settings]:
    """The same for each test anew, which may do with it what it likes."""
    with own_topics(kafka, **GENEROUS) as settings:
        _decided(settings)
        yield settings


def checks(settings: Settings, quick: bool = True) -> dict[str, Check]:
    return {check.name: check for check in audit(settings, quick, lambda _text: None).checks}


def told(settings: Settings, *more: str) -> tuple[int, dict[str, Any]]:
    """What the command line says to a program, and how it ends."""
    done = mendstream("audit", "--json", *where(settings), *more)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def write(
    settings: Settings,
    topic: str,
    partition: int,
    key: str | None,
    value: bytes | None,
    **more: Any,
) -> None:
    """Writes past the processor, as nobody should be able to."""
    producer = backend_of(settings).producer(settings.client())
    producer.produce(topic, value, key, partition, **more)
    assert producer.flush(SECONDS) == 0


def set_offset(settings: Settings, part: TopicPartition) -> None:
    """Alters an offset of the group as soon as the group is empty, and waits until it stands."""
    set_offsets(settings, [part])
    place = part.topic, part.partition
    assert wait_until(lambda: group_offsets(settings).get(place) == part.offset, SECONDS)


def test_a_sound_deployment_at_rest_is_told_so_to_a_person(sound: Settings) -> None:
    done = mendstream("audit", *where(sound))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[:-1]] == [
        "journal",
        "offsets",
        "fates",
        "dead letters",
        "commands",
        "replay",
    ]
    assert all(" sound " in line for line in lines[:-1]), done.stdout
    assert lines[-1] == "nothing found"


def test_it_says_how_much_it_looked_at(sound: Settings) -> None:
    code, report = told(sound)
    looked = {check["check"]: check["looked_at"] for check in report["checks"]}
    entries = sum(map(len, journal(sound).values()))
    rollbacks = len(standing(sound, ROLLBACKS))
    assert rollbacks > 0, "without a command this says nothing of commands"
    assert code == 0
    assert looked == {
        "journal": f"{entries} entries of 4 partitions",
        "offsets": f"{sum(len(each[-1].next_offsets) for each in journal(sound).values())} next "
        "offsets of group "
        f"{sound.group!r}",
        "fates": f"{delivered(sound)} records of the inputs",
        "dead letters": "1 dead letters",
        "commands": f"{rollbacks} commands",
        "replay": f"{delivered(sound)} records in {entries} transactions, {rollbacks} commands, "
        f"{4 * TABLES} tables",
    }
    assert [check["unchecked"] for check in report["checks"]] == [[]] * 6


def test_a_deployment_at_work_is_sound_while_it_commits(lived: Settings) -> None:
    records = (
        replace(each, event_id=f"later {n}") for n, each in enumerate(planted(10_000_000, seed=8))
    )
    feeder = Feeder(lived, RESULTS, records)
    looked: list[dict[str, Check]] = []
    with Threaded(lived) as worker:
        feeder.until(lambda: worker.ready)

        def audits() -> bool:
            before = sum(each[-1].number for each in journal(lived).values())
            feeder.feed(2_000)
            looked.append(checks(lived, quick=len(looked) != 1))
            return (
                len(looked) >= 3
                and sum(each[-1].number for each in journal(lived).values()) > before
            )

        feeder.until(audits)
        feeder.feed(10)
        worker.takes_in(ends_of(lived, RESULTS))
    found = [each.findings for one in looked for each in one.values()]
    assert found == [[]] * len(found)
    assert told(lived)[0] == 0


def test_an_offset_that_somebody_moved_is_found_until_it_is_put_back(lived: Settings) -> None:
    last = journal(lived)[0][-1]
    right = last.next_offsets[RESULTS]
    set_offset(lived, TopicPartition(RESULTS, 0, right - 1))
    code, report = told(lived, "--quick")
    assert code == 1
    assert report["found"] == 1
    (finding,) = next(
        check["findings"] for check in report["checks"] if check["check"] == "offsets"
    )
    assert finding.startswith("partition 0: the journal ends at {")
    assert f"'{RESULTS}': {right - 1}" in finding.partition(f" the group {lived.group!r} at ")[2]
    set_offset(lived, TopicPartition(RESULTS, 0, right))
    assert checks(lived)["offsets"].found == 0


def test_a_row_that_somebody_changed_is_found_by_the_replay(lived: Settings) -> None:
    partition, key, _ = standing(lived, TABLES_ARMS)[0]
    last = [value for p, k, value in standing(lived, TABLES_ARMS) if (p, k) == (partition, key)][-1]
    row = CODEC.decode("ArmRow", last)
    assert isinstance(row, ArmRow)
    write(lived, TABLES_ARMS, partition, key, CODEC.encode(replace(row, count=row.count + 1)))
    found = checks(lived, quick=False)
    assert {name: check.findings for name, check in found.items() if check.found} == {
        "replay": [f"differs: {TABLES_ARMS}/{partition} row {key}"]
    }
    write(lived, TABLES_ARMS, partition, key, last)
    assert checks(lived, quick=False)["replay"].found == 0


def test_a_decision_that_nothing_led_to_is_found_by_the_replay(lived: Settings) -> None:
    partition, key, value = standing(lived, DECISIONS)[0]
    write(lived, DECISIONS, partition, key, value)
    stand = sum(p == partition for p, _, _ in standing(lived, DECISIONS))
    assert checks(lived, quick=False)["replay"].findings == [
        f"differs: {DECISIONS}/{partition}: {stand} stand, {stand - 1} replayed, not the same bytes"
    ]


def test_a_command_twice_is_found_and_one_with_another_content_too(lived: Settings) -> None:
    partition, key, value = standing(lived, ROLLBACKS)[0]
    command = CODEC.decode("RollbackCommand", value)
    assert isinstance(command, RollbackCommand)
    write(lived, ROLLBACKS, partition, key, value)
    write(lived, ROLLBACKS, partition, key, CODEC.encode(replace(command, target="bot/elsewhere")))
    write(lived, ROLLBACKS, partition, key, CODEC.encode(replace(command, attempt=2)))
    write(lived, ROLLBACKS, partition, key, b"roll back!")
    found = checks(lived)["commands"].findings
    named = f"command {command.command_id} attempt 1"
    assert len(found) == 3
    assert found[0].startswith(f"{named} stands twice: at {ROLLBACKS}/{partition} offset 0 and at ")
    assert found[1].startswith(
        f"{named} has two contents: at {ROLLBACKS}/{partition} offset 0 and at "
    )
    assert "cannot be read: 10 bytes that begin b'roll '" in found[2]


def test_dead_letters_that_are_forged_or_doubled_are_found(lived: Settings) -> None:
    (true,) = messages(lived, DEAD_LETTERS)
    partition = true.partition() or 0
    write(lived, DEAD_LETTERS, partition, None, true.value(), headers=headers(true))
    write(lived, DEAD_LETTERS, partition, "letter", b"forged")
    found = checks(lived)["dead letters"]
    assert sorted(
        sentence.partition(" ")[2].split(" ", 1)[1].split(" ", 1)[1] for sentence in found.findings
    ) == [
        "does not say where it came from: somebody else wrote it",
        f"is the second dead letter of {SPECS}/{partition} offset 0",
    ]


def test_records_that_retention_took_are_told_as_unchecked(lived: Settings) -> None:
    forget(lived, [TopicPartition(RESULTS, 0, 100)])
    found = checks(lived, quick=False)
    assert found["fates"].findings == []
    (sentence,) = found["fates"].unchecked
    assert sentence.startswith("partition 0: records of ")
    assert (
        found["replay"]
        .unchecked[0]
        .startswith(f"{RESULTS}/0 begins at offset 100; the journal needs ")
    )


def append(settings: Settings, partition: int, entry: JournalEntry) -> list[str]:
    """Appends an entry to a journal; returns what the audit then finds of the journal that it did
    not find before.
    """
    before = set(checks(settings)["journal"].findings)
    write(settings, JOURNAL, partition, str(partition), CODEC.encode(entry))
    return [
        sentence.partition(" offset ")[2].partition(") ")[2] or sentence.partition("): ")[2]
        for sentence in checks(settings)["journal"].findings
        if sentence not in before
    ]


def test_a_journal_with_a_gap_is_found(lived: Settings) -> None:
    last = journal(lived)[1][-1]
    assert append(lived, 1, replace(last, number=last.number + 2, steps=())) == [
        f"follows entry {last.number}: entry {last.number + 1} is missing"
    ]
    assert append(lived, 1, replace(last, number=last.number + 2, steps=())) == [
        f"follows entry {last.number + 2}: a number comes again"
    ]


def test_a_journal_that_goes_back_is_found(lived: Settings) -> None:
    last = journal(lived)[2][-1]
    end = last.next_offsets[RESULTS]
    back = replace(
        last,
        number=last.number + 1,
        steps=(Step(RESULTS, end - 5, end - 2),),
        applied=last.applied - 1,
    )
    assert append(lived, 2, back) == [
        f"{RESULTS} went back from {end} to {end - 5}",
        f"its slices end at {last.next_offsets | {RESULTS: end - 2}}, its next offsets say "
        f"{last.next_offsets}",
        f"applied went back from {last.applied} to {last.applied - 1}",
    ]


def test_records_without_a_fate_and_fates_without_a_record_are_found(lived: Settings) -> None:
    last = journal(lived)[3][-1]
    end = last.next_offsets[RESULTS]
    send(
        lived, RESULTS, [CODEC.encode(each) for each in planted(40, seed=9)], [_home(lived, 3)] * 40
    )
    after = {**last.next_offsets, RESULTS: end + 40}
    step = Step(RESULTS, end + 10, end + 40)
    entry = replace(
        last,
        number=last.number + 1,
        steps=(step,),
        next_offsets=after,
        dead_letters=last.dead_letters + 31,
    )
    assert append(lived, 3, entry) == []
    found = checks(lived)
    assert [
        sentence
        for sentence in found["fates"].findings
        if "/3 " in sentence or "partition 3" in sentence
    ] == [
        *(
            f"{RESULTS}/3 offset {offset} was passed over: no entry applied it"
            for offset in range(end, end + 10)
        ),
        f"partition 3, entry {entry.number}: its slices hold 30 records, it gave 31 a fate",
    ]
    assert (
        f"partition 3: the journal counts {entry.dead_letters} dead letters, {last.dead_letters} "
        "stand" in (found["dead letters"].findings)
    )
    assert any(
        sentence.startswith("partition 3: the journal ends at ")
        for sentence in found["offsets"].findings
    )


def _home(settings: Settings, partition: int) -> str:
    """A subject of that partition."""
    return next(
        each.subject
        for each in specs()
        if partition_of(each.subject, settings.partitions) == partition
    )


def test_a_journal_ahead_of_its_inputs_is_found_at_once(lived: Settings) -> None:
    last = journal(lived)[0][-1]
    end = ends_of(lived, RESULTS)[RESULTS, 0]
    step = Step(RESULTS, end, end + 1_000)
    ahead = replace(
        last,
        number=last.number + 1,
        steps=(step,),
        next_offsets={**last.next_offsets, RESULTS: end + 1_000},
    )
    assert append(lived, 0, ahead) == []
    assert f"{RESULTS}/0 ends at {end}, the journal at {end + 1_000}: was the topic made anew?" in (
        checks(lived)["fates"].findings
    )


def test_repeating_ends_when_something_is_found(lived: Settings) -> None:
    write(lived, DEAD_LETTERS, 0, "letter", b"forged")
    done = mendstream("audit", "--quick", "--every", "1", *where(lived))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 found"
