"""Targets in Kubernetes against a local API server that does what the real one does to what it is
asked.
"""

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from schemas.records import Order, Status
from streams.executor.placement import PlacementPhase, StaleToken, Target, TargetState, Unusable
from streams.executor.rollout.controller import Ending
from streams.executor.rollout.state_machine import RolloutPlan, RolloutStrategy
from streams.executor.targets.argo_rollout import ArgoWorkload, RolloutTarget
from streams.executor.targets.deployment_pair import DeploymentPair, DeploymentsTarget
from streams.executor.targets.kubernetes_api import Cluster, cluster
from streams.runtime.errors import MendstreamError
from tests.support.executor.fakes import SHOP, Carried, Killed, Mortal, command
from tests.support.executor.servers import Recorded, Running, served

PLAN = RolloutPlan(RolloutStrategy.CANARY, bake_seconds=20)
IMAGE = "models/shop:{version}"
Object = dict[str, Any]


class ApiServer(Recorded):
    """Objects with resourceVersions and merge patches; `quick`: its controllers catch up with each
    change at once.
    """

    def __init__(self, token: str = "secret") -> None:
        super().__init__()
        self.objects: dict[str, Object] = {}
        self.quick = True
        self.busy = 0  # status writes by a controller, each right after a GET
        self._token, self._version = token, 100

    def add(self, path: str, name: str, replicas: int = 0) -> None:
        containers = [
            {"name": "model", "image": "models/shop:v1"},
            {"name": "sidecar", "image": "proxy:1"},
        ]
        self.objects[f"{path}/{name}"] = {
            "metadata": {"name": name, "generation": 1, "resourceVersion": "1"},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
            "status": {},
        }

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.middleware])
        app.router.add_get("/apis/{path:.*}", self._get)
        app.router.add_patch("/apis/{path:.*}", self._patch)
        return app

    def patches(self) -> list[tuple[str, Object]]:
        return [
            (one.path.rpartition("/")[2], json.loads(one.body))
            for one in self.asked
            if one.method == "PATCH"
        ]

    def image(self, path: str) -> str:
        containers = self.objects[path]["spec"]["template"]["spec"]["containers"]
        assert [one["name"] for one in containers] == ["model", "sidecar"], "no container was lost"
        return str(containers[0]["image"])

    async def _get(self, request: web.Request) -> web.Response:
        found = self._found(request)
        answer = web.json_response(found)
        if self.busy:
            self.busy -= 1
            self._touch(found)
        return answer

    async def _patch(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/merge-patch+json"
        found, change = self._found(request), await request.json()
        wanted = change.get("metadata", {}).pop("resourceVersion", None)
        if wanted is not None and wanted != found["metadata"]["resourceVersion"]:
            return web.json_response({"reason": "Conflict"}, status=409)
        before = copy.deepcopy(found["spec"])
        if request.path.endswith("/status"):
            assert set(change) == {"status"}
        else:
            assert wanted is not None, "a spec is only written as it was read"
            change.pop("status", None)  # the real one ignores it here
        merge(found, change)
        self._touch(found)
        found["metadata"]["generation"] += found["spec"] != before
        if self.quick:
            self.settle(found)
        return web.json_response(found)

    def settle(self, found: Object) -> None:
        """What Kubernetes' own controllers and Argo's would write."""
        status, spec = found["status"], found["spec"]
        status |= {
            "observedGeneration": found["metadata"]["generation"],
            "availableReplicas": spec["replicas"],
        }
        image = spec["template"]["spec"]["containers"][0]["image"]
        status["currentPodHash"] = image
        if status.pop("promoteFull", False):
            status["stableRS"] = image
        status["phase"] = "Degraded" if status.get("abort") else "Paused"

    def _found(self, request: web.Request) -> Object:
        assert request.headers["Authorization"] == f"Bearer {self._token}"
        path = request.match_info["path"].removesuffix("/status")
        if path not in self.objects:
            raise web.HTTPNotFound(text=f"{path} not found")
        return self.objects[path]

    def _touch(self, found: Object) -> None:
        self._version += 1
        found["metadata"]["resourceVersion"] = str(self._version)


def merge(target: Object, change: Object) -> None:
    """RFC 7396."""
    for name, value in change.items():
        if isinstance(value, dict):
            merge(target.setdefault(name, {}), value)
        elif value is None:
            target.pop(name, None)
        else:
            target[name] = value


DEPLOYMENTS = "apps/v1/namespaces/ml/deployments"
ROLLOUTS = "argoproj.io/v1alpha1/namespaces/ml/rollouts"
BLUE, GREEN, ROLLOUT = f"{DEPLOYMENTS}/blue", f"{DEPLOYMENTS}/green", f"{ROLLOUTS}/shop"


@pytest.fixture
def api() -> ApiServer:
    made = ApiServer()
    made.add(DEPLOYMENTS, "blue", replicas=10)
    made.add(DEPLOYMENTS, "green")
    made.add(ROLLOUTS, "shop", replicas=10)
    return made


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("secret\n")
    return path


def pair(running: Running, token: Path) -> Target:
    where = Cluster(running.url, "ml", token)
    return DeploymentsTarget(
        running.caller, where, DeploymentPair(("blue", "green"), 10, "model", IMAGE)
    )


def argo(running: Running, token: Path) -> Target:
    return RolloutTarget(
        running.caller, Cluster(running.url, "ml", token), ArgoWorkload("shop", "model", IMAGE)
    )


async def deploy(running: Running, target: Target, version: str, number: int = 1) -> Ending:
    given = command(Order.DEPLOY, number, model_version=version)
    return await Carried(Order.DEPLOY, given, target, PLAN, running.clock).run()


async def roll_back(
    running: Running, target: Target, version: str, number: int, to: str | None = None
) -> Ending:
    given = command(Order.ROLLBACK, number, model_version=version, to_version=to)
    return await Carried(Order.ROLLBACK, given, target, PLAN, running.clock).run()


def replicas(api: ApiServer) -> tuple[int, int]:
    return api.objects[BLUE]["spec"]["replicas"], api.objects[GREEN]["spec"]["replicas"]


def test_replicas_follow_the_shares_and_the_promoted_deployment_stays(
    api: ApiServer, token: Path
) -> None:
    async def test(running: Running) -> None:
        target = pair(running, token)
        assert (await deploy(running, target, "v2")).status == Status.COMPLETED
        assert [target.share(TargetState(share=share)) for share in (0, 1, 25, 100)] == [
            0.0,
            0.1,
            0.3,
            1.0,
        ]

    served(api.app(), test)
    blue = [change["spec"]["replicas"] for name, change in api.patches() if name == "blue"]
    green = [change["spec"]["replicas"] for name, change in api.patches() if name == "green"]
    assert blue == [
        9,
        9,
        9,
        7,
        5,
        0,
        0,
    ]  # the first holds what stands, so that it is written at each step
    assert green == [1, 3, 5, 10]
    assert (api.image(BLUE), api.image(GREEN)) == ("models/shop:v1", "models/shop:v2")
    noted = api.objects[BLUE]["metadata"]["annotations"]
    assert (noted["mendstream/command-id"], noted["mendstream/fencing-token"]) == ("deploy-1", "1")


def test_the_next_version_goes_where_the_old_one_was_and_a_rollback_brings_it_back(
    api: ApiServer, token: Path
) -> None:
    async def test(running: Running) -> None:
        target = pair(running, token)
        await deploy(running, target, "v2", 1)
        await deploy(running, target, "v3", 2)
        assert (replicas(api), api.image(BLUE), api.image(GREEN)) == (
            (10, 0),
            "models/shop:v3",
            "models/shop:v2",
        )
        ending = await roll_back(running, target, "v3", 3, to="v2")
        assert ending.detail == "v2 serves in place of v3: share=0%"
        assert (replicas(api), api.image(GREEN)) == ((0, 10), "models/shop:v2")

    served(api.app(), test)


def test_a_candidate_whose_pods_do_not_come_up_is_scaled_down(api: ApiServer, token: Path) -> None:
    api.quick = False

    async def test(running: Running) -> Ending:
        return await deploy(running, pair(running, token), "v2")

    assert (
        served(api.app(), test).detail
        == "v2 was unhealthy at 1 % of the traffic and was rolled back: share=0%"
    )
    assert replicas(api) == (10, 0)


@pytest.mark.parametrize("kind", ["deployments", "rollout"])
def test_a_controller_that_writes_between_is_no_rival(
    api: ApiServer, token: Path, kind: str
) -> None:
    api.busy = 3

    async def test(running: Running) -> None:
        target = pair(running, token) if kind == "deployments" else argo(running, token)
        assert await target.write(
            SHOP,
            TargetState(),
            TargetState(candidate="v2", share=5, command_id="a", fencing_token=1),
        )

    served(api.app(), test)


@pytest.mark.parametrize("kind", ["deployments", "rollout"])
def test_a_late_writer_is_refused(api: ApiServer, token: Path, kind: str) -> None:
    async def test(running: Running) -> None:
        target = pair(running, token) if kind == "deployments" else argo(running, token)
        later = TargetState(candidate="v2", share=5, command_id="a", fencing_token=5)
        assert await target.write(SHOP, TargetState(), later)
        assert not await target.write(
            SHOP, TargetState(), TargetState(candidate="v3", command_id="b", fencing_token=6)
        )
        with pytest.raises(StaleToken):
            await target.write(SHOP, later, TargetState(command_id="c", fencing_token=4))

    served(api.app(), test)


def test_a_writer_that_slept_does_not_touch_the_second_deployment(
    api: ApiServer, token: Path
) -> None:
    api.objects[GREEN]["metadata"]["annotations"] = {"mendstream/fencing-token": "9"}

    async def test(running: Running) -> None:
        with pytest.raises(StaleToken, match="green was changed"):
            await pair(running, token).write(
                SHOP, TargetState(), TargetState(candidate="v2", share=5, fencing_token=4)
            )

    served(api.app(), test)
    assert api.patches() == []


def test_one_that_died_between_the_two_deployments_is_made_whole(
    api: ApiServer, token: Path
) -> None:
    async def test(running: Running) -> None:
        target = pair(running, token)
        with pytest.raises(Killed):
            await deploy(running, Mortal(target, 1, after=True), "v2")
        api.objects[GREEN]["spec"]["replicas"] = 0  # as if the second patch had not been sent
        del api.objects[GREEN]["metadata"]["annotations"]
        assert (await deploy(running, target, "v2")).status == Status.COMPLETED

    served(api.app(), test)
    assert [change["spec"]["replicas"] for name, change in api.patches() if name == "green"] == [
        1,
        1,
        3,
        5,
        10,
    ]


def test_argo_is_given_the_weights_one_by_one_and_promoted_whole(
    api: ApiServer, token: Path
) -> None:
    async def test(running: Running) -> None:
        assert (await deploy(running, argo(running, token), "v2")).status == Status.COMPLETED

    served(api.app(), test)
    steps = [
        change["spec"]["strategy"]["canary"]["steps"]
        for _, change in api.patches()
        if "strategy" in change.get("spec", {})
    ]
    assert steps == [[{"setWeight": share}, {"pause": {}}] for share in (1, 5, 10, 25, 50, 100)]
    assert api.patches()[-1] == ("status", {"status": {"promoteFull": True}})
    assert api.image(ROLLOUT) == "models/shop:v2"


def test_argo_aborts_at_a_rollback_and_goes_on_with_the_next_version(
    api: ApiServer, token: Path
) -> None:
    async def test(running: Running) -> None:
        target = argo(running, token)
        with pytest.raises(Killed):
            await deploy(running, Mortal(target, 3, after=True), "v2")
        assert (await roll_back(running, target, "v2", 2)).status == Status.COMPLETED
        assert api.patches()[-1] == ("status", {"status": {"abort": True}})
        assert (await deploy(running, target, "v2", 3)).status == Status.COMPLETED
        assert ("status", {"status": {"abort": False}}) in api.patches()

    served(api.app(), test)


def test_argo_brings_a_version_back_whole(api: ApiServer, token: Path) -> None:
    async def test(running: Running) -> None:
        target = argo(running, token)
        await deploy(running, target, "v2")
        assert (await roll_back(running, target, "v2", 2, to="v1")).status == Status.COMPLETED

    served(api.app(), test)
    assert api.image(ROLLOUT) == "models/shop:v1"
    assert api.patches()[-1] == ("status", {"status": {"promoteFull": True}})


def test_an_abort_that_was_not_sent_is_sent_by_the_next_executor(
    api: ApiServer, token: Path
) -> None:
    async def test(running: Running) -> None:
        target = argo(running, token)
        wanted = TargetState(
            candidate="v2", command_id="a", fencing_token=1, phase=PlacementPhase.ROLLED_BACK
        )
        await target.write(SHOP, TargetState(), wanted)
        api.objects[ROLLOUT]["status"].pop("abort")
        await target.write(SHOP, wanted, wanted)

    served(api.app(), test)
    assert [name for name, _ in api.patches()] == ["shop", "status", "status"]


def test_a_workload_that_is_not_there_is_said(token: Path) -> None:
    async def test(running: Running) -> None:
        for target in (pair(running, token), argo(running, token)):
            with pytest.raises(Unusable, match="gave 404"):
                await target.read(SHOP)

    served(ApiServer().app(), test)


def test_a_container_that_is_not_there_is_said(api: ApiServer, token: Path) -> None:
    async def test(running: Running) -> None:
        workload = ArgoWorkload("shop", "modell", IMAGE)
        target = RolloutTarget(running.caller, Cluster(running.url, "ml", token), workload)
        with pytest.raises(Unusable, match="no container 'modell'"):
            await target.write(
                SHOP, TargetState(), TargetState(candidate="v2", phase=PlacementPhase.BAKING)
            )

    served(api.app(), test)


def test_a_token_that_was_renewed_is_read_anew(token: Path) -> None:
    api = ApiServer(token="renewed")
    api.add(ROLLOUTS, "shop")
    token.write_text("renewed")

    async def test(running: Running) -> None:
        assert await argo(running, token).read(SHOP) == TargetState()

    served(api.app(), test)


def test_inside_a_cluster_the_surroundings_say_where_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(MendstreamError, match="runs in none"):
        cluster()
    (tmp_path / "namespace").write_text("ml\n")
    monkeypatch.setattr("streams.executor.targets.kubernetes_api._ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    with pytest.raises(FileNotFoundError):
        cluster()  # its certificate is always there in a cluster, and is never left out
    assert cluster("http://127.0.0.1:1/") == Cluster("http://127.0.0.1:1", "default")


def test_two_executors_at_one_target_make_one_rollout(api: ApiServer, token: Path) -> None:
    async def test(running: Running) -> None:
        endings = await asyncio.gather(
            *(deploy(running, pair(running, token), "v2") for _ in range(2))
        )
        assert (
            endings[0] == endings[1] == Ending(Status.COMPLETED, "v2 is the baseline: share=100%")
        )

    served(api.app(), test)
    green = [change["spec"]["replicas"] for name, change in api.patches() if name == "green"]
    assert sorted(set(green)) == [1, 3, 5, 10]
