"""A map is taken whole, or its fault is told with the line and what would mend it."""

from pathlib import Path

import pytest

from ingest.mapping import Kind, PerUnit, UnitMetric, Without
from streams.files.ingest_map import read_map
from streams.runtime.errors import MendstreamError

GOOD = """\
name: shop
window: 2d
lateness: 30m
remember: 60d
units_max: 1000
metrics:
  paid: {per_unit: any}
  took: {per_unit: mean, without: nothing}
sources:
  - topic: web.seen
    kind: exposures
    fields: {unit_id: user.id, experiment_id: exp, variant: arm}
    constants: {subject: acme/shop}
  - topic: shop.paid
    kind: outcomes
    where: "state == 'paid'"
    fields:
      unit_id: customer
    values:
      paid: "`1`"
      took: seconds
      revenue: amount
"""


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "ingest.yaml"
    path.write_text(text)
    return path


def fault(tmp_path: Path, text: str) -> str:
    with pytest.raises(MendstreamError) as raised:
        read_map(file(tmp_path, text))
    return raised.value.fault


def test_a_map_is_read(tmp_path: Path) -> None:
    found = read_map(file(tmp_path, GOOD))
    assert (found.name, found.window_ms, found.lateness_ms, found.remember_ms) == (
        "shop",
        172_800_000,
        1_800_000,
        5_184_000_000,
    )
    assert [(source.topic, source.kind) for source in found.sources] == [
        ("web.seen", Kind.EXPOSURES),
        ("shop.paid", Kind.OUTCOMES),
    ]
    assert dict(found.metrics) == {
        "paid": UnitMetric("paid", PerUnit.ANY),
        "took": UnitMetric("took", PerUnit.MEAN, Without.NOTHING),
        "revenue": UnitMetric("revenue"),
    }


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    text = GOOD
    for key in ("window", "lateness", "remember", "units_max"):
        text = "".join(line for line in text.splitlines(True) if not line.startswith(key))
    found = read_map(file(tmp_path, text))
    assert (found.window_ms, found.lateness_ms, found.remember_ms, found.units_max) == (
        604_800_000,
        3_600_000,
        2_592_000_000,
        1_000_000,
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("window: 2d", "windw: 2d", "line 2, windw: there is no key 'windw' here"),
        ("window: 2d", "window: 2 days", "line 2, window: '2 days' is no duration"),
        ("kind: outcomes", "kind: money", "line 15, sources.1.kind: input should be"),
        ("unit_id: customer", "unit_id: 'a[b'", "line 18, sources.1.fields.unit_id: 'a[b' is no"),
        ("unit_id: customer", "unit: customer", "line 14, sources.1: outcomes have no field"),
        ("    fields:\n      unit_id: customer\n", "", "line 14, sources.1: nothing says where"),
        ("lateness: 30m", "window: 3d", "line 3: the key 'window' stands twice, first in line 2"),
        ("shop.paid", "web.seen", "line 1: topic 'web.seen' stands in two sources"),
        ("  paid: {per", "  pays: {per", "line 1: metric 'pays' is in no source's values"),
        ("name: shop", "name: My Shop", "line 1, name: string should match pattern"),
        (
            "took: seconds",
            "paid: seconds",
            "line 21: the key 'paid' stands twice, first in line 20",
        ),
        (
            "constants: {subject: acme/shop}",
            "constants: {subject: acme/shop, variant: a}",
            "line 10, sources.0: variant stands in fields and in constants",
        ),
        ("kind: exposures", "kind: exposures\n    preset: x", "line 10, sources.0: preset 'x' is"),
    ],
)
def test_a_fault_names_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert GOOD.count(old) == 1
    assert fault(tmp_path, GOOD.replace(old, new)).startswith(f"ingest.yaml, {said}")


def test_exposures_and_outcomes_need_each_other(tmp_path: Path) -> None:
    alone = GOOD[: GOOD.index("  - topic: shop.paid")]
    alone = alone.replace(GOOD[GOOD.index("metrics:") : GOOD.index("sources:")], "")
    assert "exposures alone give no result" in fault(tmp_path, alone)


def test_a_constant_is_held_to_its_field(tmp_path: Path) -> None:
    said = fault(tmp_path, GOOD.replace("subject: acme/shop", "subject: true"))
    assert said.startswith("ingest.yaml, constants.subject: True is no text")


def test_what_is_no_mapping_is_no_map(tmp_path: Path) -> None:
    assert fault(tmp_path, "[1]") == "ingest.yaml is no map."
