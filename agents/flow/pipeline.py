"""Folds one slice of one input into the tables: the whole of what Mendstream thinks, without any
IO.

The agents run on the slice one after the other, and none reads a table that one after it writes;
feedback comes back as an input record.
"""

from dataclasses import replace

import numpy as np

from agents.alerts.policy_check import check_policy
from agents.commands.known_subjects import Fold, admitted, meet, strangers
from agents.core.batch import Facts, Ints, Served, Slice
from agents.core.effects import Effects, Output, Refusal
from agents.core.provenance import Provenance
from agents.drift.fold_metrics import fold as fold_metrics
from agents.experiments.arms.arms import rebuild as rebuild_arms
from agents.experiments.fold_observations import fold as fold_results
from agents.experiments.fold_observations import remember as remember_units
from agents.experiments.oversight.periodic_checks import rebuild as rebuild_vigil
from agents.experiments.verdicts.published_rows import refresh as refresh_arms
from agents.failures.followups import serving
from agents.flow.dispatch import InputRecord, apply
from agents.flow.dispatch import rebuild as rebuild_lessons
from agents.flow.findings import act
from agents.flow.ingress import COLUMNAR, BatchFates, admit_columns, admit_rare
from agents.flow.last_heard import rebuild as rebuild_heard
from schemas.catalog import (
    ADMISSIONS,
    ADVICE,
    BROADCASTS,
    LEARNING_FACTS,
    METRICS,
    OUTCOMES,
    PATTERN_FACTS,
    POLICIES,
    PROPOSALS,
    RECOMMENDATIONS,
    REQUESTS,
    RESULTS,
    REVIEWS,
    SPECS,
    STATUS,
    TICKS,
    TRUST_FACTS,
)
from schemas.codec.framing import MAX_BYTES, Codec
from schemas.records import Policy, TrustLevel
from schemas.refusals import DecodeError, Reason, RefusedRecord
from schemas.validation import specs_and_policies
from state.policies import Policies
from state.tables import Tables

INPUTS = (  # co-partitioned; what is broadcast is not among them
    SPECS,
    STATUS,
    METRICS,
    RESULTS,
    RECOMMENDATIONS,
    OUTCOMES,
    REQUESTS,
    REVIEWS,
    PROPOSALS,
    ADMISSIONS,
    PATTERN_FACTS,
    TRUST_FACTS,
    LEARNING_FACTS,
    ADVICE,
    TICKS,
)
_KEEPS_BROADCASTS = (
    6  # the first version whose tables hold what was accepted of policies and trust levels
)
_FOLDS: dict[str, Fold] = {RESULTS: fold_results, METRICS: fold_metrics}


def fold(piece: Slice, tables: Tables, codec: Codec) -> Effects:
    """Folds a slice; `tables` change, the slice does not."""
    now, fates, outputs = _running_now(piece, tables), BatchFates(), list[Output]()
    if piece.topic in COLUMNAR:
        _fold_columns(piece, tables, codec, now, fates, outputs)
    else:
        for at in range(len(piece.records)):
            record = admit_rare(piece, at, tables, codec, fates)
            if record is not None:
                place = Provenance(
                    piece.topic, piece.partition, int(piece.offsets[at]), int(now[at])
                )
                _apply(record, at, place, tables, fates, outputs)
    tables.now = int(now[-1])
    met = fates.applied + fates.duplicates + len(fates.forwards) + len(fates.refused)
    assert met == len(piece.records), (
        f"{met} fates for {len(piece.records)} records of {piece.topic}"
    )
    refused = tuple(sorted(fates.refused, key=lambda one: one.index))
    return Effects(tuple(outputs), tuple(fates.forwards), refused, fates.applied, fates.duplicates)


def apply_broadcast(
    topic: str, value: bytes | None, tables: Tables, codec: Codec, taken_before: bool = False
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
        tables.lessons.heard_levels.put(record)
        tables.lessons.levels[record.agent_id] = record
        return None
    assert isinstance(record, Policy), f"{topic} is no broadcast"
    for reason, sentence in (
        specs_and_policies.check_policy(record) if taken_before else check_policy(record)
    ):
        return RefusedRecord(0, reason, sentence)
    tables.accepted.put(record)
    tables.policies[record.policy_id] = record
    return None


def keeps_broadcasts(agents: str) -> bool:
    """Whether these agents, as a journal entry names them, keep rows of what they accept of
    broadcast topics.

    >>> keeps_broadcasts("5 dedupe=1000000"), keeps_broadcasts("6 dedupe=1000000")
    (False, True)
    """
    version = agents.partition(" ")[0]
    return not version.isdecimal() or int(version) >= _KEEPS_BROADCASTS


def apply_policy(value: bytes | None, tables: Tables, codec: Codec) -> RefusedRecord | None:
    """Takes one policy, as `apply_broadcast` does."""
    return apply_broadcast(POLICIES, value, tables, codec)


def rebuild(tables: Tables) -> None:
    """Works out everything derived, after rows were restored."""
    tables.policies = Policies(tables.accepted.rows())
    tables.lessons.levels = {row.agent_id: row for row in tables.lessons.heard_levels.rows()}
    rebuild_arms(tables)
    rebuild_heard(tables)
    rebuild_vigil(tables)
    rebuild_lessons(tables)


def remember(piece: Slice, tables: Tables, codec: Codec) -> None:
    """Takes in the ids of a slice that was folded before a restart, and nothing else of it."""
    if piece.topic in COLUMNAR:
        facts = admit_columns(piece, tables, codec, _running_now(piece, tables), BatchFates())
        if piece.topic == RESULTS and len(facts):
            remember_units(facts, tables)
        return
    for at in range(len(piece.records)):
        admit_rare(piece, at, tables, codec, BatchFates())


def refresh(tables: Tables) -> None:
    """Works out the evidence shown in the rows about to be written."""
    refresh_arms(tables)


def _running_now(piece: Slice, tables: Tables) -> Ints:
    return np.maximum.accumulate(np.maximum(piece.append_times, tables.now))


def _fold_columns(
    piece: Slice, tables: Tables, codec: Codec, now: Ints, fates: BatchFates, outputs: list[Output]
) -> None:
    facts = admit_columns(piece, tables, codec, now, fates)
    part, turned_away = admitted(facts, tables, _FOLDS[facts.topic])
    fates.refused += [replace(one, index=int(facts.index[one.index])) for one in turned_away]
    if len(part):
        _fold_facts(part, tables, fates, outputs)


def _fold_facts(facts: Facts, tables: Tables, fates: BatchFates, outputs: list[Output]) -> None:
    strange = strangers(facts, tables)
    findings, senseless = _FOLDS[facts.topic](facts, tables)
    meet(strange, facts, (one.index for one in senseless), tables)
    tables.silence.subjects(facts.batch.column("subject").unique().to_pylist(), int(facts.now[-1]))
    fates.refused += [replace(one, index=int(facts.index[one.index])) for one in senseless]
    fates.applied += len(facts) - len(senseless)
    for found in findings:
        if isinstance(found, Served):
            place = Provenance(
                facts.topic, facts.partition, int(facts.offsets[found.at]), int(facts.now[found.at])
            )
            serving(found.subject, found.version, place, tables.lessons)
        else:
            outputs += act(facts, found, tables)


def _apply(
    record: InputRecord,
    at: int,
    place: Provenance,
    tables: Tables,
    fates: BatchFates,
    outputs: list[Output],
) -> None:
    found = apply(record, place, tables)
    if isinstance(found, Refusal):
        fates.refused.append(RefusedRecord(at, found.reason, found.sentence))
        return
    fates.applied += 1
    outputs += found
