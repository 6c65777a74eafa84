"""A batch that a disk damaged stops a worker, which says where; a person skips it, and the worker
goes on.
"""

from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from typer.testing import CliRunner

from schemas.catalog import DEAD_LETTERS, RESULTS, TABLES_ARMS
from streams.cli.app import application
from streams.kafka.dead_letters import letter
from streams.kafka.publisher import Publisher
from streams.kafka.reading import admin, end_offsets, read
from streams.kafka.schema_ids import codec_for
from streams.kafka.table_reader import read_table
from streams.runtime.clock import wait_until
from tests.support.builders import result
from tests.support.kafka.logs import CODEC
from tests.support.kafka.running import SECONDS, Child, Threaded, own_kafka

pytestmark = pytest.mark.kafka


def damage(log: Path, number: int) -> None:
    """Turns the last byte of a batch of a log round."""
    data = bytearray(log.read_bytes())
    at = 0
    for _ in range(number):
        at += 12 + int.from_bytes(data[at + 8 : at + 12], "big")
    end = at + 12 + int.from_bytes(data[at + 8 : at + 12], "big")
    with log.open("r+b") as file:
        file.seek(end - 1)
        file.write(bytes([data[end - 1] ^ 0xFF]))


def test_what_a_disk_damaged_is_skipped_by_a_person(tmp_path: Path) -> None:
    with own_kafka(partitions=1) as (embedded, settings):
        publisher = Publisher(settings, CODEC, linger_ms=0)

        def send(n: int) -> None:
            publisher.publish(RESULTS, "bot", result(n))
            publisher.flush()

        send(0)
        with Threaded(settings) as running:
            running.takes_in({(RESULTS, 0): 1})
        send(1)
        send(2)
        assert embedded._home is not None
        damage(embedded._home / "data" / f"{RESULTS}-0" / f"{0:020}.log", 1)
        with Child(settings, tmp_path / "log") as stuck:
            assert wait_until(lambda: stuck.ended, SECONDS)
        told = stuck.log.read_text()
        assert f"{RESULTS}/0 cannot be read from offset 1 on" in told
        asked = [
            *told.split("run `mendstream ")[1].split("`")[0].split(),
            "--bootstrap",
            embedded.bootstrap,
            "--partitions",
            "1",
        ]
        wrong = CliRunner().invoke(
            application(), [word if word != "1" else "2" for word in asked[:4]] + asked[4:]
        )
        assert wrong.exit_code == 1
        assert wait_until(lambda: CliRunner().invoke(application(), asked).exit_code == 0, SECONDS)
        with Threaded(settings) as running:
            running.takes_in({(RESULTS, 0): 3})
        (arm,) = read_table(settings, codec_for(settings), TABLES_ARMS).values()
        assert arm.count == 2  # type: ignore[attr-defined]
        part = TopicPartition(DEAD_LETTERS, 0)
        end = end_offsets(admin(settings), [part])[part]
        (one,) = [
            letter(m) for batch in read(settings, {(DEAD_LETTERS, 0): (0, end)}) for m in batch
        ]
        assert one is not None
        assert (one.topic, one.origin_offset, one.reason) == (RESULTS, 1, "SKIPPED")
        assert one.sentence == "YOU skipped it: WHY"
