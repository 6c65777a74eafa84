"""A target that is one Rollout of Argo Rollouts: it moves the traffic, and is told how far.

The ramp is ours, so the Rollout's own steps are always two: the share, and a pause. Abort and
promotion are asked for in its status, as `kubectl argo rollouts` does.
"""

from dataclasses import dataclass

from streams.executor.http_client import Caller
from streams.executor.placement import PlacementPhase, TargetState, fence
from streams.executor.targets.kubernetes_api import (
    Api,
    Cluster,
    Object,
    at_version,
    caught_up,
    marks,
    state_of,
    with_image,
)

_SERVING = (
    "Healthy",
    "Paused",
)  # phases in which the pods of both versions are as the Rollout wants them


@dataclass(frozen=True, slots=True)
class ArgoWorkload:
    """image: {version} in it is the version's name."""

    name: str
    container: str
    image: str


class RolloutTarget:
    def __init__(self, caller: Caller, where: Cluster, workload: ArgoWorkload) -> None:
        self._api, self._workload = Api(caller, where, "argoproj.io/v1alpha1", "rollouts"), workload

    async def read(self, name: str) -> TargetState:
        return state_of(name, await self._api.get(self._workload.name))

    async def write(self, name: str, expected: TargetState, wanted: TargetState) -> bool:
        return await self._api.agreed(lambda: self._write(name, expected, wanted))

    def share(self, placed: TargetState) -> float:
        return placed.share / 100

    async def healthy(self, name: str) -> bool:
        found = await self._api.get(self._workload.name)
        return caught_up(found) and (found.get("status") or {}).get("phase") in _SERVING

    async def _write(self, name: str, expected: TargetState, wanted: TargetState) -> bool | None:
        found = await self._api.get(self._workload.name)
        stands = state_of(name, found)
        fence(name, stands, wanted)
        if stands not in (expected, wanted):
            return False
        if stands != wanted:
            back = wanted.phase == PlacementPhase.ROLLED_BACK and wanted.baseline != stands.baseline
            if not await self._api.patch(
                self._workload.name,
                at_version(found, marks(wanted), self._spec(found, wanted, back)),
            ):
                return None
            found = await self._api.get(self._workload.name)
        if status := _asked(found, wanted, self._image(wanted)):
            await self._api.patch(self._workload.name, {"status": status}, status=True)
        return True

    def _spec(self, found: Object, wanted: TargetState, back: bool) -> Object:
        """back: to a version before, for which the Rollout is given that version's image again."""
        spec: Object = {}
        if wanted.phase == PlacementPhase.BAKING:
            spec["strategy"] = {"canary": {"steps": [{"setWeight": wanted.share}, {"pause": {}}]}}
        if wanted.phase == PlacementPhase.BAKING or back:
            version = wanted.baseline if back else wanted.candidate
            spec |= with_image(
                found, self._workload.container, self._workload.image.replace("{version}", version)
            )
        return spec

    def _image(self, wanted: TargetState) -> str:
        return self._workload.image.replace("{version}", wanted.baseline)


def _asked(found: Object, wanted: TargetState, baseline_image: str) -> Object:
    """Returns what the status must be told yet; nothing where the Rollout is there already."""
    status = found.get("status") or {}
    images = [one.get("image") for one in found["spec"]["template"]["spec"]["containers"]]
    whole = status.get("stableRS") is not None and status.get("stableRS") == status.get(
        "currentPodHash"
    )
    if wanted.phase == PlacementPhase.BAKING:
        return {"abort": False} if status.get("abort") else {}
    if wanted.phase == PlacementPhase.PROMOTED or (
        wanted.phase == PlacementPhase.ROLLED_BACK and baseline_image in images
    ):
        return {} if whole and caught_up(found) else {"promoteFull": True}
    return {} if status.get("abort") else {"abort": True}
