"""The HTTP target and the trainer against a real server that checks what it is asked."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from schemas.records import Order, Status
from streams.executor.placement import StaleToken, TargetState, Unreachable, Unusable
from streams.executor.rollout.controller import Ending
from streams.executor.rollout.state_machine import RolloutPlan, RolloutStrategy
from streams.executor.targets.http_target import HttpTarget
from streams.executor.trainer import Trainer
from tests.support.executor.fakes import SHOP, Carried, command
from tests.support.executor.servers import Recorded, Running, served
from tests.support.executor.store import Store

FIRST = TargetState(baseline="v1", command_id="a", attempt=1, fencing_token=2, share=5)
OTHER = replace(FIRST, command_id="b", fencing_token=3)


def target(running: Running) -> HttpTarget:
    return HttpTarget(
        running.caller,
        f"{running.url}/targets/{{target}}",
        f"{running.url}/health?of={{target}}",
        "Bearer abc",
    )


def test_a_rollout_leaves_one_document_for_each_step() -> None:
    store = Store()

    async def test(running: Running) -> Ending:
        plan = RolloutPlan(RolloutStrategy.CANARY, bake_seconds=20)
        return await Carried(
            Order.DEPLOY, command(Order.DEPLOY), target(running), plan, running.clock
        ).run()

    assert served(store.app(), test) == Ending(Status.COMPLETED, "v2 is the baseline: share=100%")
    assert [one["share"] for one in store.puts()] == [1, 5, 10, 25, 50, 100, 0]
    assert {one.headers["Authorization"] for one in store.asked} == {"Bearer abc"}
    assert {one.headers["Content-Type"] for one in store.asked if one.method == "PUT"} == {
        "application/json"
    }


def test_what_was_written_is_read_and_written_again_without_a_put() -> None:
    store = Store()

    async def test(running: Running) -> None:
        assert await target(running).read(SHOP) == TargetState()
        assert await target(running).write(SHOP, TargetState(), FIRST)
        assert await target(running).read(SHOP) == FIRST
        assert await target(running).write(SHOP, TargetState(), FIRST)

    served(store.app(), test)
    assert len(store.puts()) == 1


def test_something_else_stands() -> None:
    store = Store()

    async def test(running: Running) -> None:
        await target(running).write(SHOP, TargetState(), FIRST)
        assert not await target(running).write(SHOP, replace(FIRST, share=1), OTHER)
        with pytest.raises(StaleToken):
            await target(running).write(SHOP, FIRST, replace(FIRST, fencing_token=1))

    served(store.app(), test)
    assert len(store.puts()) == 1


def test_somebody_else_writes_between_the_reading_and_the_writing() -> None:
    store = Store()

    async def test(running: Running) -> None:
        await target(running).write(SHOP, TargetState(), FIRST)
        store.after_get = json.dumps(replaced(json.loads(store.document or b""), share=50)).encode()
        assert not await target(running).write(SHOP, FIRST, replace(FIRST, share=10))
        store.after_get = json.dumps(
            replaced(json.loads(store.document or b""), fencing_token=9)
        ).encode()
        with pytest.raises(StaleToken):
            await target(running).write(SHOP, replace(FIRST, share=50), replace(FIRST, share=10))

    served(store.app(), test)
    assert json.loads(store.document or b"")["fencing_token"] == 9


def test_a_lost_answer_is_not_a_lost_race() -> None:
    store = Store()

    async def test(running: Running) -> None:
        await target(running).write(SHOP, TargetState(), FIRST)
        store.lose_answers = 1
        assert await target(running).write(SHOP, FIRST, OTHER)

    served(store.app(), test)
    assert store.puts()[1] == store.puts()[2], "the second of the same was refused with 412"


def test_a_server_that_recovers_is_asked_again_after_longer_and_longer_rests() -> None:
    store = Store()
    store.first = [web.Response(status=status) for status in (503, 502, 429)]

    async def test(running: Running) -> int:
        began = running.clock.now_ms()
        assert await target(running).read(SHOP) == TargetState()
        return running.clock.now_ms() - began

    assert served(store.app(), test) == 1_000 + 2_000 + 4_000


def test_a_server_that_does_not_recover_is_given_up() -> None:
    store = Store()
    store.first = [web.Response(status=503, text="overloaded") for _ in range(99)]

    async def test(running: Running) -> None:
        with pytest.raises(Unreachable, match="gave 503: overloaded"):
            await target(running).read(SHOP)
        assert running.clock.now_ms() <= running.clock.began + 120_000

    served(store.app(), test)
    assert len(store.asked) == 7


def test_a_server_that_hangs_is_given_up_after_the_time_out() -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    app = web.Application()
    app.router.add_get("/targets/{name}", hang)

    async def test(running: Running) -> None:
        with pytest.raises(Unreachable, match=r"had no answer in 0\.05 s"):
            await target(running).read(SHOP)

    served(app, test, timeout_seconds=0.05)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (web.Response(status=403, text="not you"), "gave 403: not you"),
        (web.Response(text="{}"), "no strong ETag"),
        (web.Response(text="{}", headers={"ETag": 'W/"1"'}), "no strong ETag"),
        (web.Response(text="[1]", headers={"ETag": '"1"'}), "does not hold what stands"),
        (web.Response(body=b"x" * 5_000_000, headers={"ETag": '"1"'}), "more than"),
    ],
)
def test_an_answer_that_cannot_be_used_is_said(answer: web.Response, sentence: str) -> None:
    store = Store()
    store.first = [answer]

    async def test(running: Running) -> None:
        with pytest.raises(Unusable, match=sentence):
            await target(running).read(SHOP)

    served(store.app(), test)


def test_health_is_what_the_health_address_says() -> None:
    store = Store()

    async def test(running: Running) -> None:
        assert await target(running).healthy(SHOP)
        store.healthy = 418
        assert not await target(running).healthy(SHOP)
        store.healthy = 503
        assert not await target(running).healthy(SHOP)
        store.healthy = 200
        store.first = [web.Response(status=503)]
        assert await target(running).healthy(SHOP), "one bad answer is not yet a sick candidate"
        assert await HttpTarget(running.caller, running.url).healthy(SHOP)

    served(store.app(), test)


class Jobs(Recorded):
    """A trainer that has one job for each key."""

    def __init__(self, *said: dict[str, Any]) -> None:
        super().__init__()
        self.jobs: dict[str, list[dict[str, Any]]] = {}
        self.begun = 0
        self._said = said

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.middleware])
        app.router.add_post("/jobs", self._post)
        app.router.add_get("/jobs/{key}", self._get)
        return app

    async def _post(self, request: web.Request) -> web.Response:
        body, key = await request.json(), request.headers["Idempotency-Key"]
        assert (body["kind"], body["command_id"]) == ("RetrainCommand", key)
        assert body["segments"] == ["eu"]
        if key not in self.jobs:
            self.begun += 1
            self.jobs[key] = list(self._said)
        return web.json_response(self._now(key), status=202)

    async def _get(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        return web.json_response(self._now(key)) if key in self.jobs else web.Response(status=404)

    def _now(self, key: str) -> dict[str, Any]:
        said = self.jobs[key]
        return said.pop(0) if len(said) > 1 else said[0]


RETRAIN = command(Order.RETRAIN, segments=("eu",))


Told = list[tuple[str, str, float | None]]


def train(jobs: Jobs) -> tuple[Ending, Told]:
    told: Told = []

    async def say(detail: str, step: str, *, progress: float | None = None) -> None:
        told.append((detail, step, progress))

    async def test(running: Running) -> Ending:
        return await Trainer(running.caller, f"{running.url}/jobs").train(RETRAIN, say)

    return served(jobs.app(), test), told


def test_a_training_is_followed_to_its_end_and_begun_once() -> None:
    jobs = Jobs(
        {"state": "RUNNING"},
        {"state": "RUNNING", "progress": 0.5},
        {"state": "DONE", "detail": "v3 is trained"},
    )
    ending, told = train(jobs)
    assert ending == Ending(Status.COMPLETED, "v3 is trained")
    assert told == [
        ("the training runs", "training 0", None),
        ("50% done", "training 50", 0.5),
    ]
    assert train(jobs) == (ending, [])
    assert jobs.begun == 1


def test_the_version_that_a_training_made_is_told_once_it_is_done() -> None:
    jobs = Jobs(
        {"state": "RUNNING", "model_version": "v3"},
        {"state": "DONE", "detail": "ok", "model_version": "v3"},
    )
    assert train(jobs)[0] == Ending(Status.COMPLETED, "ok", made_version="v3")
    failed = Jobs({"state": "FAILED", "detail": "no data", "model_version": "v3"})
    assert train(failed)[0] == Ending(Status.FAILED, "no data")


def test_a_trainer_that_has_forgotten_is_asked_anew() -> None:
    jobs = Jobs({"state": "RUNNING"}, {"state": "FAILED", "detail": "no data"})
    jobs.first = [web.json_response({"state": "RUNNING"})]
    assert train(jobs)[0] == Ending(Status.FAILED, "no data")


def test_a_trainer_that_is_away_meanwhile_has_not_failed() -> None:
    jobs = Jobs({"state": "RUNNING"}, {"state": "DONE"})
    jobs.first = [
        web.json_response({"state": "RUNNING"}),
        *(web.Response(status=500) for _ in range(7)),
    ]
    ending, told = train(jobs)
    assert ending.status == Status.COMPLETED
    assert told[1][1] == "out of reach"


@pytest.mark.parametrize(
    "answer", [web.Response(status=401), web.json_response({"state": "?"}), web.Response(text="ok")]
)
def test_a_trainer_that_makes_no_sense_fails_the_command(answer: web.Response) -> None:
    jobs = Jobs({"state": "DONE"})
    jobs.first = [answer]
    assert train(jobs)[0].status == Status.FAILED


def replaced(document: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**document, **fields}
