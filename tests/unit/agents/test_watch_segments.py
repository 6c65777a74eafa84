"""A slice of a live metric costs what it names: segments of which it has no record stay as they
are.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalog import METRICS
from schemas.ids import event_uuid
from schemas.records import Direction, MetricKind, MetricSpec, Policy, Reference, Role
from tests.support.builders import CODEC, metric
from tests.support.loop import Loop, rows

POLICY = Policy(event_id="p", policy_id="p", reference_count=500, min_count=100)

# no record is bad, so that each slice moves the moment from which a change would be dated
SOUND = 1_000_000


def send(
    loop: Loop, start: int, segments: list[str | None], bad_each: int = 20, version: str = "v1"
) -> None:
    records = [
        metric(
            start + n,
            segment=segment,
            sum=float((start + n) % bad_each == 0),
            model_version=version,
            event_id=event_uuid("segments", start + n),
            occurred_at=loop.now,
        )
        for n, segment in enumerate(segments)
    ]
    loop.send(METRICS, records)


@pytest.mark.parametrize("many", [20, 400])
def test_what_a_slice_writes_does_not_grow_with_the_segments_there_are(
    many: int,
) -> None:
    loop = Loop(POLICY)
    send(loop, 0, [f"s{n % many}" for n in range(2_000)])
    send(loop, 2_000, ["s0"] * 20, SOUND)  # the segments that were behind remember where they stood
    metrics, written = loop.tables.drift.metrics, set[str]()
    for turn in range(10):
        metrics.changed(CODEC)
        send(loop, 3_000 + 20 * turn, ["s0", "s1"] * 10, SOUND)
        written.update(key for key, _ in metrics.changed(CODEC))
    assert written <= {"bot|error|", "bot|error|s0", "bot|error|s1"}


CHANGES = st.sampled_from(["nothing"] * 6 + ["limit", "mean", "reference", "rate"])
SLICES = st.tuples(
    st.lists(st.sampled_from([None, *"abcd"]), min_size=1, max_size=2),
    st.sampled_from([1, 30, 600]),
    st.sampled_from([2, 20, SOUND]),
    st.sampled_from(["v1", "v1", "v2"]),
    CHANGES,
)


@settings(max_examples=20)
@given(st.lists(SLICES, min_size=1, max_size=12))
def test_what_is_taken_up_late_stands_as_if_all_had_been_looked_at(
    slices: list[tuple[list[str | None], int, int, str, str]],
) -> None:
    """The same records with every segment looked at each time give the same rows and the same
    decisions.
    """
    few, every = Loop(POLICY), Loop(POLICY)
    learned = (list[str | None]("abcd"), 600, 20, "v1", "nothing")
    for number, (segments, count, bad_each, version, change) in enumerate([learned, *slices]):
        for loop in (few, every):
            if change != "nothing":
                loop.send("policies.v1", [changed(change)])
            if loop is every:
                loop.tables.drift.forget_rule("bot", "error")
            send(
                loop,
                1_000 * number,
                [segments[n % len(segments)] for n in range(count)],
                bad_each,
                version,
            )
        assert rows(few.tables) == rows(every.tables)
    assert few.outputs == every.outputs


def changed(how: str) -> Policy:
    spec = MetricSpec("error", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.RATE)
    match how:
        case "limit":
            return replace(POLICY, metrics=(replace(spec, kind=MetricKind.MEAN, limit=0.5),))
        case "mean":
            return replace(POLICY, metrics=(replace(spec, kind=MetricKind.MEAN),))
        case "reference":
            return replace(
                POLICY, references=(Reference(metric="error", count=500, sum=10.0, segment="a"),)
            )
        case "rate":
            return replace(POLICY, metrics=(spec,))
    return POLICY
