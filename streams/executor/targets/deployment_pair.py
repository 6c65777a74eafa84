"""A target of two plain Deployments behind one Service: traffic follows the number of replicas.

Two workloads change parts: the one whose version is promoted goes on as the baseline, so that no
pod is moved for it. What stands is written on the first of the two; whoever could write it may then
change the second.
"""

from dataclasses import dataclass
from math import ceil

from streams.executor.http_client import Caller
from streams.executor.placement import StaleToken, TargetState, fence
from streams.executor.targets.kubernetes_api import (
    TOKEN,
    VERSION,
    Api,
    Cluster,
    Object,
    annotations,
    at_version,
    caught_up,
    marks,
    number,
    state_of,
    with_image,
)


@dataclass(frozen=True, slots=True)
class DeploymentPair:
    """names: of the two Deployments. image: {version} in it is the version's name."""

    names: tuple[str, str]
    replicas: int
    container: str
    image: str


class DeploymentsTarget:
    """Shares are rounded up to whole replicas: with 10 of them, 1 % is one replica, so 10 % of the
    traffic.
    """

    def __init__(self, caller: Caller, where: Cluster, pair: DeploymentPair) -> None:
        self._api, self._pair = Api(caller, where, "apps/v1", "deployments"), pair

    async def read(self, name: str) -> TargetState:
        return state_of(name, await self._api.get(self._pair.names[0]))

    async def write(self, name: str, expected: TargetState, wanted: TargetState) -> bool:
        return await self._api.agreed(lambda: self._write(name, expected, wanted))

    def share(self, placed: TargetState) -> float:
        return self._candidates(placed) / self._pair.replicas

    async def healthy(self, name: str) -> bool:
        first, second = await self._both()
        seats = _seats(first, second, state_of(name, first))
        candidate = seats[1]
        available = number(candidate, (candidate.get("status") or {}).get("availableReplicas"))
        return caught_up(candidate) and available >= number(
            candidate, candidate["spec"].get("replicas")
        )

    async def _write(self, name: str, expected: TargetState, wanted: TargetState) -> bool | None:
        """None: somebody wrote to one of the two meanwhile, perhaps a controller."""
        first, second = await self._both()
        stands = state_of(name, first)
        fence(name, stands, wanted)
        if stands not in (expected, wanted):
            return False
        if number(second, annotations(second).get(TOKEN)) > wanted.fencing_token:
            raise StaleToken(
                f"{self._pair.names[1]} was changed with a token later than {wanted.fencing_token}"
            )
        seats = _seats(first, second, wanted)
        changes = {
            seat["metadata"]["name"]: self._spec(seat, part, wanted)
            for part, seat in enumerate(seats)
        }
        for found, noted in ((first, marks(wanted)), (second, {TOKEN: str(wanted.fencing_token)})):
            own = found["metadata"]["name"]
            version = wanted.candidate if found is seats[1] else wanted.baseline
            if version:
                noted[VERSION] = version
            if _is(found, noted, changes[own]):
                continue
            if not await self._api.patch(own, at_version(found, noted, changes[own])):
                return None
        return True

    async def _both(self) -> tuple[Object, Object]:
        return await self._api.get(self._pair.names[0]), await self._api.get(self._pair.names[1])

    def _candidates(self, placed: TargetState) -> int:
        return ceil(self._pair.replicas * placed.share / 100)

    def _spec(self, seat: Object, part: int, wanted: TargetState) -> Object:
        """The spec of the baseline (part 0) or the candidate (part 1)."""
        candidates = self._candidates(wanted)
        spec: Object = {"replicas": candidates if part else self._pair.replicas - candidates}
        version = wanted.candidate if part else wanted.baseline
        if version and annotations(seat).get(VERSION) != version:
            spec |= with_image(
                seat, self._pair.container, self._pair.image.replace("{version}", version)
            )
        return spec


def _seats(first: Object, second: Object, placed: TargetState) -> tuple[Object, Object]:
    """The workload of the baseline and that of the candidate, by the version that each serves."""
    versions = annotations(first).get(VERSION, ""), annotations(second).get(VERSION, "")
    if placed.baseline and placed.baseline in versions:
        swapped = versions[0] != placed.baseline
    else:
        swapped = bool(placed.candidate) and versions[0] == placed.candidate
    return (second, first) if swapped else (first, second)


def _is(found: Object, noted: dict[str, str], spec: Object) -> bool:
    """Returns whether a workload is already what it should be."""
    same = all(annotations(found).get(name) == value for name, value in noted.items())
    return same and "template" not in spec and found["spec"].get("replicas") == spec["replicas"]
