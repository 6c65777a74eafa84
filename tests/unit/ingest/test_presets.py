"""Presets read the events that the documents of these programs show."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.core.batch import DeliveredRecord
from ingest.reading import Exposed, Passed, Place, said, unit_hash
from streams.files.ingest_map import read_map
from streams.files.ingest_presets import PRESETS

AT = 1_790_000_000_000
TIME = "2026-09-21T12:00:00.000Z"
MS = 1_789_992_000_000
VIEWED = {"type": "track", "event": "Experiment Viewed", "userId": "ann", "messageId": "m1"}
LAUNCH_DARKLY = {
    "kind": "feature",
    "creationDate": MS,
    "contextKeys": {"user": "ann"},
    "key": "checkout",
    "variation": 1,
    "reason": {"kind": "FALLTHROUGH", "inExperiment": True},
}
POSTHOG = {
    "uuid": "u1",
    "event": "$feature_flag_called",
    "distinct_id": "ann",
    "timestamp": TIME,
    "properties": {"$feature_flag": "checkout", "$feature_flag_response": "b"},
}
EVENTS: dict[str, tuple[Any, str, int]] = {
    "growthbook": (
        VIEWED
        | {"timestamp": TIME, "properties": {"experimentId": "checkout", "variationId": "b"}},
        "b",
        MS,
    ),
    "segment": (
        VIEWED
        | {"timestamp": TIME, "properties": {"experiment_id": "checkout", "variation_id": "b"}},
        "b",
        MS,
    ),
    "posthog": (POSTHOG, "b", MS),
    "statsig": (
        {
            "exposures": [
                {"user": {"userID": "ann"}, "experimentName": "checkout", "group": "Test Group"}
            ]
        },
        "Test Group",
        AT,
    ),
    "launchdarkly": (LAUNCH_DARKLY, "1", MS),
    "openfeature": (
        {
            "attributes": {
                "feature_flag.key": "checkout",
                "feature_flag.result.variant": "b",
                "feature_flag.context.id": "ann",
            }
        },
        "b",
        AT,
    ),
}


def read(tmp_path: Path, preset: str, event: Any) -> list[Any]:
    file = tmp_path / "ingest.yaml"
    file.write_text(
        "name: m\nsources:\n"
        f"  - {{topic: web, kind: exposures, preset: {preset}, constants: {{subject: shop}}}}\n"
        "  - {topic: paid, kind: outcomes, fields: {unit_id: u}, values: {n: n}}\n"
    )
    raw = json.dumps(event).encode()
    source = read_map(file).sources[0]
    return list(said(source, DeliveredRecord(raw, 0, AT), Place("web", 0, 0, AT)))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_reads_an_exposure(tmp_path: Path, preset: str) -> None:
    event, variant, at = EVENTS[preset]
    (found,) = read(tmp_path, preset, event)
    assert isinstance(found, Exposed)
    assert (
        found.unit_id,
        found.exposure.experiment_id,
        found.exposure.variant,
        found.exposure.occurred_at,
    ) == (unit_hash("ann"), "checkout", variant, at)


@pytest.mark.parametrize(
    ("preset", "event"),
    [
        ("growthbook", VIEWED | {"event": "Order Completed"}),
        ("segment", VIEWED | {"event": "Order Completed"}),
        ("posthog", POSTHOG | {"event": "$pageview"}),
        ("posthog", POSTHOG | {"properties": {"$feature_flag": "checkout"}}),
        ("launchdarkly", LAUNCH_DARKLY | {"kind": "identify"}),
        ("launchdarkly", LAUNCH_DARKLY | {"reason": {"kind": "OFF"}}),
        ("openfeature", {"attributes": {"feature_flag.key": "checkout"}}),
    ],
)
def test_other_events_are_passed_over(tmp_path: Path, preset: str, event: Any) -> None:
    assert read(tmp_path, preset, event) == [Passed()]


def test_a_flag_of_two_values_has_variants_in_words(tmp_path: Path) -> None:
    off = {"$feature_flag": "checkout", "$feature_flag_response": False}
    (found,) = read(tmp_path, "posthog", POSTHOG | {"properties": off})
    assert isinstance(found, Exposed)
    assert found.exposure.variant == "false"
