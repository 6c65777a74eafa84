"""Kubernetes' API as far as targets need it: objects read, and patched only while they are as they
were read.
"""

import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.executor.config_files import bearer
from streams.executor.http_client import Answer, Caller
from streams.executor.placement import TargetState, Unreachable, Unusable
from streams.executor.retry import NotNow, persist
from streams.executor.targets.placement_json import from_json, to_json
from streams.runtime.errors import MendstreamError

PLACED, COMMAND, TOKEN = "mendstream/placed", "mendstream/command-id", "mendstream/fencing-token"
VERSION = "mendstream/version"  # which version a workload serves
_ACCOUNT = Path(
    "/var/run/secrets/kubernetes.io/serviceaccount"
)  # where Kubernetes puts it into each container
_CONFLICTS_SECONDS = (
    30.0  # controllers write the status of an object that changes; they calm down sooner
)
_DIGITS_MAX = 18
_MERGE = {"Content-Type": "application/merge-patch+json"}

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The address and the credentials of an API server. The token is read anew for each request,
    because Kubernetes renews it.
    """

    url: str
    namespace: str
    token_file: Path | None = None
    ca_file: Path | None = None
    tls: ssl.SSLContext | None = field(default=None, compare=False)


def cluster(
    url: str = "", namespace: str = "", token_file: Path | None = None, ca_file: Path | None = None
) -> Cluster:
    """The cluster that is named, or else the one that this process runs in. Raises MendstreamError
    where it is in none.
    """
    if not url:
        host, port = (
            os.environ.get("KUBERNETES_SERVICE_HOST", ""),
            os.environ.get("KUBERNETES_SERVICE_PORT", "443"),
        )
        if not host:
            raise MendstreamError(
                "No Kubernetes is named, and this process runs in none.",
                "Write `api:` (and `token_file:`) beside it.",
            )
        url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        token_file, ca_file = token_file or _ACCOUNT / "token", ca_file or _ACCOUNT / "ca.crt"
        namespace = namespace or (_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    tls = ssl.create_default_context(cafile=str(ca_file)) if ca_file is not None else None
    return Cluster(url.rstrip("/"), namespace or "default", token_file, ca_file, tls)


class Api:
    """One kind of object in one namespace."""

    def __init__(self, caller: Caller, where: Cluster, group: str, kind: str) -> None:
        self._caller, self._cluster = caller, where
        self._base = f"{where.url}/apis/{group}/namespaces/{where.namespace}/{kind}"

    async def get(self, name: str) -> Object:
        answer = await self._caller.call(
            "GET", f"{self._base}/{name}", headers=self._headers(), **self._tls()
        )
        if answer.status != 200:
            raise answer.refused()
        return _object(answer)

    async def patch(self, name: str, change: Object, status: bool = False) -> bool:
        """A merge patch; False: the object is not at the change's resourceVersion any more."""
        url = f"{self._base}/{name}{'/status' if status else ''}"
        answer = await self._caller.call(
            "PATCH", url, change, {**self._headers(), **_MERGE}, **self._tls()
        )
        if answer.status == 409:
            return False
        if answer.status != 200:
            raise answer.refused()
        return True

    async def agreed(self, attempt: Callable[[], Awaitable[bool | None]]) -> bool:
        """Returns the result of `attempt`, which is made again while it is None.

        It is None while a controller's writing comes between.
        """

        async def once() -> bool:
            done = await attempt()
            if done is None:
                raise NotNow(f"{self._base} changes faster than it can be written")
            return done

        try:
            return await persist(once, self._caller.clock, _CONFLICTS_SECONDS)
        except NotNow as error:
            raise Unusable(str(error)) from error

    def _headers(self) -> dict[str, str]:
        if self._cluster.token_file is None:
            return {}
        try:
            return {"Authorization": bearer(self._cluster.token_file)}
        except (
            MendstreamError
        ) as error:  # not the end of the executor, and of this command only if it lasts
            raise Unreachable(error.fault) from error

    def _tls(self) -> dict[str, Any]:
        return {"ssl": self._cluster.tls} if self._cluster.tls is not None else {}


def _object(answer: Answer) -> Object:
    """Returns what came, as far as it is needed. Raises Unusable where it is no object of
    Kubernetes.
    """
    found = answer.json()
    parts = [found.get(part) for part in ("metadata", "spec")] if isinstance(found, dict) else []
    if len(parts) != 2 or not all(isinstance(part, dict) for part in parts):
        raise Unusable(f"{answer.request} gave no object with metadata and spec")
    metadata: Any = parts[0]
    noted = metadata.get("annotations") or {}
    strings = isinstance(noted, dict) and all(isinstance(text, str) for text in noted.values())
    if not strings or not all(
        isinstance(metadata.get(name), str) for name in ("name", "resourceVersion")
    ):
        raise Unusable(
            f"{answer.request} gave metadata without name or resourceVersion, or annotations that "
            "are no text"
        )
    whole: Object = found
    return whole


def number(found: Object, value: object) -> int:
    """A count in an object, which Argo writes as text; none is 0. Raises Unusable for what is no
    count.
    """
    text = str(value or 0)
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MAX:
        raise Unusable(f"{found['metadata']['name']} has {text[:40]!r} where a count is due")
    return int(text)


def annotations(found: Object) -> Mapping[str, str]:
    return found["metadata"].get("annotations") or {}


def state_of(name: str, found: Object) -> TargetState:
    """Returns the state that the object's annotation holds."""
    text = annotations(found).get(PLACED)
    return TargetState() if text is None else from_json(f"{PLACED} of {name}", text)


def marks(placed: TargetState) -> dict[str, str]:
    """The annotations that tell of what stands."""
    return {PLACED: to_json(placed), COMMAND: placed.command_id, TOKEN: str(placed.fencing_token)}


def at_version(found: Object, noted: Mapping[str, str], spec: Object) -> Object:
    """A patch that is refused once somebody else has written to the object."""
    version = found["metadata"]["resourceVersion"]
    return {"metadata": {"resourceVersion": version, "annotations": dict(noted)}, "spec": spec}


def with_image(found: Object, container: str, image: str) -> Object:
    """The part of a spec that gives one container another image; lists are replaced whole, so all
    of them are named.
    """
    containers = found["spec"]["template"]["spec"]["containers"]
    if container not in (one["name"] for one in containers):
        raise Unusable(f"{found['metadata']['name']} has no container {container!r}")
    changed = [{**one, "image": image} if one["name"] == container else one for one in containers]
    return {"template": {"spec": {"containers": changed}}}


def caught_up(found: Object) -> bool:
    """Returns True once the object's controller has seen the last change of the object.

    Argo writes the number as text.
    """
    seen = number(found, (found.get("status") or {}).get("observedGeneration"))
    return seen >= number(found, found["metadata"].get("generation"))
