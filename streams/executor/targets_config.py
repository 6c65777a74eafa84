"""The targets and trainers that an executor serves, as targets.yaml describes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from streams.executor.config_files import MaybeUrl, Url, Written, bearer
from streams.executor.http_client import Caller
from streams.executor.placement import Target
from streams.executor.rollout.state_machine import (
    BAKE_SECONDS,
    Promotion,
    RolloutPlan,
    RolloutStrategy,
)
from streams.executor.targets.argo_rollout import ArgoWorkload, RolloutTarget
from streams.executor.targets.deployment_pair import DeploymentPair, DeploymentsTarget
from streams.executor.targets.file_target import FileTarget
from streams.executor.targets.http_target import HttpTarget, origin
from streams.executor.targets.kubernetes_api import cluster
from streams.executor.trainer import Trainer


class _Rolled(Written):
    match: str = Field(min_length=1)  # the target that a command names; * stands for any text
    strategy: RolloutStrategy = RolloutStrategy.CANARY
    bake_seconds: float | None = Field(None, ge=0, le=604_800)
    settle_seconds: float = Field(60.0, ge=0, le=86_400)
    promotion: Promotion = Promotion.VERDICT

    def plan(self) -> RolloutPlan:
        bake = BAKE_SECONDS[self.strategy] if self.bake_seconds is None else self.bake_seconds
        return RolloutPlan(self.strategy, bake, self.settle_seconds, self.promotion)


class InFiles(_Rolled):
    """A JSON file for each target in a directory."""

    kind: Literal["file"]
    directory: Path

    def made(self, _caller: Caller) -> Target:
        return FileTarget(self.directory)


class BehindHttp(_Rolled):
    """A server that keeps what stands under an ETag."""

    kind: Literal["http"]
    url: Url
    health_url: MaybeUrl = ""
    token_file: Path | None = None

    @model_validator(mode="after")
    def _one_host_has_the_token(self) -> Self:
        if self.token_file is not None and "{target}" in origin(self.url)[1]:
            raise ValueError(
                "a command would choose the host that gets the token: write the host out, {target} "
                "after it"
            )
        if self.token_file is not None and "@" in urlsplit(self.url).netloc:
            raise ValueError(
                "a request has one Authorization: leave out token_file, or who logs in by the url"
            )
        return self

    def made(self, caller: Caller) -> Target:
        return HttpTarget(caller, self.url, self.health_url, bearer(self.token_file))


class InKubernetes(_Rolled):
    """A Rollout of Argo's, or two Deployments."""

    kind: Literal["kubernetes"]
    rollout: str = ""
    deployments: tuple[str, str] | None = None
    replicas: int = Field(0, ge=0, le=10_000)
    container: str
    image: str = Field(pattern=r".*\{version\}.*")
    namespace: str = ""
    api: MaybeUrl = ""
    token_file: Path | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if bool(self.rollout) == bool(self.deployments):
            raise ValueError("name either a rollout or two deployments")
        if self.deployments and not self.replicas:
            raise ValueError("two deployments share a number of replicas: write it")
        if self.deployments and self.strategy == RolloutStrategy.BLUE_GREEN:
            raise ValueError(
                "behind plain deployments no version can stand by without traffic: blue-green "
                "needs a rollout"
            )
        return self

    def made(self, caller: Caller) -> Target:
        where = cluster(self.api, self.namespace, self.token_file, self.ca_file)
        if self.deployments:
            return DeploymentsTarget(
                caller,
                where,
                DeploymentPair(self.deployments, self.replicas, self.container, self.image),
            )
        return RolloutTarget(caller, where, ArgoWorkload(self.rollout, self.container, self.image))


class TrainedAt(Written):
    """The trainer that retrains and improves the models behind these targets."""

    match: str = Field(min_length=1)
    url: Url
    token_file: Path | None = None


class TargetsFile(Written):
    """targets.yaml: the first entry that matches a target serves it."""

    targets: tuple[
        Annotated[InFiles | BehindHttp | InKubernetes, Field(discriminator="kind")], ...
    ] = ()
    trainers: tuple[TrainedAt, ...] = ()


@dataclass(frozen=True, slots=True)
class Sites:
    """Targets and trainers by the patterns that they serve."""

    targets: Sequence[tuple[str, Target, RolloutPlan]]
    trainers: Sequence[tuple[str, Trainer]]

    def target(self, name: str) -> tuple[Target, RolloutPlan] | None:
        return next(
            ((target, plan) for match, target, plan in self.targets if fnmatchcase(name, match)),
            None,
        )

    def trainer(self, name: str) -> Trainer | None:
        return next((trainer for match, trainer in self.trainers if fnmatchcase(name, match)), None)


def sites_of(file: TargetsFile, caller: Caller) -> Sites:
    return Sites(
        [(each.match, each.made(caller), each.plan()) for each in file.targets],
        [
            (each.match, Trainer(caller, each.url, bearer(each.token_file)))
            for each in file.trainers
        ],
    )
