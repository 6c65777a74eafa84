"""Records are shown without what a terminal would obey."""

import json

from schemas.records import Policy, Share, ShareStep
from streams.files.rendering import cell, line, moment, plain, text


def test_bytes_that_are_no_text_are_escaped() -> None:
    assert text(b"a\xff\x1b[2Jb") == "a\\xff\\x1b[2Jb"
    assert text("grün".encode()) == "grün"
    assert text(None) is None


def test_records_are_json_with_their_written_names() -> None:
    step = ShareStep(from_=1, shares=(Share("a", 1.0),))
    assert plain(step) == {"from": 1, "shares": [{"variant": "a", "share": 1.0}]}
    assert json.loads(line(plain(Policy(event_id="x", policy_id="p"))))["rollback"] == "AUTO"


def test_moments_are_shown_as_people_read_them() -> None:
    assert moment(1_714_521_600_500) == "2024-05-01T00:00:00.500Z"
    assert cell("issued_at", 1_714_521_600_500) == "2024-05-01 00:00:00"
    assert cell("low", 0.0001234567) == "0.0001235"
