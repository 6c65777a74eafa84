"""A person's trial, from end to end: rolled out, its shares told to the judge, promoted or stopped
by what these prove.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from schemas.catalog import (
    COMMANDS,
    POLICIES,
    REQUESTS,
    RESULTS,
    SPECS,
    STATUS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
)
from schemas.ids import event_uuid
from schemas.records import (
    Autonomy,
    CommandRow,
    CommandStatus,
    ExperimentResult,
    ExperimentRow,
    Phase,
    Policy,
    Request,
    RequestKind,
    Status,
)
from streams.runtime.clock import now_ms
from streams.runtime.settings import Settings
from tests.support.builders import result, spec
from tests.support.kafka.logs import CODEC, messages, send, table
from tests.support.kafka.running import Child, Threaded, own_topics

pytestmark = pytest.mark.kafka

POLICY = Policy(event_id="auto", policy_id="all", deploy=Autonomy.AUTO)


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka, session_timeout_ms=2_000) as chosen:
        send(chosen, POLICIES, [POLICY], [POLICY.policy_id])
        yield chosen


def begin(settings: Settings, subject: str) -> None:
    """A canary of v2 that experiment `exp` judges; nothing is known of v2 yet."""
    terms = spec(
        event_id=event_uuid("spec", subject),
        subject=subject,
        share_steps=(),
        follows_rollout=True,
        candidate_version="v2",
        baseline_version="v1",
    )
    send(settings, SPECS, [terms])
    asked = Request(
        event_id=event_uuid("request", subject),
        subject=subject,
        kind=RequestKind.DEPLOY,
        requested_by="ann",
        requested_at=now_ms(),
        experiment_id="exp",
        variant="b",
        to_version="v2",
    )
    send(settings, REQUESTS, [asked])


def experiment(settings: Settings, subject: str) -> ExperimentRow | None:
    rows = [
        row
        for row in table(settings, TABLES_EXPERIMENTS).values()
        if isinstance(row, ExperimentRow)
    ]
    return next((row for row in rows if row.subject == subject), None)


def holds_half(settings: Settings, subject: str) -> bool:
    row = experiment(settings, subject)
    shares = row.rollout_steps[-1].shares if row is not None and row.rollout_steps else ()
    return [(one.variant, one.share) for one in shares] == [("control", 0.5), ("b", 0.5)]


def results(subject: str, rate: float, n: int = 2_000) -> list[ExperimentResult]:
    rng = np.random.default_rng(1)
    treated, luck, now = rng.random(n) < 0.5, rng.random(n), now_ms()
    return [
        result(
            subject=subject,
            event_id=event_uuid("trial", subject, i),
            variant="b" if treated[i] else "control",
            sum=float(luck[i] < (rate if treated[i] else 0.2)),
            occurred_at=now,
        )
        for i in range(n)
    ]


def ends(settings: Settings, subject: str) -> list[tuple[str, Status]]:
    final = (Status.COMPLETED, Status.FAILED, Status.REFUSED)
    found = [CODEC.decode("CommandStatus", each.value()) for each in messages(settings, STATUS)]
    mine = [one for one in found if isinstance(one, CommandStatus) and one.subject == subject]
    return [
        (one.detail, one.status)
        for one in mine
        if one.status in final and "superseded" not in one.detail
    ]


def phases(settings: Settings, subject: str) -> set[tuple[str, Phase]]:
    rows = [row for row in table(settings, TABLES_COMMANDS).values() if isinstance(row, CommandRow)]
    return {(row.order, row.phase) for row in rows if row.subject == subject}


@pytest.mark.parametrize(
    ("rate", "order", "baseline", "detail"),
    [
        (0.4, "DEPLOY", "v2", "v2 is the baseline: share=100%"),
        (0.05, "ROLLBACK", "", "v2 has no traffic: share=0%"),
    ],
)
def test_a_trial_ends_as_its_shares_prove(
    settings: Settings, tmp_path: Path, rate: float, order: str, baseline: str, detail: str
) -> None:
    subject = f"shop-{order.lower()}"
    store, file = tmp_path / "state", tmp_path / "targets.yaml"
    file.write_text(
        f"targets: [{{kind: file, match: {subject}/production, directory: {store}, bake_seconds: "
        "0, settle_seconds: 0}]"
    )
    program = ("-m", "streams", "executor", "--targets", str(file))
    with Threaded(settings) as running, Child(settings, tmp_path / "log", *program) as executor:
        begin(settings, subject)
        running.until(lambda: executor.ended or holds_half(settings, subject))
        own = [
            each for each in messages(settings, COMMANDS[order]) if each.key() == subject.encode()
        ]
        assert len(own) == (order == "DEPLOY"), "nothing is proved yet"
        send(settings, RESULTS, results(subject, rate))
        running.until(
            lambda: executor.ended or ends(settings, subject) == [(detail, Status.COMPLETED)]
        )
        running.until(lambda: (order, Phase.COMPLETED) in phases(settings, subject))
    assert phases(settings, subject) == {("DEPLOY", Phase.SUPERSEDED), (order, Phase.COMPLETED)}
    (stands,) = store.glob("*.json")
    assert json.loads(stands.read_text())["placed"]["baseline"] == baseline
    row = experiment(settings, subject)
    assert row is not None
    assert [one.order for one in row.decided] == [order]
    assert row.rollout_steps[-1].shares == ()
