"""Folds the recorded log under another policy, and tells which decisions would have been others,
and when.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from confluent_kafka.admin import AdminClient

from schemas.catalog import DECISIONS, STATUS
from schemas.codec.framing import Codec
from schemas.records import CommandStatus, Decision, JournalEntry, Policy
from streams.history.decision_diff import Comparison, DecisionPair, issued, paired
from streams.history.reexecution import ProgressCallback, ReplayStep, reexecute
from streams.kafka.admin.topics import check
from streams.kafka.reading import admin
from streams.kafka.schema_ids import codec_for
from streams.kafka.stored_records import naming
from streams.runtime.settings import Settings


@dataclass(slots=True)
class Backtest:
    """The decisions of the log under another policy, beside those that were made.

    pairs: the decisions that differ, by time; commands of each run; statuses_refused: reports on
    commands that were issued in the recorded run and not in the other one.
    """

    records: int = 0
    counts: Counter[Comparison] = field(default_factory=Counter)
    pairs: list[DecisionPair] = field(default_factory=list)
    commands_recorded: int = 0
    commands_other: int = 0
    statuses_refused: int = 0


@dataclass(slots=True)
class _Run:
    """One partition under the other policy."""

    last: JournalEntry | None = None
    records: int = 0
    decisions: list[Decision] = field(default_factory=list)
    refused: Counter[str] = field(
        default_factory=Counter
    )  # statuses that no command answers to, by command id


def backtest(
    settings: Settings, policies: Sequence[Policy], told: ProgressCallback = lambda _: None
) -> Backtest:
    """Runs these policies, and no recorded one, over the whole log. Raises MendstreamError as
    `reexecute` does.
    """
    client = admin(settings)
    check(client, settings)
    codec = codec_for(settings)
    result = Backtest()
    for partition in range(settings.partitions):
        run = _Run()
        for turn in reexecute(settings, codec, client, partition, policies=policies):
            _take(turn, run, codec)
            told(f"partition {partition}: {run.records:,} records folded under the other policy")
        result.records += run.records
        if run.last is not None:
            _add(result, list(_recorded(settings, codec, client, run.last)), run)
    result.pairs.sort(key=lambda pair: pair.at)
    return result


def _take(turn: ReplayStep, run: _Run, codec: Codec) -> None:
    run.last = turn.entry
    if turn.piece is None:
        return
    run.records += len(turn.piece.records)
    run.decisions += [
        each.record for each in turn.effects.outputs if isinstance(each.record, Decision)
    ]
    if turn.piece.topic == STATUS:
        for refused in turn.effects.refused:
            if refused.reason == "UNKNOWN_COMMAND":
                status = codec.decode("CommandStatus", turn.piece.values[refused.index])
                assert isinstance(status, CommandStatus)
                run.refused[status.command_id] += 1


def _recorded(
    settings: Settings, codec: Codec, client: AdminClient, last: JournalEntry
) -> Iterator[Decision]:
    """The decisions that stand, of the transactions up to `last`: a worker may have gone on
    since.
    """
    for stored in naming(settings, codec, client, (DECISIONS,), (last.partition,), ""):
        decision = stored.record
        assert isinstance(decision, Decision)
        ends = [
            last.next_offsets.get(each.topic, 0) > each.last_offset for each in decision.evidence
        ]
        if all(ends) and decision.decided_at <= last.now:
            yield decision


def _add(result: Backtest, recorded: list[Decision], run: _Run) -> None:
    """Lays one partition's decisions side by side; what is the same is only counted."""
    for pair in paired(recorded, run.decisions):
        result.counts[pair.kind] += 1
        result.commands_recorded += issued(pair.recorded)
        result.commands_other += issued(pair.other)
        if pair.kind != Comparison.SAME:
            result.pairs.append(pair)
    before = {decision.command_id for decision in recorded if issued(decision)}
    result.statuses_refused += sum(
        count for command, count in run.refused.items() if command in before
    )
