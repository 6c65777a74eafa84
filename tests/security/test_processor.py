"""The real processor under its own principal: it does its work with its rights, and names the one
that is missing.
"""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition

from schemas.catalog import (
    JOURNAL,
    RESULTS,
    SPECS,
    STATUS,
    TABLES_ARMS,
    TABLES_COMMANDS,
    TICKS,
)
from schemas.ids import event_uuid
from schemas.records import (
    ArmRow,
    CommandRow,
    CommandStatus,
    ExperimentResult,
    Phase,
    RollbackCommand,
    Status,
)
from streams.engine.transaction import Outbox, Transactions
from streams.kafka.admin.acls import Right, rights
from streams.kafka.admin.topics import check
from streams.kafka.backend import backend_of
from streams.kafka.reading import READER, admin
from streams.operations.audit.audit import audit
from streams.operations.redrive import Wanted, redrive
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.builders import result, spec
from tests.support.kafka.console import error, mendstream
from tests.support.kafka.logs import commands, send, table
from tests.support.kafka.running import SECONDS, Child, Threaded, environment_of
from tests.support.security.secured import Secured, here

pytestmark = pytest.mark.kafka

SUBJECT = "secured"


def harmed(subject: str, n: int = 600) -> list[ExperimentResult]:
    """Results of an experiment whose treatment never converts."""
    return [
        result(
            i,
            event_id=event_uuid(subject, i),
            subject=subject,
            experiment_id=f"exp-{subject}",
            variant="b" if i % 2 else "control",
            sum=float(i % 4 == 0),
        )
        for i in range(n)
    ]


def test_the_main_job_runs_with_each_role_in_its_own_hands(
    secured: Secured, tmp_path: Path
) -> None:
    operator, producer, deployer = (
        secured.as_(role) for role in ("operator", "producer", "deployer")
    )
    with Child(secured.as_("processor"), tmp_path / "log") as child:
        child.awaits("restored")
        send(
            operator,
            SPECS,
            [spec(event_id="secured", subject=SUBJECT, experiment_id=f"exp-{SUBJECT}")],
        )
        send(producer, RESULTS, [b"no record", *harmed(SUBJECT)], [SUBJECT] * 601)
        assert wait_until(lambda: child.ended or commands(deployer) != [], SECONDS), (
            child.log.read_text()
        )
        (ordered,) = commands(deployer)
        assert isinstance(ordered, RollbackCommand)
        assert (ordered.subject, ordered.variant) == (SUBJECT, "b")
        send(deployer, STATUS, [completed(ordered)])
        assert wait_until(
            lambda: child.ended or phase(secured, ordered) is Phase.COMPLETED, SECONDS
        )
        child.send(signal.SIGTERM)
        assert child.wait() == 0, child.log.read_text()
    found = audit(secured.as_("auditor"), quick=False, told=lambda _: None)
    assert (found.found, len(found.checks)) == (0, 6)
    assert redrive(secured.as_("redriver"), Wanted(topics=frozenset({RESULTS}))).counts.total() >= 1
    arms = [
        row for row in table(secured.as_("viewer"), TABLES_ARMS).values() if isinstance(row, ArmRow)
    ]
    assert {row.variant for row in arms if row.subject == SUBJECT} == {"control", "b"}


def completed(command: RollbackCommand) -> CommandStatus:
    return CommandStatus(
        event_id=event_uuid("completed", command.command_id),
        command_id=command.command_id,
        subject=command.subject,
        status=Status.COMPLETED,
        fencing_token=command.fencing_token,
        reported_at=now_ms(),
        reporter="deployer",
    )


def phase(secured: Secured, command: RollbackCommand) -> Phase:
    row = table(secured.as_("viewer"), TABLES_COMMANDS)[command.command_id]
    assert isinstance(row, CommandRow)
    return row.phase


ITS_ID = Right("WRITE", "TRANSACTIONAL_ID", "mendstream-", "PREFIXED")
LACKING = {
    "an input": (Right("READ", "TOPIC", RESULTS), f"READ topic {RESULTS}."),
    "the journal": (Right("WRITE", "TOPIC", JOURNAL), f"WRITE topic {JOURNAL}."),
    "the time": (Right("WRITE", "TOPIC", TICKS), f"WRITE topic {TICKS}."),
    "its id": (ITS_ID, "WRITE transactional id mendstream-0."),
    "its group": (Right("READ", "GROUP", "mendstream"), "READ group mendstream."),
    "the readers' group": (Right("READ", "GROUP", READER), f"READ group {READER}."),
}


@pytest.mark.parametrize("which", LACKING)
def test_a_right_that_is_missing_at_the_start_is_named(secured: Secured, which: str) -> None:
    lacking, said = LACKING[which]
    settings = without(secured, lacking)
    with pytest.raises(MendstreamError) as raised:
        run(settings, meanwhile=lambda: None)
    assert (
        raised.value.fault
        == f"Kafka at {settings.bootstrap} denies {settings.sasl_username!r} this: {said}"
    )
    assert raised.value.remedy.startswith("`mendstream topics acls` lists the rights of each role")


def test_all_missing_rights_are_named_at_once_and_hidden_topics_are_not_called_missing(
    secured: Secured,
) -> None:
    user = secured.newcomer([])
    said = error("processor", env=environment_of(secured.as_(user)))
    assert f"denies '{user}' this: READ topic {SPECS}, {STATUS}, " in said
    assert f"; WRITE topic {SPECS}, " in said
    with pytest.raises(MendstreamError, match=f"denies '{user}' this: DESCRIBE topic {RESULTS}, "):
        check(admin(secured.as_(user)), secured.as_(user))
    code, _, said = here("watch", JOURNAL, "--no-follow", env=environment_of(secured.as_(user)))
    assert (code, f"denies '{user}' this: DESCRIBE topic {JOURNAL}. " in said) == (1, True)


def test_a_missing_group_ends_the_command_in_one_sentence(secured: Secured) -> None:
    settings = without(secured, Right("READ", "GROUP", "mendstream"))
    done = mendstream("processor", env=environment_of(settings))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"error: Kafka at {settings.bootstrap} denies")


@pytest.mark.parametrize(
    "which", sorted(LACKING.keys() - {"the readers' group"})
)  # which is asked for at the start alone
def test_a_right_that_is_taken_away_meanwhile_is_named(secured: Secured, which: str) -> None:
    taken, said = LACKING[which]
    user = secured.newcomer(rights("processor", Settings(), own_group="none"))
    settings = secured.as_(user)
    with pytest.raises(MendstreamError) as raised:
        run(settings, meanwhile=lambda: secured.revoke(user, taken))
    assert raised.value.fault.startswith(f"Kafka at {settings.bootstrap} denies {user!r} this: ")
    # Of a topic Kafka does not always say which operation it was.
    assert raised.value.fault.endswith(
        said.removeprefix(f"{taken.operation} ") if taken.kind == "TOPIC" else said
    )


@pytest.mark.parametrize(
    "offsets", [[], [TopicPartition(RESULTS, 0, 0)]], ids=["no offsets", "offsets"]
)
def test_what_comes_of_a_refusal_is_not_taken_for_the_reason(
    secured: Secured, monkeypatch: pytest.MonkeyPatch, offsets: list[TopicPartition]
) -> None:
    """Records that wait are thrown away once Kafka refuses one, which may be told before the commit
    begins.
    """
    settings = without(secured, LACKING["the journal"][0])
    reported: list[int] = []
    taken = Transactions._delivered

    def delivered(self: Transactions, error: KafkaError, message: Message) -> None:
        reported.append(error.code())
        taken(self, error, message)

    monkeypatch.setattr(Transactions, "_delivered", delivered)
    transactions = Transactions(settings, lambda point: awaited() if point == "rows" else None)

    def awaited() -> None:
        assert wait_until(told, SECONDS)

    def told() -> bool:
        transactions.poll()
        return bool(reported)

    outbox = Outbox(offsets=offsets)
    outbox.add(JOURNAL, 0, "0", b"")
    consumer = backend_of(settings).consumer(settings.client(**{"group.id": "mendstream"}))
    transactions.submit(outbox, consumer.consumer_group_metadata(), lambda: None)
    with pytest.raises(MendstreamError) as raised:
        transactions.join()
    assert raised.value.fault.endswith(LACKING["the journal"][1])
    assert set(reported) <= {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}
    transactions.close()
    consumer.close()


def test_a_producer_that_takes_no_more_says_which_right_it_lacks(secured: Secured) -> None:
    """Without its id a transaction is beyond repair as soon as its first record is on the way."""
    user = secured.newcomer(rights("processor", Settings(), own_group="none"))
    settings = secured.as_(user)
    transactions = Transactions(settings, lambda _point: None)
    secured.revoke(user, ITS_ID)
    transactions._begin()

    def refused() -> bool:
        transactions._produce(JOURNAL, 0, "0", b"", ())
        return False

    with pytest.raises(MendstreamError) as raised:
        wait_until(refused, SECONDS)
    assert raised.value.fault.endswith(LACKING["its id"][1])
    transactions.close()


def without(secured: Secured, lacking: Right) -> Settings:
    """The settings of a user with all rights of a processor but one."""
    whole = rights("processor", Settings(), own_group="none")
    assert lacking in whole
    return secured.as_(secured.newcomer([right for right in whole if right != lacking]))


def run(settings: Settings, meanwhile: Callable[[], None]) -> None:
    """Runs a processor until it ends by itself; its own ticks are work enough. meanwhile: once it
    is ready.
    """
    with Threaded(settings) as worker:
        worker.until(lambda: worker.ready)
        meanwhile()
        worker.until(lambda: False)
