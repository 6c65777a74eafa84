"""What must hold, stated from what was asked and what came of it; nothing here reads the product's
own tables of rules.
"""

from dataclasses import dataclass, field

from agents.core.effects import Output
from schemas.catalog import ALERTS, TRANSITIONS
from schemas.records import Alert, Command, DeployCommand, Phase, RollbackCommand, Transition
from streams.executor.placement import TargetState
from tests.lives.world import BASELINE, World

OPEN = (
    "PROPOSED",
    "PENDING_APPROVAL",
    "ISSUED",
    "ACKNOWLEDGED",
    "IN_PROGRESS",
    "RETRYING",
    "COMPENSATING",
)
# Ends of which somebody must hear at once; a person's own word and what a later order replaces are
# known to whoever ordered.
TOLD = ("FAILED", "TIMED_OUT", "EXPIRED", "COMPENSATION_FAILED", "REFUSED")


class Violation(AssertionError):
    """A rule was broken; the sentence says which."""


@dataclass
class Asked:
    """An order as it was asked for. by: a person; empty: automation. free: automation may issue it
    without anybody.
    """

    by: str
    free: bool
    undoes: str = ""


@dataclass
class Rules:
    """Watches a world. honest: no deployer lies, so what stands at the targets follows from what
    was ordered.
    """

    world: World
    honest: bool
    asked: dict[str, Asked] = field(default_factory=dict)  # by command id
    approved: dict[str, set[str]] = field(
        default_factory=dict
    )  # by command id: who approved it, folded
    tokens: dict[str, int] = field(default_factory=dict)
    order: dict[str, list[str]] = field(
        default_factory=dict
    )  # by target: first attempts, as they were issued
    commands: dict[str, Command] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    served: dict[str, set[str]] = field(
        default_factory=dict
    )  # by target: versions that were its baseline
    _outputs: int = 0
    _effects: int = 0

    def look(self) -> None:
        """After each step."""
        outputs, effects = self.world.life.outputs, self.world.scene.effects
        for mark, target, before, after in effects[self._effects :]:
            self._told(outputs[self._outputs : mark])
            self._outputs = max(self._outputs, mark)
            self._serves(target, before, after)
        self._told(outputs[self._outputs :])
        self._outputs, self._effects = len(outputs), len(effects)

    def end(self) -> None:
        """Once all of it came to rest."""
        rows = self.world.life.rows()
        for row in rows:
            if row.phase in OPEN:
                raise Violation(f"{row.order} {row.command_id} does not end: it is {row.phase}")
        told = "\n".join(
            one.message for one in self.world.life.records(ALERTS) if isinstance(one, Alert)
        )
        for row in rows:
            if row.phase in TOLD and row.command_id not in told:
                raise Violation(f"{row.order} {row.command_id} is {row.phase}, and nobody was told")
        if self.honest:
            for target, order in self.order.items():
                self._newest_stands(target, order)

    def _told(self, news: list[Output]) -> None:
        for one in news:
            if isinstance(one.record, Transition):
                self._moved(one.record)
            elif isinstance(one.record, Command):
                self._issued(one.record)

    def _serves(self, target: str, before: TargetState, after: TargetState) -> None:
        """No effect but by a command that was issued for it, and of what that command names."""
        served = self.served.setdefault(target, {BASELINE})
        command = self.commands.get(after.command_id)
        if command is None or command.target != target:
            raise Violation(
                f"{target} was changed by {after.command_id}, which was never issued for it"
            )
        if after.fencing_token < before.fencing_token:
            raise Violation(
                f"{target} went back from token {before.fencing_token} to {after.fencing_token}"
            )
        brings = _version(command)
        for version in {after.baseline, after.candidate if after.share else after.baseline}:
            known = {before.baseline, before.candidate if before.share else before.baseline}
            if (
                version not in known
                and version != brings
                and not (after.phase == "PROMOTED" and version == before.candidate)
            ):
                raise Violation(
                    f"{version} is in service at {target}, and {command.command_id} brings {brings}"
                )
        served.add(after.baseline)

    def _moved(self, one: Transition) -> None:
        if one.after == Phase.SUPERSEDED:
            self.replaced.add(one.command_id)
        if one.before in (
            "COMPLETED",
            "SUPERSEDED",
            "REFUSED",
            "CANCELLED",
            "REJECTED",
            "EXPIRED",
        ) and (one.before != "COMPLETED" or one.after != "COMPENSATING"):
            raise Violation(f"{one.command_id} went on from {one.before} to {one.after}")

    def _issued(self, command: Command) -> None:
        if command.fencing_token <= self.tokens.get(command.target, 0):
            raise Violation(
                f"token {command.fencing_token} of {command.target} follows "
                f"{self.tokens[command.target]}"
            )
        self.tokens[command.target] = command.fencing_token
        if command.command_id in self.replaced:
            raise Violation(f"{command.command_id} was replaced, and is issued again")
        again = command.command_id in self.commands
        self.commands[command.command_id] = command
        if not isinstance(command, DeployCommand | RollbackCommand) or command.dry_run:
            return
        if not again:
            self._right(command)
            self._alone(command)
            self.order.setdefault(command.target, []).append(command.command_id)

    def _alone(self, command: Command) -> None:
        """A deployment that is issued finds nothing older of its target at work."""
        if not isinstance(command, DeployCommand):
            return
        for other in self.order.get(command.target, []):
            row = self.world.life.row(other)
            if other not in (command.compensates, command.command_id) and row.phase in OPEN[2:6]:
                raise Violation(
                    f"{other} is {row.phase} below {command.command_id}, which is newer"
                )

    def _right(self, command: Command) -> None:
        """Nothing comes into service that neither automation may bring, nor another person
        approved, nor served before.
        """
        version = _version(command)
        if version is None:
            return
        asked = (
            self.asked.get(command.command_id)
            or self.asked.get(command.compensates or "")
            or Asked("", False)
        )
        others = self.approved.get(command.command_id, set()) - {
            asked.by if not asked.undoes else asked.undoes
        }
        own = self.asked.get(command.command_id)
        if own is not None and own.free:
            return
        if others:
            return
        known = self.served.get(command.target, {BASELINE})
        if (
            not self.honest
        ):  # what a deployer says was deployed had its right, but may never have served
            brought = (_version(self.commands[one]) for one in self.order.get(command.target, []))
            known = known | {one for one in brought if one is not None}
        if isinstance(command, RollbackCommand) and version in known:
            return
        raise Violation(
            f"{command.command_id} brings {version} to {command.target}, and nobody had the right "
            "to"
        )

    def _newest_stands(self, target: str, order: list[str]) -> None:
        placed = self.world.scene.placed[target]
        orders = [one for one in order if self.commands[one].compensates is None]
        newest = max(orders, key=lambda one: self.world.life.row(one).rank, default=None)
        if newest is None:
            return
        row, command = self.world.life.row(newest), self.commands[newest]
        if (
            placed.share or placed.phase == "BAKING"
        ) and row.phase not in TOLD:  # else people know that it is half done
            raise Violation(
                f"{placed.candidate} still has {placed.share} % of {target} when all is quiet"
            )
        out = {name for name in (command.model_version, command.variant) if name}
        if isinstance(command, DeployCommand):
            version = _version(command)
            if row.phase == Phase.COMPLETED and placed.baseline != version:
                raise Violation(
                    f"{newest} deployed {version} last, and {placed.baseline} serves at {target}"
                )
            if row.phase == Phase.COMPENSATED and placed.baseline == version:
                raise Violation(f"{newest} was undone, and {version} serves at {target}")
        elif row.phase == Phase.COMPLETED and placed.baseline in out:
            raise Violation(
                f"{newest} rolled {placed.baseline} back last, and it serves at {target}"
            )

    def moves_of(self, command_id: str) -> list[str]:
        """For people who look at a violation."""
        told = [one.record for one in self.world.life.outputs if one.topic == TRANSITIONS]
        return [
            f"{one.before}>{one.after}"
            for one in told
            if isinstance(one, Transition) and one.command_id == command_id
        ]


def _version(command: Command) -> str | None:
    """What a command puts in service."""
    if isinstance(command, RollbackCommand):
        return command.to_version
    return command.to_version or command.model_version or command.variant
