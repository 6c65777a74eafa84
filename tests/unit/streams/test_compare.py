"""What stands is compared with what was replayed by bytes, and told by fields."""

from dataclasses import replace

from schemas.codec.framing import Record, unframe
from schemas.records import Decision, Evidence, Order, Outcome, Verdict
from streams.history.record_diff import Difference, differences, leaves, proofs
from streams.kafka.stored_records import Stored
from tests.support.builders import CODEC, NOON

EVIDENCE = Evidence(
    topic="results",
    partition=1,
    first_offset=3,
    last_offset=9,
    metric="m",
    estimate=0.0,
    low=-1.0,
    high=1.0,
    log_e=3.0,
    count=7,
)
DECISION = Decision(
    decision_id="d",
    subject="shop",
    verdict=Verdict.HARM,
    order=Order.ROLLBACK,
    outcome=Outcome.ISSUED,
    metric="m",
    rule="harm proved",
    reason="worse",
    evidence=(EVIDENCE,),
    policy_id="p",
    policy_version="",
    decided_at=NOON,
    agents="1",
)
PLACE = "decisions.v1/1 offset 5"


def stored(
    record: Record, key: str = "shop", value: bytes | None = None, offset: int = 5
) -> Stored:
    return Stored(
        "decisions.v1", 1, offset, key, CODEC.encode(record) if value is None else value, record
    )


def compared(*copies: Stored, replayed: Record | None = DECISION) -> list[Difference]:
    return differences("decision", copies, "shop", replayed, CODEC)


def test_equal_bytes_differ_in_nothing() -> None:
    assert compared(stored(DECISION)) == []
    assert compared(replayed=None) == []


def test_each_changed_field_is_named_down_to_the_evidence() -> None:
    forged = replace(
        DECISION, rule="a feeling", command_id="c", evidence=(replace(EVIDENCE, log_e=4.0),)
    )
    assert compared(stored(forged)) == [
        Difference(PLACE, "rule", "a feeling", "harm proved"),
        Difference(PLACE, "evidence[0].log_e", 4.0, 3.0),
        Difference(PLACE, "command_id", "c", None),
    ]


def test_evidence_that_one_side_lacks_is_named() -> None:
    found = compared(stored(replace(DECISION, evidence=())))
    assert {(each.field, each.stored) for each in found} >= {
        ("evidence[0].topic", None),
        ("evidence[0].count", None),
    }


def test_a_sign_of_zero_is_a_difference() -> None:
    found = compared(stored(replace(DECISION, evidence=(replace(EVIDENCE, estimate=-0.0),))))
    assert [(each.field, str(each.stored), str(each.replayed)) for each in found] == [
        ("evidence[0].estimate", "-0.0", "0.0")
    ]


def test_other_bytes_of_the_same_fields_differ_too() -> None:
    other_schema = b"\x00\x00\x00\x00\x07" + unframe(CODEC.encode(DECISION))[1]
    assert compared(stored(DECISION, value=other_schema)) == [
        Difference(PLACE, "bytes", other_schema, CODEC.encode(DECISION))
    ]


def test_another_key_differs() -> None:
    assert compared(stored(DECISION, key="pub")) == [Difference(PLACE, "key", "pub", "shop")]


def test_one_record_is_to_stand_where_one_was_replayed() -> None:
    assert compared() == [Difference("nowhere", "decision", "does not stand", "given")]
    assert compared(stored(DECISION), replayed=None) == [
        Difference(PLACE, "decision", "stands", "not given")
    ]
    twice = compared(stored(DECISION), stored(DECISION, offset=6))
    assert twice == [Difference(f"{PLACE}, decisions.v1/1 offset 6", "records", 2, 1)]


def test_the_leaves_of_a_record_hold_all_of_it() -> None:
    found = dict(leaves(DECISION))
    assert found["evidence[0].last_offset"] == 9
    assert found["verdict"] == "HARM"
    assert len(found) == len(Decision.__dataclass_fields__) - 1 + len(Evidence.__dataclass_fields__)


def test_a_decision_is_proved_by_the_last_record_of_its_evidence() -> None:
    assert proofs(DECISION) == {("results", 9)}
    assert proofs(replace(DECISION, evidence=())) == frozenset()
