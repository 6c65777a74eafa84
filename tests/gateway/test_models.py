"""What serves, by the commands that were completed; and the feed of all that happened."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from schemas.catalog import DECISIONS, TABLES_COMMANDS, TABLES_METRICS, TRANSITIONS
from schemas.ids import digest_of_bytes
from schemas.records import Order, Phase
from state.storage.table import row_key
from streams.runtime.clock import now_ms
from tests.support.gateway.served import Served, token
from tests.support.gateway.world import ALPHA, BRAVO, CODEC, Kept, Tenant, write, write_journal
from tests.support.kafka.running import own_topics
from tests.support.samples import sample

pytestmark = pytest.mark.kafka
OWNER = Tenant(ALPHA)
STEPS = 130  # in the feed, more than a page of each log


def moved(number: int, target: str, **more: Any) -> Kept:
    """A completed deployment, the how-manyeth of its target, of the version that `more` names."""
    row = OWNER.served_row(f"{target}-{number}", **{"variant": None, "model_version": None} | more)
    row = replace(row, target=f"{OWNER.subject}/{target}", fencing_token=number, issued_at=number)
    return Kept(TABLES_COMMANDS, row.command_id, CODEC.encode(row), OWNER.subject)


def rolled_back(number: int, target: str, out: str, to: str) -> Kept:
    command = replace(
        sample("RollbackCommand"),
        subject=OWNER.subject,
        model_version=out,
        variant=None,
        to_version=to,
        dry_run=False,
        evidence=(),
    )
    encoded = CODEC.encode(command)
    row = replace(
        OWNER.command_row(f"{target}-{number}", phase=Phase.COMPLETED),
        order=Order.ROLLBACK,
        target=f"{OWNER.subject}/{target}",
        command=encoded,
        digest=digest_of_bytes(encoded),
        fencing_token=number,
        issued_at=number,
    )
    return Kept(TABLES_COMMANDS, row.command_id, CODEC.encode(row), OWNER.subject)


def happened() -> Iterator[Kept]:
    """Steps and decisions by turns, all at moments of their own but for the first two."""
    began = now_ms() - 10_000
    for n in range(STEPS):
        step = replace(
            sample("Transition"),
            event_id=f"{ALPHA}-step-{n:04}",
            subject=OWNER.subject,
            moved_at=began + 2 * max(n, 1),
        )
        decision = replace(
            sample("Decision"),
            decision_id=f"{ALPHA}-decided-{n:04}",
            subject=OWNER.subject,
            decided_at=began + 2 * n + 1,
        )
        yield Kept(TRANSITIONS, OWNER.subject, CODEC.encode(step), OWNER.subject)
        yield Kept(DECISIONS, OWNER.subject, CODEC.encode(decision), OWNER.subject)


def metric(name: str, bad: int) -> Kept:
    row = replace(
        sample("MetricRow"),
        subject=OWNER.subject,
        metric=name,
        segment=None,
        reference_bad=bad,
        reference_count=200,
    )
    return Kept(
        TABLES_METRICS, row_key(OWNER.subject, name, None), CODEC.encode(row), OWNER.subject
    )


@pytest.fixture(scope="module")
def told(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with own_topics(kafka) as settings:
        mine = [one for one in OWNER.records() if one.key != OWNER.id("served")]
        write(settings, [*mine, *Tenant(BRAVO).records(), *happened()])
        write(settings, [metric(f"m{n}", 10 * n) for n in range(5)])
        write(
            settings,
            [
                moved(1, "back", to_version="v1"),
                moved(2, "back", to_version="v2"),
                rolled_back(3, "back", "v2", "v1"),
                moved(1, "dry", to_version="v1"),
                moved(2, "dry", to_version="v2", dry_run=True),
                moved(1, "plain", to_version="v1"),
            ],
        )
        write_journal(settings)
        with Served(settings, tmp_path_factory.mktemp("views")) as served:
            yield served


def asked(told: Served, path: str, tenants: tuple[str, ...] = (ALPHA,)) -> Any:
    answer = told.call("GET", path, token("ann", tenants))
    assert answer.status == 200, answer.body
    return answer.json


def pages(told: Served, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = asked(told, f"{path}{after}")
        found += page["items"]
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


def test_what_serves_follows_from_what_was_completed(told: Served) -> None:
    found = asked(told, "/api/v1/targets")["items"]
    served = {one["environment"]: (one["version"], one["command_id"]) for one in found}
    assert served == {
        "back": ("v1", OWNER.id("back-3")),
        "dry": ("v1", OWNER.id("dry-1")),
        "plain": ("v1", OWNER.id("plain-1")),
    }
    back = next(one for one in found if one["environment"] == "back")
    assert back["gone"] == ["v2"]
    assert [move["order"] for move in back["moves"]] == ["ROLLBACK", "DEPLOY", "DEPLOY"]


def test_targets_are_told_page_by_page_and_of_one_model(told: Served) -> None:
    whole = pages(told, "/api/v1/targets?limit=1")
    assert [one["environment"] for one in whole] == ["back", "dry", "plain"]
    of_one = asked(told, f"/api/v1/targets?subject={ALPHA}%2Fbot")["items"]
    assert of_one == whole
    assert asked(told, f"/api/v1/targets?subject={ALPHA}%2Fb")["items"] == []
    both = asked(told, "/api/v1/targets", ("*",))["items"]
    assert {one["subject"] for one in both} == {OWNER.subject, Tenant(BRAVO).subject}


def test_the_feed_has_everything_once_and_the_last_first(told: Served) -> None:
    found = pages(told, "/api/v1/events?limit=50")
    assert len({(one["kind"], one["key"]) for one in found}) == len(found)
    moments = [one["at"] for one in found]
    assert moments == sorted(moments, reverse=True)
    kinds = {kind: sum(one["kind"] == kind for one in found) for kind in ("step", "decision")}
    assert kinds == {"step": STEPS + 1, "decision": STEPS + 1}
    assert {one["kind"] for one in found} == {"step", "decision", "failure", "alert", "cycle"}
    steps = pages(told, "/api/v1/events?kind=step&limit=500")
    assert [one for one in found if one["kind"] == "step"] == steps


def test_live_metrics_are_told_page_by_page_with_their_shares(told: Served) -> None:
    path = f"/api/v1/subjects/{ALPHA}%2Fbot/metrics?limit=2"
    found = pages(told, path)
    assert [one["metric"] for one in found] == ["conversion", "m0", "m1", "m2", "m3", "m4"]
    assert [one["reference_share"] for one in found[1:]] == [0.0, 0.05, 0.1, 0.15, 0.2]
    assert "usual" not in found[0]
