"""Commands for tests: what automation finds, what people ask for, what deployers report, in one
partition.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from agents.commands.circumstances import Circumstances
from agents.commands.disposition import decided, dispose
from agents.commands.ordering import order
from agents.core.batch import Finding
from agents.core.effects import Output
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.flow import command_effects
from schemas.catalog import INPUTS, REQUESTS, RESULTS, REVIEWS, STATUS, TRANSITIONS
from schemas.ids import event_uuid
from schemas.records import (
    Autonomy,
    Command,
    CommandRow,
    CommandStatus,
    Decision,
    Order,
    Phase,
    Policy,
    Request,
    RequestKind,
    Review,
    ReviewVerdict,
    Status,
    Transition,
    Verdict,
)
from tests.support.loop import Loop

FINDING = Finding(
    at=0,
    agent="judge",
    ordinal="b|HARM",
    verdict=Verdict.HARM,
    order=Order.ROLLBACK,
    subject="bot",
    metric="error",
    rule="harm proved",
    reason="it broke",
    evidence=(),
    experiment_id="exp",
    variant="b",
    model_version="v2",
    to_version="v1",
    segments=("de",),
    hypothesis="a guess",
)
DEPLOYER = "argo"


@dataclass(frozen=True, slots=True)
class _Found(Circumstances):
    """A case of automation with an autonomy of its own; what it deploys itself has no say in it."""

    level: Autonomy = Autonomy.AUTO

    @property
    def autonomy(self) -> Autonomy:
        return self.level

    def own_deployment_at_work(self) -> bool:
        return False


class Life(Loop):
    """A partition whose commands are ordered and answered for by hand."""

    def __init__(self, policy: Policy | None = None, reads_back: bool = True) -> None:
        """reads_back: whether what automation finds comes back as input, as it does where the
        partition is alive.
        """
        super().__init__(policy)
        self._reads_back = reads_back
        self._number = 0

    def find(
        self, kind: Order = Order.ROLLBACK, autonomy: Autonomy = Autonomy.AUTO, **fields: Any
    ) -> Decision:
        """What automation makes of a finding of its own; returns the decision as written."""
        finding = replace(FINDING, order=kind, **fields)
        place = Provenance(RESULTS, 0, self._next(), self.now)
        policy = policy_for(finding.subject, self.tables.policies)
        case = _Found(finding, None, place, self.tables.commands, policy, level=autonomy)
        disposition = dispose(case)
        decision = decided(finding, disposition, policy, place)
        _, moves = order(decision, finding, disposition, case)
        self._take(command_effects.followed(moves, place, self.tables))
        return decision

    def ask(self, kind: RequestKind, by: str = "ann", **fields: Any) -> None:
        subject = fields.pop("subject", "bot")
        asked = Request(
            event_id=event_uuid("request", self._next()),
            subject=subject,
            kind=kind,
            requested_by=by,
            requested_at=self.now,
            **fields,
        )
        self.send(REQUESTS, [asked])

    def review(
        self, row: CommandRow, verdict: ReviewVerdict, by: str = "bob", digest: str | None = None
    ) -> None:
        said = Review(
            event_id=event_uuid("review", self._next()),
            subject=row.subject,
            command_id=row.command_id,
            verdict=verdict,
            digest=row.digest if digest is None else digest,
            reviewer=by,
            reviewed_at=self.now,
        )
        self.send(REVIEWS, [said])

    def report(self, command: Command, status: Status, **fields: Any) -> None:
        self.send(STATUS, [self.status(command, status, **fields)])

    def status(self, command: Command, status: Status, **fields: Any) -> CommandStatus:
        said = CommandStatus(
            event_id=event_uuid("status", self._next()),
            command_id=command.command_id,
            attempt=command.attempt,
            subject=command.subject,
            status=status,
            fencing_token=command.fencing_token,
            reported_at=self.now,
            reporter=DEPLOYER,
        )
        return replace(said, **fields)

    def issued(self) -> list[Command]:
        """All commands so far, in order."""
        return [out.record for out in self.outputs if isinstance(out.record, Command)]

    def moved(self, command_id: str | None = None) -> list[Transition]:
        found = [
            out.record
            for out in self.outputs
            if out.topic == TRANSITIONS and isinstance(out.record, Transition)
        ]
        return [one for one in found if command_id in (None, one.command_id)]

    def row(self, command_id: str | None) -> CommandRow:
        row = self.tables.commands.commands.get(command_id or "")
        assert row is not None, f"no command {command_id}"
        return row

    def rows(self) -> list[CommandRow]:
        return list(self.tables.commands.commands.rows())

    def phases(self) -> list[Phase]:
        return [row.phase for row in self.rows()]

    def _take(self, outputs: Iterable[Output]) -> None:
        """Outputs as if a slice had given them."""
        for output in outputs:
            self.outputs.append(output)
            if output.topic in INPUTS and self._reads_back:
                self.send(output.topic, [output.record])

    def _next(self) -> int:
        self._number += 1
        return self._number
