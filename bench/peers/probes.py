"""Records that are waited for: each brings an experiment of its own over the line, so that a command must follow."""

from dataclasses import replace

import numpy as np

from bench.experiments import CONVERSION, experiment
from bench.folding import MINUTE, NEVER, VARIANTS, Records, judged
from schemas.ids import event_uuid
from schemas.records import ExperimentResult, ExperimentSpec, Policy, ResultKind
from schemas.terms import COMMANDS_MOST

_LONGEST = 2_000  # records, in which an experiment of which half fails must have been stopped


def subject_of(number: int) -> str:
    return f"probe-{number}"


def spec_of(number: int) -> ExperimentSpec:
    name = subject_of(number)
    return replace(_SPEC, event_id=event_uuid("probe-spec", number), subject=name, experiment_id=name)


def records_of(number: int, moment: int) -> list[ExperimentResult]:
    """What the experiment sends, to the record that proves the harm; the last occurred at this moment, ms."""
    name = subject_of(number)
    return [
        ExperimentResult(
            event_id=event_uuid("probe", number, at),
            subject=name,
            experiment_id=name,
            variant=VARIANTS[at % 2].as_py(),
            metric=CONVERSION.name,
            kind=ResultKind.OBSERVATION,
            count=1,
            sum=float(at % 2 == 0),
            unit_id=str(at),
            occurred_at=moment - (LENGTH - 1 - at) * MINUTE,
        )
        for at in range(LENGTH)
    ]


def _length() -> int:
    """The number of records after which the judge, asked here, finds harm: every treated unit fails, no other does."""
    treated = (np.arange(_LONGEST) % 2 == 1)[:, None]
    found = int(judged(_SPEC, Records((CONVERSION.name,), treated, ~treated)).rollback[0])
    assert found < NEVER, "the judge does not stop an experiment in which every treated unit fails"
    return found


_SPEC = experiment(CONVERSION, (0.5, None))
POLICY = Policy(event_id="probes", policy_id="probes", commands_per_hour=COMMANDS_MOST, subjects_share=1.0)
LENGTH = _length()
