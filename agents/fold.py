"""Folds one slice of one input into the tables: the whole of what Mendstream thinks, without any IO.

The agents run on the slice one after the other, and none reads a table that one after it writes; feedback comes back as
an input record.
"""

from dataclasses import replace

import numpy as np

from agents import commander, decider
from agents.admit import COLUMNAR, Fates, Rare, admit_columns, admit_rare
from agents.effects import Effects, Output
from agents.judge.fold import fold as fold_results
from agents.judge.fold import remember as remember_units
from agents.judge.show import refresh as refresh_arms
from agents.policy import policy_for
from agents.slice import Facts, Finding, Ints, Slice
from agents.specs import apply_spec
from agents.watch.fold import fold as fold_metrics
from agents.watch.rows import restart
from schemas import validity
from schemas.catalog import COMMANDS, DECISIONS, METRICS, RESULTS, SPECS, STATUS, TICKS
from schemas.ids import decision_id
from schemas.records import (
    CommandStatus,
    Decision,
    ExperimentRow,
    ExperimentSpec,
    Order,
    Outcome,
    Phase,
    Policy,
    Status,
    Tick,
    Verdict,
)
from schemas.refusals import DecodeError, Refused
from schemas.wire import Codec
from state.table import row_key
from state.tables import Tables

INPUTS = (RESULTS, METRICS, SPECS, STATUS, TICKS)  # co-partitioned; policies are broadcast
_FOLDS = {RESULTS: fold_results, METRICS: fold_metrics}


def fold(piece: Slice, tables: Tables, codec: Codec) -> Effects:
    """Folds a slice; `tables` change, the slice does not."""
    now, fates, outputs = _running_now(piece, tables), Fates(), list[Output]()
    if piece.topic in COLUMNAR:
        _fold_columns(piece, tables, codec, now, fates, outputs)
    else:
        for at in range(len(piece.records)):
            record = admit_rare(piece, at, tables, codec, fates)
            if record is not None:
                _apply_rare(record, piece, at, int(now[at]), tables, fates, outputs)
    tables.now = int(now[-1])
    met = fates.applied + fates.duplicates + len(fates.forwards) + len(fates.refused)
    assert met == len(piece.records), f"{met} fates for {len(piece.records)} records of {piece.topic}"
    refused = tuple(sorted(fates.refused, key=lambda one: one.index))
    return Effects(tuple(outputs), tuple(fates.forwards), refused, fates.applied, fates.duplicates)


def apply_policy(value: bytes | None, tables: Tables, codec: Codec) -> Refused | None:
    """Takes one broadcast record; returns why it cannot be taken, or None."""
    try:
        policy = codec.decode("Policy", value)
    except DecodeError as error:
        return Refused(0, error.reason, error.sentence)
    assert isinstance(policy, Policy)
    for reason, sentence in validity.check_policy(policy):
        return Refused(0, reason, sentence)
    tables.policies[policy.policy_id] = policy
    return None


def remember(piece: Slice, tables: Tables, codec: Codec) -> None:
    """Takes in the ids of a slice that was folded before a restart, and nothing else of it."""
    if piece.topic in COLUMNAR:
        facts = admit_columns(piece, tables, codec, _running_now(piece, tables), Fates())
        if piece.topic == RESULTS and len(facts):
            remember_units(facts, tables)
        return
    for at in range(len(piece.records)):
        admit_rare(piece, at, tables, codec, Fates())


def refresh(tables: Tables) -> None:
    """Works out the evidence shown in the rows about to be written."""
    refresh_arms(tables)


def _running_now(piece: Slice, tables: Tables) -> Ints:
    return np.maximum.accumulate(np.maximum(piece.append_times, tables.now))


def _fold_columns(piece: Slice, tables: Tables, codec: Codec, now: Ints, fates: Fates, outputs: list[Output]) -> None:
    facts = admit_columns(piece, tables, codec, now, fates)
    if not len(facts):
        return
    findings, senseless = _FOLDS[piece.topic](facts, tables)
    fates.refused += [replace(one, index=int(facts.index[one.index])) for one in senseless]
    fates.applied += len(facts) - len(senseless)
    for finding in findings:
        _act(facts, finding, tables, outputs)


def _act(facts: Facts, finding: Finding, tables: Tables, outputs: list[Output]) -> None:
    """The decision on a finding, and the command that follows from it."""
    policy = policy_for(finding.subject, tables.policies.values())
    decision = decider.decide(facts, finding, policy, _experiment(finding, tables))
    decision, command = commander.order(decision, finding, tables)
    outputs.append(Output(DECISIONS, decision.subject, decision.decision_id, decision))
    if command is not None:
        outputs.append(Output(COMMANDS[decision.order], command.subject, command.command_id, command))


def _experiment(finding: Finding, tables: Tables) -> ExperimentRow | None:
    if finding.experiment_id is None:
        return None
    return tables.experiments.get(row_key(finding.subject, finding.experiment_id))


def _apply_rare(
    record: Rare, piece: Slice, at: int, now: int, tables: Tables, fates: Fates, outputs: list[Output]
) -> None:
    if isinstance(record, CommandStatus):
        problem = commander.apply_status(record, tables)
        if problem is not None:
            fates.refused.append(Refused(at, "UNKNOWN_COMMAND", problem))
            return
        row = tables.commands.get(record.command_id)
        if record.status == Status.COMPLETED and row is not None and row.phase == Phase.COMPLETED:
            restart(tables, row)
    elif isinstance(record, ExperimentSpec):
        ignored = apply_spec(record, tables)
        if ignored is not None:
            decision = _ignored(record, ignored, piece, at, now, tables)
            outputs.append(Output(DECISIONS, decision.subject, decision.decision_id, decision))
    else:
        assert isinstance(record, Tick)
    fates.applied += 1


def _ignored(spec: ExperimentSpec, reason: str, piece: Slice, at: int, now: int, tables: Tables) -> Decision:
    offset = int(piece.offsets[at])
    policy = policy_for(spec.subject, tables.policies.values())
    return Decision(
        decision_id=decision_id(piece.topic, piece.partition, offset, "specs", spec.experiment_id),
        subject=spec.subject,
        verdict=Verdict.IGNORED_SPEC,
        order=Order.NONE,
        outcome=Outcome.HELD,
        experiment_id=spec.experiment_id,
        metric="",
        rule="a spec stands from the first result on",
        reason=reason,
        evidence=(),
        policy_id=policy.policy_id,
        policy_version=policy.event_id,
        decided_at=now,
        agents=decider.VERSION,
    )
