"""Signed commands on a real Kafka: a deployer takes what processors wrote and nothing else, and a
replay is still clean.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message

from schemas.catalog import COMMANDS, DECISIONS, RESULTS, SPECS
from schemas.ids import event_uuid
from schemas.records import ExperimentResult, RollbackCommand
from streams.kafka.backend import backend_of
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.settings import Settings
from streams.signing.verifier import KEY_ID, SIGNATURE, TYPES, Ledger, Refused, load_keys, verify
from tests.support.builders import result, spec
from tests.support.kafka.console import output
from tests.support.kafka.logs import CODEC, ends_of, headers, messages, send
from tests.support.kafka.running import SECONDS, Child, Threaded, changed, own_topics, where

pytestmark = pytest.mark.kafka
TOPIC = COMMANDS["ROLLBACK"]


@dataclass(frozen=True)
class Signed:
    """A broker on which commands stand that were signed with two keys, and the keys that a deployer
    trusts.
    """

    settings: Settings
    keys: Path  # trusts both
    ids: tuple[str, str]  # the old key, the new one


@pytest.fixture
def signed(kafka: str, tmp_path: Path) -> Iterator[Signed]:
    """A worker ordered a rollback of `early`, another one with the next key one of `late`."""
    lines = [output("keys", "new", tmp_path / name) for name in ("old.pem", "new.pem")]
    (tmp_path / "keys.txt").write_text("".join(lines))
    old, new = (line.split()[0] for line in lines)
    with own_topics(kafka, signing_key=str(tmp_path / "old.pem")) as settings:
        send(settings, SPECS, [spec(event_id=name, subject=name) for name in ("early", "late")])
        with Threaded(settings) as worker:
            send(settings, RESULTS, _harmed("early"))
            worker.takes_in(ends_of(settings, RESULTS))
        with Child(
            changed(settings, signing_key=str(tmp_path / "new.pem")), tmp_path / "log"
        ) as child:
            child.awaits(f"commands are signed with key {new}")
            child.awaits("restored")
            send(settings, RESULTS, _harmed("late"))
            assert wait_until(lambda: child.ended or len(_written(settings)) == 2, SECONDS), (
                child.log.read_text()
            )
            child.send(signal.SIGTERM)
            assert child.wait() == 0, child.log.read_text()
        yield Signed(settings, tmp_path / "keys.txt", (old, new))


def test_a_deployer_takes_what_the_processors_wrote_and_refuses_what_a_thief_adds(
    signed: Signed,
) -> None:
    found = _written(signed.settings)
    assert [_refusal(message, signed, Ledger()) for message in found] == ["", ""]
    ids = {bytes(message.key() or b""): dict(headers(message))[KEY_ID] for message in found}
    assert ids == {b"early": signed.ids[0].encode(), b"late": signed.ids[1].encode()}
    assert not any(
        {KEY_ID, SIGNATURE} & dict(headers(each)).keys()
        for each in messages(signed.settings, DECISIONS)
    )
    here = where(signed.settings)
    assert output("replay", *here).splitlines()[-1].endswith(" tables: byte-equal")
    output("audit", *here)  # ends with 0: nothing was found
    assert "byte-equal: decision and command" in output(
        "why", _decoded(found[0])["decision_id"], *here
    )

    _steal(signed, found[0])
    own = found[0].partition()
    there = [each for each in _written(signed.settings) if each.partition() == own]
    ledger = Ledger()
    assert [_refusal(each, signed, ledger) for each in (found[0], *there[-3:])] == [
        "",
        "SEEN",
        "BAD_SIGNATURE",
        "UNSIGNED",
    ]


def _steal(signed: Signed, own: Message) -> None:
    """A thief who may write to the topic, and has read what stands there, sends it again, altered,
    and unsigned.
    """
    command = CODEC.decode(TYPES[TOPIC], own.value())
    assert isinstance(command, RollbackCommand)
    altered = CODEC.encode(replace(command, variant="control"))
    producer = backend_of(signed.settings).producer(signed.settings.client())
    for value, kept in (
        (own.value(), headers(own)),
        (altered, headers(own)),
        (altered, headers(own)[:-2]),
    ):
        producer.produce(TOPIC, value, own.key(), own.partition() or 0, headers=list(kept))
    assert producer.flush(SECONDS) == 0


def _written(settings: Settings) -> list[Message]:
    return messages(settings, TOPIC)


def _decoded(message: Message) -> dict[str, Any]:
    return CODEC.read(TYPES[TOPIC], message.value())


def _refusal(message: Message, signed: Signed, ledger: Ledger) -> str:
    """Why a deployer does not carry a command out; empty where it does."""
    command, keys = _decoded(message), load_keys(signed.keys)
    topic = signed.settings.topic(TOPIC)
    try:
        verify(topic, message.key(), message.value(), headers(message), command, keys, now_ms())
        ledger.admit(command)
    except Refused as refused:
        return refused.reason
    return ""


def _harmed(subject: str, n: int = 600) -> list[ExperimentResult]:
    """Results of an experiment whose treatment never converts."""
    return [
        result(
            i,
            event_id=event_uuid(subject, i),
            subject=subject,
            variant="b" if i % 2 else "control",
            sum=float(i % 4 == 0),
        )
        for i in range(n)
    ]
