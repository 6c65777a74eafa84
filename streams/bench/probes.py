"""Records that are waited for: each brings an experiment of its own over the line, so that a
command must follow.
"""

from agents.core.batch import DeliveredRecord, Slice
from agents.flow.pipeline import fold
from schemas.catalog import RESULTS, SPECS, local_ids
from schemas.codec.framing import Codec, Record
from schemas.ids import event_uuid
from schemas.records import (
    Decision,
    Direction,
    ExperimentResult,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Policy,
    Role,
    Share,
    ShareStep,
)
from schemas.validation.specs_and_policies import COMMANDS_MAX
from state.partition.partition_state import PartitionState

POLICY = Policy(
    event_id="probes", policy_id="probes", commands_per_hour=COMMANDS_MAX, subjects_share=1.0
)
_CONTROL, _TREATMENT = "control", "treatment"
_CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
_LONGEST = 2_000  # records, in which an experiment of which half fails must have been stopped
_MINUTE_MS = 60_000
_MOMENT_MS = 1_700_000_000_000  # at which the judge is asked here; any that is plausible


def subject_of(number: int) -> str:
    return f"probe-{number}"


def spec_of(number: int) -> ExperimentSpec:
    return ExperimentSpec(
        event_id=event_uuid("probe-spec", number),
        experiment_id=subject_of(number),
        subject=subject_of(number),
        control=_CONTROL,
        treatments=(_TREATMENT,),
        share_steps=(ShareStep(shares=(Share(_CONTROL, 0.5), Share(_TREATMENT, 0.5))),),
        metrics=(_CONVERSION,),
    )


def records_of(number: int, moment: int, length: int = 0) -> list[ExperimentResult]:
    """Returns the results that one probe's experiment sends, up to the one that proves the harm.

    moment: when the last of them occurred, ms. length: the number of results; 0: LENGTH.
    """
    name, length = subject_of(number), length or LENGTH
    return [
        ExperimentResult(
            event_id=event_uuid("probe", number, at),
            subject=name,
            experiment_id=name,
            variant=_TREATMENT if at % 2 else _CONTROL,
            metric=_CONVERSION.name,
            sum=float(at % 2 == 0),
            unit_id=str(at),
            occurred_at=moment - (length - 1 - at) * _MINUTE_MS,
        )
        for at in range(length)
    ]


def _length() -> int:
    """The number of records after which the judge, asked here, finds harm: every treated unit
    fails, no other does.
    """
    codec, tables = Codec(local_ids()), PartitionState(0, 1)

    def found(topic: str, records: list[Record], first: int) -> bool:
        sent = [
            DeliveredRecord(codec.encode(record), first + at, _MOMENT_MS)
            for at, record in enumerate(records)
        ]
        return any(
            isinstance(one.record, Decision)
            for one in fold(Slice.of(topic, 0, sent), tables, codec).outputs
        )

    found(SPECS, [spec_of(0)], 0)
    for at, record in enumerate(records_of(0, _MOMENT_MS, _LONGEST)):
        if found(RESULTS, [record], at):
            return at + 1
    raise AssertionError("the judge does not stop an experiment in which every treated unit fails")


LENGTH = _length()
