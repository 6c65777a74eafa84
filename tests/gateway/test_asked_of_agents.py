"""Recommendations, their outcomes, learning, trust and trainings over HTTP, and what a real
processor made of them.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from schemas.catalog import POLICIES, REQUESTS, STATUS
from schemas.records import Autonomy, CommandStatus, Policy, Status
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.settings import Settings
from tests.support.gateway.served import Answered, Served, token
from tests.support.kafka.logs import messages, send
from tests.support.kafka.running import SECONDS, Threaded, own_topics

pytestmark = pytest.mark.kafka
WAIT = {"Prefer": "wait=13"}
ANN, EVE = token("ann", ("acme",)), token("eve", ("other",))
AGENT = "acme/adviser"
LEARNING, JOBS = "/api/v1/learning", "/api/v1/training/jobs"
METRICS = f"{LEARNING}/agents/{quote(AGENT, safe='')}/metrics"


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as made:
        yield made


@pytest.fixture(scope="module")
def processor(settings: Settings) -> Iterator[Threaded]:
    policy = Policy(event_id="p", policy_id="all", retrain=Autonomy.AUTO)
    send(settings, POLICIES, [policy], ["all"])
    with Threaded(settings) as worker:
        worker.until(lambda: worker.ready)
        yield worker


@pytest.fixture(scope="module")
def gateway(
    settings: Settings, processor: Threaded, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    assert processor.ready
    with Served(settings, tmp_path_factory.mktemp("views")) as served:
        yield served


def recommended(run: str, **more: Any) -> dict[str, Any]:
    made = {"agent_id": AGENT, "run_id": run, "kind": "strategy", "content": "roll back"}
    return {**made, "confidence": 0.75, **more}


def post(gateway: Served, path: str, body: Any, who: str = ANN, **headers: str) -> Answered:
    return gateway.call("POST", path, who, body, WAIT | headers)


def seen(gateway: Served, path: str, **wanted: Any) -> dict[str, Any]:
    """What a path shows, once it shows this."""
    last = list[Any]()

    def there() -> bool:
        last[:] = [gateway.call("GET", path, ANN)]
        shown = last[0].json.get("item", {})
        return all(shown.get(name) == value for name, value in wanted.items())

    assert wait_until(there, SECONDS), last[0].body
    found: dict[str, Any] = last[0].json["item"]
    return found


def test_what_agents_recommend_is_judged_counted_and_learned_from(gateway: Served) -> None:
    sent = post(gateway, f"{LEARNING}/recommendations", {"items": [recommended("r1")]})
    assert sent.status == 202, sent.body
    assert sent.json["positions"][0].startswith("recommendations.v1/")
    outcome = {"agent_id": AGENT, "run_id": "r1", "judgement": "APPROVED", "quality": 0.5}
    assert post(gateway, f"{LEARNING}/outcomes", {"items": [outcome]}).status == 202
    shown = seen(gateway, METRICS, total=1, approved=1)
    assert (shown["avg_confidence"], shown["avg_quality"], shown["approval_rate"]) == (0.75, 0.5, 1)
    learned = post(gateway, f"{LEARNING}/cycles", {"tenant": "acme", "why": "now"})
    assert (learned.status, learned.json["fate"]) == (200, "APPLIED"), learned.body
    (cycle,) = gateway.call("GET", f"{LEARNING}/cycles", ANN).json["items"]
    assert (cycle["tenant"], cycle["trigger"], cycle["outcomes"]) == ("acme", "REQUEST", 1)
    again = post(gateway, f"{LEARNING}/cycles", {"tenant": "acme"})
    assert (again.status, again.json["reason"]) == (409, "NOTHING_NEW")


def test_a_batch_is_written_whole_or_not_at_all(gateway: Served, settings: Settings) -> None:
    before = len(messages(settings, "recommendations.v1"))
    wrong: list[tuple[dict[str, Any], int, str]] = [
        (recommended("r2", confidence=2.0), 422, "OUT_OF_RANGE"),
        (recommended("r2", agent_id="other/adviser"), 404, "NOT_FOUND"),
        (recommended("r2", event_id="mine"), 422, "NOT_UNDERSTOOD"),
        (recommended("r2", colour="red"), 422, "NOT_UNDERSTOOD"),
    ]
    for item, status, reason in wrong:
        body = {"items": [recommended("r2"), item]}
        answer = post(gateway, f"{LEARNING}/recommendations", body)
        assert (answer.status, answer.json["reason"]) == (status, reason), answer.body
    assert len(messages(settings, "recommendations.v1")) == before
    said = {"agent_id": AGENT, "run_id": "r2", "judgement": "APPROVED", "quality": 0.5}
    own = post(gateway, f"{LEARNING}/outcomes", {"items": [said | {"judged_by": "bob"}]})
    assert (own.status, own.json["reason"]) == (422, "NOT_UNDERSTOOD")


def test_nobody_learns_for_another_tenant(gateway: Served) -> None:
    assert post(gateway, f"{LEARNING}/cycles", {"tenant": "acme"}, EVE).status == 404
    assert post(gateway, f"{LEARNING}/cycles", {"tenant": "nowhere"}).status == 404


def test_trust_begins_anew_for_as_many_agents_as_are_confirmed(
    gateway: Served, settings: Settings
) -> None:
    path, agents = f"{LEARNING}/debug/initialize-trust-scores", [AGENT, "acme/other"]
    before = len(messages(settings, REQUESTS))
    unsure = post(gateway, path, {"agents": agents, "confirm": 1})
    assert (unsure.status, unsure.json["reason"]) == (422, "NOT_CONFIRMED")
    foreign = post(gateway, path, {"agents": [AGENT, "other/x"], "confirm": 2})
    assert foreign.status == 404
    assert len(messages(settings, REQUESTS)) == before
    body = {"agents": [*agents, AGENT], "kind": "DETECTOR", "confirm": 2}
    done = post(gateway, path, body, **{"Idempotency-Key": "once"})
    assert (done.status, done.json["initialised"], done.json["fate"]) == (200, agents, "APPLIED")
    for agent in agents:
        shown = seen(gateway, f"{LEARNING}/trust/{quote(agent, safe='')}", kind="DETECTOR")
        assert (shown["initialised_by"], shown["outcomes"]) == ("ann", 0)
    again = post(gateway, path, body, **{"Idempotency-Key": "once"})
    assert again.json["positions"] == done.json["positions"]


def test_a_training_is_asked_for_followed_and_taken_back(
    gateway: Served, settings: Settings
) -> None:
    body = {
        "subject": "acme/words",
        "model_version": "v6",
        "why": "it forgets",
        "priority": "HIGH",
        "max_retries": 0,
    }
    begun = post(gateway, JOBS, body)
    assert begun.status == 200, begun.body
    command = begun.json["command"]
    path = f"{JOBS}/{command['command_id']}"
    shown = gateway.call("GET", path, ANN).json["item"]
    wanted = {"subject": "acme/words", "model_version": "v6", "priority": "HIGH", "progress": None}
    assert {name: shown[name] for name in wanted} == wanted
    assert (shown["status"], command["attempts_max"]) == ("RUNNING", 1)
    send(settings, STATUS, [half_done(command)], ["acme/words"])
    assert seen(gateway, path, progress=0.5)["phase"] == "IN_PROGRESS"
    workflow = gateway.call("GET", f"/api/workflows/{command['command_id']}/status", ANN).json
    assert workflow["progress"] == 0.5
    listed = gateway.call("GET", f"{JOBS}?subject=acme%2Fwords", ANN).json["items"]
    assert [(one["id"], one["progress"]) for one in listed] == [(command["command_id"], 0.5)]
    assert gateway.call("GET", path, EVE).status == 404
    taken = gateway.call("PATCH", f"{path}/cancel", ANN, {"why": "enough"}, WAIT)
    assert taken.status == 200, taken.body
    assert seen(gateway, path, status="CANCELED")["phase"] == "CANCELLED"


def test_what_is_no_training_is_no_job(gateway: Served) -> None:
    ordered = post(
        gateway, "/api/v1/commands", {"kind": "ROLLBACK", "subject": "acme/bot", "to_version": "v1"}
    )
    path = f"{JOBS}/{ordered.json['command_id']}"
    assert gateway.call("GET", path, ANN).status == 404
    assert gateway.call("PATCH", f"{path}/cancel", ANN, {}).status == 404


def test_a_facade_says_which_of_its_fields_have_no_effect(gateway: Served) -> None:
    body = {"modelType": "acme/faces", "priority": "high", "maxRetries": 3}
    begun = post(gateway, "/api/workflows/improve-model", body | {"notificationChannels": ["x"]})
    assert begun.json["withoutEffect"] == ["maxRetries", "notificationChannels"], begun.body
    command = gateway.call("GET", f"/api/v1/commands/{begun.json['workflowId']}", ANN).json["item"]
    assert (command["priority"], command["attempts_max"]) == ("HIGH", 0)
    few = {"modelType": "acme/ears", "maxRetries": 1}
    begun = post(gateway, "/api/workflows/improve-model", few)
    assert begun.json["withoutEffect"] == []
    command = gateway.call("GET", f"/api/v1/commands/{begun.json['workflowId']}", ANN).json["item"]
    assert command["attempts_max"] == 2
    for wrong in ({"priority": "soon"}, {"maxRetries": 4}, {"autoApprove": True}):
        answer = post(gateway, "/api/workflows/improve-model", {"modelType": "acme/ears", **wrong})
        assert answer.status == 422, answer.body


def test_the_rate_of_improvement_counts_what_was_carried_out(
    gateway: Served, settings: Settings
) -> None:
    path, mine = "/api/metrics/improvement-rate?window=7", token("kim", ("kim",))
    assert gateway.call("GET", path, mine).json["rate"] is None
    ends = (Status.COMPLETED, Status.COMPLETED, Status.REFUSED)
    for number, status in enumerate(ends):
        subject = f"kim/line-{number}"
        begun = post(gateway, JOBS, {"subject": subject}, mine).json["command"]
        send(settings, STATUS, [reported(begun, status)], [subject])
    post(gateway, JOBS, {"subject": "kim/waiting"}, mine)
    found = list[dict[str, Any]]()

    def counted() -> bool:
        found[:] = [gateway.call("GET", path, mine).json]
        return (found[0]["improved"], found[0]["failed"], found[0]["pending"]) == (2, 1, 1)

    assert wait_until(counted, SECONDS), found
    assert (found[0]["rate"], found[0]["takenBack"]) == (2 / 3, 0)
    assert 0.0 <= found[0]["medianHoursWithoutWaiting"] <= found[0]["medianHoursToImprovement"] < 1
    lines = [(one["modelType"], one["improved"]) for one in found[0]["models"]]
    assert lines == [("kim/line-0", 1), ("kim/line-1", 1), ("kim/line-2", 0), ("kim/waiting", 0)]


def half_done(command: dict[str, Any]) -> CommandStatus:
    return reported(command, Status.IN_PROGRESS, progress=0.5)


def reported(command: dict[str, Any], status: Status, **more: Any) -> CommandStatus:
    return CommandStatus(
        event_id=f"{status} of {command['command_id']}",
        command_id=command["command_id"],
        subject=command["subject"],
        status=status,
        fencing_token=command["fencing_token"],
        **more,
        reported_at=now_ms(),
        reporter="trainer",
    )
