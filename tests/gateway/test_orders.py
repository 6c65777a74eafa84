"""People order and approve over HTTP, and learn what a real processor made of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.catalog import POLICIES, REQUESTS, REVIEWS
from schemas.records import Autonomy, Policy
from streams.runtime.settings import Settings
from tests.support.gateway.served import Answered, Served, token
from tests.support.kafka.logs import messages, send
from tests.support.kafka.running import Threaded, own_topics

pytestmark = pytest.mark.kafka
WAIT = {"Prefer": "wait=13"}
ANN, BOB = token("ann", ("default", "acme")), token("bob", ("default", "acme"))
COMMANDS = "/api/v1/commands"


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as made:
        yield made


@pytest.fixture(scope="module")
def processor(settings: Settings) -> Iterator[Threaded]:
    policy = Policy(event_id="p", policy_id="all", deploy=Autonomy.APPROVE)
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


def deploy(gateway: Served, line: str, **headers: str) -> Answered:
    body = {"kind": "DEPLOY", "subject": line, "to_version": "v7", "why": "the canary was good"}
    return gateway.call("POST", COMMANDS, ANN, body, WAIT | headers)


def content_tag(gateway: Served, command: str) -> str:
    answer = gateway.call("GET", f"{COMMANDS}/{command}/content", BOB)
    assert answer.status == 200, answer.body
    return answer.headers["etag"]


def review(
    gateway: Served, command: str, who: str, tag: str | None, verdict: str = "APPROVE", **more: str
) -> Answered:
    headers = WAIT | ({"If-Match": tag} if tag is not None else {}) | more
    return gateway.call("POST", f"{COMMANDS}/{command}/review", who, {"verdict": verdict}, headers)


def test_an_order_is_answered_with_its_command_and_approved_by_another_person(
    gateway: Served,
) -> None:
    asked = deploy(gateway, "acme/shop")
    assert asked.status == 200, asked.body
    told = asked.json
    assert told["fate"] == "APPLIED"
    assert told["decision"]["outcome"] == "AWAITING_APPROVAL"
    assert told["command"]["command_id"] == told["command_id"]
    assert told["command"]["requested_by"] == "ann"
    tag = content_tag(gateway, told["command_id"])
    done = review(gateway, told["command_id"], BOB, tag)
    assert done.status == 200, done.body
    assert done.json["command"]["phase"] == "ISSUED"
    assert done.json["command"]["approved_by"] == "bob"
    steps = gateway.call("GET", f"{COMMANDS}/{told['command_id']}/history", BOB).json["items"]
    assert [(step["event"], step["by"]) for step in steps] == [
        ("ASK_PERSON", "ann"),
        ("APPROVE", "bob"),
    ]


@pytest.mark.parametrize("who", ["ann", "ANN", "Ａnn ", " ann"])
def test_nobody_approves_what_he_asked_for_himself_however_his_name_is_written(
    gateway: Served, who: str
) -> None:
    told = deploy(gateway, f"shop-{len(who)}-{ord(who[0])}").json
    tag = content_tag(gateway, told["command_id"])
    own = token(who, ("default",))
    answer = review(gateway, told["command_id"], own, tag)
    assert (answer.status, answer.json["reason"]) == (403, "OWN_REQUEST")
    actions = gateway.call("GET", f"{COMMANDS}/{told['command_id']}", own).json["item"]["actions"]
    assert actions["approve"]["allowed"] is False
    assert "may not review" in actions["approve"]["reason"]


def test_a_review_names_the_content_that_was_seen(gateway: Served) -> None:
    told = deploy(gateway, "shop-content").json
    missing = review(gateway, told["command_id"], BOB, None)
    assert (missing.status, missing.json["reason"]) == (428, "DIGEST_MISSING")
    assert told["command"]["digest"] in missing.json["remedy"]
    stale = review(gateway, told["command_id"], BOB, '"0123"')
    assert (stale.status, stale.json["reason"]) == (412, "OTHER_CONTENT")
    assert messages_about(gateway.settings, REVIEWS, told["command_id"]) == 0
    done = review(gateway, told["command_id"], BOB, content_tag(gateway, told["command_id"]))
    assert done.status == 200
    twice = review(gateway, told["command_id"], BOB, '"x"')
    assert twice.status == 412
    over = review(gateway, told["command_id"], BOB, f'"{told["command"]["digest"]}"')
    assert (over.status, over.json["reason"]) == (409, "NOT_PENDING")


@pytest.mark.parametrize("field", ["by", "reviewer", "requestedBy", "requested_by"])
def test_who_says_it_is_no_field(gateway: Served, field: str) -> None:
    body = {"kind": "DEPLOY", "subject": "shop-field", field: "bob"}
    answer = gateway.call("POST", COMMANDS, ANN, body)
    assert (answer.status, answer.json["reason"]) == (422, "NOT_UNDERSTOOD")
    assert field in answer.json["detail"]


def test_what_the_processor_would_refuse_is_refused_at_once(gateway: Served) -> None:
    body = {"kind": "DEPLOY", "subject": "shop-*", "to_version": "v7"}
    answer = gateway.call("POST", COMMANDS, ANN, body, WAIT)
    assert (answer.status, answer.json["reason"]) == (422, "OUT_OF_RANGE")


def test_a_refusal_of_the_processor_is_the_answer(gateway: Served) -> None:
    """A policy names who may approve, which only the processor asks."""
    policy = {
        "policy_id": "guarded",
        "subjects": ["guarded"],
        "approvers": [{"name": "carol", "order": "DEPLOY"}],
    }
    root = token("root", ("*",))
    applied = gateway.call("POST", "/api/v1/policies", root, policy, WAIT)
    assert applied.status == 200, applied.body
    told = deploy(gateway, "guarded").json
    tag = content_tag(gateway, told["command_id"])
    refused = review(gateway, told["command_id"], BOB, tag)
    assert (refused.status, refused.json["reason"]) == (409, "NO_APPROVER")
    assert "guarded" in refused.json["detail"]
    place = messages(gateway.settings, REVIEWS)[-1]
    status = f"/api/v1/writes/{REVIEWS}/{place.partition()}/{place.offset()}"
    fate = gateway.call("GET", status, BOB).json["item"]
    assert (fate["fate"], fate["reason"]) == ("REFUSED", "NO_APPROVER")
    carol = review(gateway, told["command_id"], token("Carol", ("default",)), tag)
    assert carol.status == 200, carol.body


def test_the_same_key_again_writes_nothing_and_says_the_same(gateway: Served) -> None:
    key = {"Idempotency-Key": "deploy the shop once"}
    first = deploy(gateway, "shop-once", **key)
    again = deploy(gateway, "shop-once", **key)
    assert again.json["position"] == first.json["position"]
    assert again.json["command_id"] == first.json["command_id"]
    assert messages_about(gateway.settings, REQUESTS, "shop-once") == 1
    other = deploy(gateway, "shop-twice", **key)
    assert (other.status, other.json["reason"]) == (422, "KEY_REUSED")
    elsewhere = gateway.call(
        "POST", COMMANDS, BOB, {"kind": "RETRAIN", "subject": "shop-once-bob"}, WAIT | key
    )
    assert elsewhere.status == 200, "another person's key is another key"


def test_what_was_written_is_in_an_answer_that_must_rest_on_it(gateway: Served) -> None:
    asked = gateway.call("POST", COMMANDS, ANN, {"kind": "DEPLOY", "subject": "shop-seen"})
    assert asked.status == 202
    assert asked.headers["location"] == asked.json["status_url"]
    at_least = {"Mendstream-At-Least": asked.json["position"]}
    found = gateway.call("GET", f"{COMMANDS}/{asked.json['command_id']}", ANN, headers=at_least)
    if found.status == 503:  # two seconds are little for a machine that does other things
        assert found.headers["retry-after"] == "1"
        found = gateway.call("GET", f"{COMMANDS}/{asked.json['command_id']}", ANN, headers=at_least)
    assert found.status == 200, found.body
    position = {"Mendstream-At-Least": found.json["position"]}
    assert gateway.call("GET", COMMANDS, ANN, headers=position).status == 200
    ahead = {"Mendstream-At-Least": f"{REQUESTS}/0/99999999"}
    assert gateway.call("GET", COMMANDS, ANN, headers=ahead).status == 503
    nonsense = {"Mendstream-At-Least": "yesterday"}
    assert gateway.call("GET", COMMANDS, ANN, headers=nonsense).status == 422


def test_a_freeze_reaches_every_partition_and_is_lifted(gateway: Served) -> None:
    body = {"subject": "acme/*", "why": "black friday"}
    frozen = gateway.call("POST", "/api/v1/freezes", ANN, body, WAIT)
    assert frozen.status == 200, frozen.body
    assert len(frozen.json["position"].split(",")) == gateway.settings.partitions
    shown = gateway.call("GET", "/api/v1/freezes", ANN).json["items"]
    assert [(row["subject"], row["frozen_by"]) for row in shown] == [("acme/*", "ann")]
    lifted = gateway.call("DELETE", "/api/v1/freezes/acme%2F*?why=over", ANN, headers=WAIT)
    assert lifted.status == 200, lifted.body
    assert gateway.call("GET", "/api/v1/freezes", ANN).json["items"] == []
    assert gateway.call("DELETE", "/api/v1/freezes/acme%2F*", ANN).status == 404
    everything = gateway.call("POST", "/api/v1/freezes", ANN, {"subject": "*"})
    assert everything.status == 404, "who may not see everything may not freeze it"
    no_admin = token("root", ("*",), scope="read order")
    denied = gateway.call("POST", "/api/v1/freezes", no_admin, {"subject": "*"})
    assert (denied.status, denied.json["reason"]) == (403, "SCOPE_MISSING")


def test_a_spec_is_checked_and_applied(gateway: Served) -> None:
    spec = {"subject": "acme/shop", "experiment_id": "e1", "control": "a", "treatments": ["b"]}
    checked = gateway.call("POST", "/api/v1/specs?dry_run=true", ANN, spec)
    assert checked.json == {"valid": True, "written": False}
    wrong = gateway.call("POST", "/api/v1/specs?dry_run=true", ANN, spec | {"treatments": []})
    assert (wrong.status, wrong.json["reason"]) == (422, "NO_TREATMENTS")
    unknown = gateway.call("POST", "/api/v1/specs", ANN, spec | {"colour": "red"})
    assert "colour" in unknown.json["detail"]
    applied = gateway.call("POST", "/api/v1/specs", ANN, spec, WAIT)
    assert applied.status == 200, applied.body
    found = gateway.call("GET", "/api/v1/experiments/acme%2Fshop/e1", ANN)
    assert found.json["item"]["treatments"] == ["b"]


def test_a_workflow_of_the_improvement_orchestrator_lives_the_life_of_a_command(
    gateway: Served,
) -> None:
    asked = gateway.call(
        "POST",
        "/api/workflows/retrain-model",
        ANN,
        {"modelType": "acme/words", "baseModelId": "v6", "improvements": ["more data"]},
        WAIT,
    )
    assert asked.status == 200, asked.body
    told = asked.json
    assert (told["status"], told["phase"]) == ("RUNNING", "PENDING_APPROVAL")
    assert told["withoutEffect"] == ["improvements"]
    path = f"/api/workflows/{told['workflowId']}"
    shown = gateway.call("GET", f"{path}/status", BOB).json
    assert (shown["type"], shown["modelType"]) == ("RETRAIN", "acme/words")
    approved = gateway.call("POST", f"{path}/approve", BOB, {"digest": shown["digest"]}, WAIT)
    assert approved.status == 200, approved.body
    assert approved.json["phase"] == "ISSUED"
    cancelled = gateway.call("POST", f"{path}/cancel", BOB, {"reason": "enough"}, WAIT)
    assert cancelled.json["phase"] == "CANCELLED"
    assert gateway.call("GET", f"{path}/status", BOB).json["status"] == "CANCELED"
    history = gateway.call("GET", "/api/improvements/history?modelType=acme%2Fwords", BOB).json
    assert [item["workflowId"] for item in history["items"]] == [told["workflowId"]]
    own = {"modelType": "acme/words", "modelId": "v7", "autoApprove": True}
    assert gateway.call("POST", "/api/workflows/deploy-model", ANN, own).status == 422


def test_services_do_not_review(gateway: Served) -> None:
    told = deploy(gateway, "shop-service").json
    tag = content_tag(gateway, told["command_id"])
    for more in ({"amr": None}, {"client_id": "robot"}, {"azp": "robot"}):
        answer = review(gateway, told["command_id"], token("robot", ("default",), **more), tag)
        assert (answer.status, answer.json["reason"]) == (403, "NO_PERSON")


def messages_about(settings: Settings, topic: str, text: str) -> int:
    found: list[Any] = messages(settings, topic)
    return sum(text.encode() in (message.value() or b"") for message in found)
