"""Folds a slice of experiment results: totals of every arm, evidence after every event, findings where a verdict changes.

Law: however a slice is cut, rows and findings are the same bytes. So totals are carried, evidence is looked at after each
event, and a verdict falls at the event that proves it, not at the end of the batch. Verdicts are latched: once rejected,
stays rejected; they depend on the order of the log.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.judge import arms as rows_of
from agents.judge.assess import agrees, assess
from agents.judge.burnin import end_burn_ins
from agents.judge.decide import decide
from agents.judge.looks import Looks, looks_of
from agents.judge.running import Running
from agents.judge.tally import additions_of, measure_of, senseless
from agents.slice import Facts, Finding, Ints
from schemas.records import Verdict
from schemas.refusals import Refused
from state.columnar import Hashes, combine, hash_part
from state.tables import ARM_NAMES, Tables


def fold(facts: Facts, tables: Tables) -> tuple[list[Finding], list[Refused]]:
    """Folds results; returns findings in the order of the log and records that make no sense for their metric."""
    parts = [hash_part(facts.batch.column(name)) for name in ARM_NAMES]
    whole = combine([*parts[:4], hash_part(pa.nulls(1, pa.string()))])
    measure = measure_of(facts, tables, whole)
    added = additions_of(facts, measure)
    refused = senseless(facts, measure, added)
    good = np.ones(len(facts), np.bool_)
    good[[one.index for one in refused]] = False
    if not good.any():
        return [], refused
    rows, records = _rows(facts, tables, parts, whole, good)
    after = Running.of(tables, rows, records, added)
    end_burn_ins(tables, after, facts.offsets)
    findings = _look(facts, tables, after)
    after.store(tables, facts.offsets)
    return findings, refused


def _rows(
    facts: Facts, tables: Tables, parts: list[Hashes], whole: Hashes, good: NDArray[np.bool_]
) -> tuple[Ints, Ints]:
    """The rows that the good records add to, and which record adds to each: in the whole, then in segments."""
    segment = np.asarray(facts.batch.column("segment").is_valid().to_numpy(zero_copy_only=False))
    kept, segmented = np.flatnonzero(good), np.flatnonzero(good & segment)
    rows = _find_or_open(facts, tables, whole[kept], kept, False)
    if not len(segmented):
        return rows, kept
    within = _find_or_open(facts, tables, combine([part[segmented] for part in parts]), segmented, True)
    return np.concatenate([rows, within]), np.concatenate([kept, segmented])


def _find_or_open(facts: Facts, tables: Tables, hashes: Hashes, at: Ints, segment: bool) -> Ints:
    found = tables.arms.find(hashes)
    if (found >= 0).all():
        return found
    unknown = np.flatnonzero(found < 0)
    _, first = np.unique(hashes[unknown], return_index=True)
    columns = [facts.batch.column(name) for name in ARM_NAMES]
    for i in unknown[np.sort(first)]:  # in the order of the log, which fixes the levels of unspecified pairs
        names = [column[int(at[i])].as_py() for column in columns]
        key = (names[0], names[1], names[2], names[3], names[4] if segment else None)
        rows_of.open_arm(tables, int(hashes[i]), key, int(facts.offsets[at[i]]))
    return tables.arms.find(hashes)


def _look(facts: Facts, tables: Tables, after: Running) -> list[Finding]:
    """Evidence after every event of every pair that may still command; latches crossings and decides."""
    looks = looks_of(facts, tables, after)
    if looks is None:
        return []
    arms = tables.arms
    evidence = assess(arms, looks.pairs, looks.offsets, looks.control, looks.treatment, exact=False)
    _latch(tables, looks, evidence.enough & (evidence.harm >= arms["harm_level"][looks.pairs]), Verdict.HARM)
    _latch(tables, looks, evidence.enough & (evidence.gain >= arms["gain_level"][looks.pairs]), Verdict.GAIN)
    findings: list[Finding] = []
    if tables.pending:
        for trial in np.unique(arms["trial"][looks.pairs]):
            if int(trial) in tables.pending:
                findings += decide(facts, tables, int(trial), looks)
    return sorted(findings, key=lambda finding: finding.at)


def _latch(tables: Tables, looks: Looks, crossed: NDArray[np.bool_], verdict: Verdict) -> None:
    """Marks the first moment of each pair at which the evidence is past its level and the exposures agree."""
    arms, column = tables.arms, "harm_offset" if verdict == Verdict.HARM else "gain_offset"
    at = np.flatnonzero(crossed & (arms[column][looks.pairs] < 0))
    at = at[agrees(arms, looks.pairs[at], looks.control.take(at), looks.treatment.take(at), verdict)]
    if not len(at):
        return
    pairs, first = np.unique(looks.pairs[at], return_index=True)
    arms[column][pairs] = looks.offsets[at[first]]
    tables.pending.update(int(trial) for trial in arms["trial"][pairs])
