"""Whatever happens, in any order: no illegal move, no second effect, no dead end; the newest order
of a target wins.

The rules are stated here a second time, by hand, so that a fault of the product's own table is no
answer to them.
"""

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.records import (
    Autonomy,
    Command,
    DeployCommand,
    FailureCause,
    Order,
    Phase,
    Policy,
    RequestKind,
    ReviewVerdict,
    RollbackCommand,
    Status,
    Transition,
)
from tests.support.life import Life

DAY = 24 * 3_600_000
POLICY = Policy(
    event_id="p", policy_id="p", deploy=Autonomy.AUTO, commands_per_hour=6, subjects_share=0.5
)
_ORDERS = st.sampled_from(
    [Order.ROLLBACK, Order.DEPLOY, Order.DEPLOY, Order.RETRAIN, Order.IMPROVE]
)
_SUBJECTS = st.sampled_from(["bot", "shop/bot"])
_VARIANTS = st.sampled_from(["b", "c", "d"])
_PICK = st.integers(0, 99)
# What may become of a command in each phase. Nobody works on what waits; what works may end in any
# way; an end is for good,
# but that what acted, or may have, can be undone once.
_WAITS = {Phase.CANCELLED, Phase.SUPERSEDED, Phase.STALE}
_WORKS = {
    Phase.COMPLETED,
    Phase.FAILED,
    Phase.REFUSED,
    Phase.TIMED_OUT,
    Phase.RETRYING,
    Phase.CANCELLED,
    Phase.SUPERSEDED,
    Phase.COMPENSATING,
}
_BEGINS = {Phase.PROPOSED, Phase.PENDING_APPROVAL, Phase.ISSUED}
_NEXT: dict[Phase, set[Phase]] = {
    Phase.UNKNOWN: _BEGINS,
    Phase.PROPOSED: {Phase.PENDING_APPROVAL, Phase.ISSUED} | _WAITS,
    Phase.PENDING_APPROVAL: {Phase.ISSUED, Phase.REJECTED, Phase.EXPIRED} | _WAITS,
    Phase.ISSUED: {Phase.ACKNOWLEDGED, Phase.IN_PROGRESS} | _WORKS,
    Phase.ACKNOWLEDGED: {Phase.IN_PROGRESS} | _WORKS,
    Phase.IN_PROGRESS: _WORKS,
    Phase.RETRYING: {
        Phase.ISSUED,
        Phase.FAILED,
        Phase.CANCELLED,
        Phase.SUPERSEDED,
        Phase.COMPENSATING,
    },
    Phase.COMPENSATING: {Phase.COMPENSATED, Phase.COMPENSATION_FAILED, Phase.SUPERSEDED},
    Phase.COMPLETED: {Phase.COMPENSATING},
    Phase.FAILED: {Phase.COMPENSATING},
    Phase.TIMED_OUT: {Phase.COMPENSATING},
}
_OPEN = {
    Phase.PROPOSED,
    Phase.PENDING_APPROVAL,
    Phase.ISSUED,
    Phase.ACKNOWLEDGED,
    Phase.IN_PROGRESS,
    Phase.RETRYING,
    Phase.COMPENSATING,
}
_ISSUED = {Phase.ISSUED, Phase.ACKNOWLEDGED, Phase.IN_PROGRESS, Phase.RETRYING}


class Lives(RuleBasedStateMachine):
    """A subject's commands under everything that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life(POLICY)
        self.seen = 0
        self.phase: dict[str, Phase] = {}
        self.attempts: set[tuple[str, int]] = set()
        self.tokens: dict[str, int] = {}
        self.order: dict[str, list[str]] = {}  # commands by target, as they were issued
        self.replaced: set[str] = set()

    @rule(kind=_ORDERS, subject=_SUBJECTS, variant=_VARIANTS, asks=st.booleans())
    def find(self, kind: Order, subject: str, variant: str, asks: bool) -> None:
        autonomy = Autonomy.APPROVE if asks else Autonomy.AUTO
        self.life.find(kind, autonomy, subject=subject, variant=variant)

    @rule(kind=_ORDERS, subject=_SUBJECTS, variant=_VARIANTS, by=st.sampled_from(["ann", "bob"]))
    def ask(self, kind: Order, subject: str, variant: str, by: str) -> None:
        self.life.ask(RequestKind(kind), by=by, subject=subject, variant=variant)

    @rule(
        pick=_PICK,
        status=st.sampled_from([one for one in Status if one != Status.UNKNOWN]),
        cause=st.sampled_from(FailureCause),
    )
    @precondition(lambda self: self.life.issued())
    def report(self, pick: int, status: Status, cause: FailureCause) -> None:
        issued = self.life.issued()
        self.life.report(issued[-1 - pick % len(issued)], status, cause=cause)

    @rule(pick=_PICK)
    @precondition(lambda self: self.life.issued())
    def complete_the_last(self, pick: int) -> None:
        issued = self.life.issued()
        self.life.report(issued[-1 - pick % min(3, len(issued))], Status.COMPLETED)

    @rule(
        pick=_PICK,
        verdict=st.sampled_from(
            [ReviewVerdict.APPROVE, ReviewVerdict.APPROVE, ReviewVerdict.REJECT]
        ),
    )
    @precondition(lambda self: self.life.rows())
    def review(self, pick: int, verdict: ReviewVerdict) -> None:
        rows = self.life.rows()
        self.life.review(rows[-1 - pick % len(rows)], verdict)

    @rule(pick=_PICK)
    @precondition(lambda self: self.life.rows())
    def cancel(self, pick: int) -> None:
        row = self.life.rows()[pick % len(self.life.rows())]
        self.life.ask(RequestKind.CANCEL, subject=row.subject, command_id=row.command_id)

    @rule(
        kind=st.sampled_from([RequestKind.FREEZE, RequestKind.UNFREEZE]),
        subject=st.sampled_from(["bot", "shop/*", "*"]),
    )
    def freeze(self, kind: RequestKind, subject: str) -> None:
        self.life.ask(kind, subject=subject)

    @rule(ms=st.sampled_from([1, 1_000, 60_000, 300_000, 900_000, 3_600_000, DAY]))
    def wait(self, ms: int) -> None:
        self.life.wait(ms)

    @invariant()
    def every_step_is_sound(self) -> None:
        news, self.seen = self.life.outputs[self.seen :], len(self.life.outputs)
        self._moves([one.record for one in news if isinstance(one.record, Transition)])
        self._effects([one.record for one in news if isinstance(one.record, Command)])
        self._rows()

    def teardown(self) -> None:
        """No dead end: with time alone every command ends."""
        for _ in range(40):
            self.life.wait(DAY)
            self.every_step_is_sound()
        assert not {row.phase for row in self.life.rows()} & _OPEN

    def _moves(self, moves: Sequence[Transition]) -> None:
        for one in moves:
            assert one.before == self.phase.get(one.command_id, Phase.UNKNOWN)
            assert one.after in _NEXT.get(one.before, set()), f"{one.before} to {one.after}"
            self.phase[one.command_id] = one.after

    def _effects(self, issued: Sequence[Command]) -> None:
        for one in issued:
            assert (one.command_id, one.attempt) not in self.attempts
            self.attempts.add((one.command_id, one.attempt))
            assert one.fencing_token > self.tokens.get(one.target, 0)
            self.tokens[one.target] = one.fencing_token
            assert one.expires_at > one.issued_at == self.life.now
            assert one.command_id not in self.replaced, "what was replaced is never tried again"
            if not isinstance(one, DeployCommand | RollbackCommand):
                continue
            self.order.setdefault(one.target, []).append(one.command_id)
            if isinstance(one, DeployCommand):
                self._newest_wins(one)

    def _newest_wins(self, new: Command) -> None:
        """Where a deployment is issued, nothing that was issued to its target before is open any
        more.
        """
        for command_id in self.order[new.target]:
            if command_id not in (new.command_id, new.compensates):
                assert self.life.row(command_id).phase not in _ISSUED

    def _rows(self) -> None:
        due = set(self.life.tables.commands.deadlines)
        for row in self.life.rows():
            assert row.phase == self.phase[row.command_id]
            assert (row.command_id in due) is (row.phase in _OPEN - {Phase.COMPENSATING})
            undone = row.undone_by and self.life.row(row.undone_by)
            if row.phase == Phase.COMPENSATED:
                assert undone
                assert undone.phase == Phase.COMPLETED
            if row.phase == Phase.SUPERSEDED:
                self.replaced.add(row.command_id)
                assert not undone or undone.phase == Phase.SUPERSEDED, (
                    "what is replaced undoes nothing"
                )


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
