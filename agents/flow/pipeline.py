"""Folds one slice of one input into the tables: the whole of what Mendstream thinks, without any
IO.

The agents run on the slice one after the other, and none reads a table that one after it writes;
feedback comes back as an input record.
"""

from typing import Any

import numpy as np

from agents.alerts import raising
from agents.alerts.alert_metrics import check_policy
from agents.commands import budget, ledger
from agents.core import known_subjects
from agents.core.batch import Ints, Slice
from agents.core.effects import Effects, Output, Refusal
from agents.core.provenance import Provenance
from agents.drift import watched_anew
from agents.experiments.arms.arms import rebuild as rebuild_arms
from agents.experiments.oversight import periodic_checks
from agents.experiments.verdicts import reopening
from agents.experiments.verdicts.published_rows import refresh as refresh_arms
from agents.failures import followups
from agents.failures.patterns import fold_facts as patterns
from agents.flow.ingress import BatchFates, BatchInput, Input, T, admit_record
from agents.flow.inputs import INPUTS_BY_TOPIC
from agents.flow.row_removal import rebuild_subjects
from agents.learning import fold_recommendations as learning
from agents.trust import fold_outcomes as trust
from schemas.catalog import BROADCASTS
from schemas.codec.framing import MAX_BYTES, Codec
from schemas.records import ExperimentStatus, Policy, TrustLevel
from schemas.refusals import DecodeError, Reason, RefusedRecord
from schemas.validation import policy_checks
from state.partition.drift_tables import DriftTables
from state.partition.experiment_tables import ExperimentTables
from state.partition.ingress_memory import IngressMemory
from state.partition.partition_state import PartitionState

_KEEPS_BROADCASTS = (
    6  # the first version whose tables hold what was accepted of policies and trust levels
)


def fold(piece: Slice, state: PartitionState, codec: Codec) -> Effects:
    """Folds a slice; `tables` change, the slice does not."""
    now, fates = _running_now(piece, state.now), BatchFates()
    source = INPUTS_BY_TOPIC[piece.topic]
    if isinstance(source, BatchInput):
        outputs = source.fold(piece, now, state, codec, fates)
    else:
        tables = source.tables(state)
        outputs = _fold_records(piece, source, tables, state.ingress, codec, now, fates)
    state.experiments.index.let_go()
    state.now = int(now[-1])
    met = fates.applied + fates.duplicates + len(fates.forwards) + len(fates.refused)
    assert met == len(piece.records), (
        f"{met} fates for {len(piece.records)} records of {piece.topic}"
    )
    refused = tuple(sorted(fates.refused, key=lambda one: one.index))
    return Effects(tuple(outputs), tuple(fates.forwards), refused, fates.applied, fates.duplicates)


def apply_broadcast(
    topic: str, value: bytes | None, state: PartitionState, codec: Codec, taken_before: bool = False
) -> RefusedRecord | None:
    """Takes one broadcast record; returns why it cannot be taken, or None. A tombstone takes
    nothing back: it is refused.

    taken_before: by an older Mendstream, which did not look at what alerts are about. Such a policy
    goes on to restrain automation, whatever its alerts are worth.
    """
    if value is not None and len(value) > MAX_BYTES:
        return RefusedRecord(0, Reason.TOO_LARGE, f"{len(value)} bytes, more than {MAX_BYTES}")
    try:
        record = codec.decode(BROADCASTS[topic], value)
    except DecodeError as error:
        return RefusedRecord(0, error.reason, error.sentence)
    if isinstance(record, TrustLevel):
        state.trust.accepted_levels.put(record)
        state.trust.levels[record.agent_id] = record
        return None
    assert isinstance(record, Policy), f"{topic} is no broadcast"
    for reason, sentence in (
        policy_checks.check_policy(record) if taken_before else check_policy(record)
    ):
        return RefusedRecord(0, reason, sentence)
    state.accepted_policies.put(record)
    state.policies[record.policy_id] = record
    return None


def keeps_broadcasts(agents: str) -> bool:
    """Returns whether these agents, as a journal entry names them, keep rows of what they accept of
    broadcast topics.

    >>> keeps_broadcasts("5 dedupe=1000000"), keeps_broadcasts("6 dedupe=1000000")
    (False, True)
    """
    version = agents.partition(" ")[0]
    return not version.isdecimal() or int(version) >= _KEEPS_BROADCASTS


def rebuild(state: PartitionState) -> None:
    """Works out everything derived, after rows were restored: each agent that of its own tables."""
    state.policies.replace_all(state.accepted_policies.rows())
    state.trust.replace_levels()
    rebuild_arms(state.experiments)
    _rebuild_silence(state.experiments, state.drift, state.now)
    periodic_checks.rebuild(state.experiments)
    known_subjects.rebuild(state.subjects)
    rebuild_subjects(state.subjects)
    ledger.rebuild(state.commands)
    budget.rebuild(state.commands)
    reopening.rebuild(state.experiments)
    watched_anew.rebuild(state.drift)
    state.anomalies.series.take_all()
    followups.rebuild(state.failures)
    patterns.rebuild(state.failures)
    trust.rebuild(state.trust)
    learning.rebuild(state.learning)
    raising.rebuild(state.alerts)


def _rebuild_silence(experiments: ExperimentTables, drift: DriftTables, now: int) -> None:
    """When each subject was heard last, worked out from rows: who fell silent before a restart is
    told after it; what a stopped experiment sent last is not missed.
    """
    heard: dict[str, int] = {}
    arms, count = experiments.arms, len(experiments.arms)
    last = np.full(len(experiments.index), -1, np.int64)
    np.maximum.at(last, arms.experiment_no[:count], arms.last_at[:count])
    for number, at in enumerate(last.tolist()):
        row = experiments.experiments.get(experiments.index.key(number))
        if row is not None and row.status != ExperimentStatus.STOPPED:
            heard[row.subject] = max(at, heard.get(row.subject, -1))
    for metric in drift.metrics.rows():
        at = max((version.seen_at for version in metric.versions), default=-1)
        heard[metric.subject] = max(at, heard.get(metric.subject, -1))
    experiments.silence.restored(heard, now)


def remember(piece: Slice, state: PartitionState, codec: Codec) -> None:
    """Takes in the ids of a slice that was folded before a restart, and nothing else of it."""
    source = INPUTS_BY_TOPIC[piece.topic]
    if isinstance(source, BatchInput):
        now = _running_now(piece, state.now)
        source.remember(piece, now, state.ingress, state.experiments, codec)
        return
    for at in range(len(piece.records)):
        admit_record(piece, at, source, state.ingress, codec, BatchFates())


def admitted_offsets(piece: Slice, memory: IngressMemory, codec: Codec) -> list[int]:
    """The offsets of the records of a slice that are let in; their ids are known from then on."""
    source = INPUTS_BY_TOPIC[piece.topic]
    if isinstance(source, BatchInput):
        return source.admitted(piece, memory, codec)
    let_in = (
        at
        for at in range(len(piece.records))
        if admit_record(piece, at, source, memory, codec, BatchFates()) is not None
    )
    return [int(piece.offsets[at]) for at in let_in]


def refresh(state: PartitionState) -> None:
    """Works out the evidence shown in the rows about to be written."""
    refresh_arms(state.experiments)


def _running_now(piece: Slice, now: int) -> Ints:
    return np.maximum.accumulate(np.maximum(piece.append_times, now))


def _fold_records(
    piece: Slice,
    source: Input[Any, T],
    tables: T,
    memory: IngressMemory,
    codec: Codec,
    now: Ints,
    fates: BatchFates,
) -> list[Output]:
    """Folds a low-volume input record by record; returns what follows, in the order of the log."""
    outputs: list[Output] = []
    for at in range(len(piece.records)):
        record = admit_record(piece, at, source, memory, codec, fates)
        if record is None:
            continue
        place = Provenance(piece.topic, piece.partition, int(piece.offsets[at]), int(now[at]))
        found = source.handle(record, place, tables)
        if isinstance(found, Refusal):
            fates.refused.append(RefusedRecord(at, found.reason, found.sentence))
            continue
        fates.applied += 1
        outputs += found
    return outputs
