"""Whatever happens, in any order: no illegal move, no second effect, no dead end; what was done last is undone first."""

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agents.commander.life import BEGINNINGS, FINAL, LIFE
from schemas.orders import Event, RequestKind, ReviewVerdict, Transition
from schemas.records import Autonomy, Command, CommandRow, Order, Outcome, Phase, Policy, Status
from tests.life import Life

DAY = 24 * 3_600_000
POLICY = Policy(event_id="p", policy_id="p", deploy=Autonomy.AUTO, commands_per_hour=6, subjects_share=0.5)
_ORDERS = st.sampled_from([Order.ROLLBACK, Order.DEPLOY, Order.DEPLOY, Order.RETRAIN, Order.IMPROVE])
_SUBJECTS = st.sampled_from(["bot", "shop/bot"])
_VARIANTS = st.sampled_from(["b", "c", "d"])
_PICK = st.integers(0, 99)


class Lives(RuleBasedStateMachine):
    """A subject's commands under everything that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life(POLICY)
        self.seen = 0
        self.phase: dict[str, Phase] = {}
        self.attempts: set[tuple[str, int]] = set()
        self.tokens: dict[str, int] = {}

    @rule(kind=_ORDERS, subject=_SUBJECTS, variant=_VARIANTS, asks=st.booleans())
    def find(self, kind: Order, subject: str, variant: str, asks: bool) -> None:
        outcome = Outcome.AWAITING_APPROVAL if asks else Outcome.ISSUED
        self.life.find(kind, outcome, subject=subject, variant=variant)

    @rule(kind=_ORDERS, subject=_SUBJECTS, variant=_VARIANTS, by=st.sampled_from(["ann", "bob"]))
    def ask(self, kind: Order, subject: str, variant: str, by: str) -> None:
        self.life.ask(RequestKind(kind), by=by, subject=subject, variant=variant)

    @rule(pick=_PICK, status=st.sampled_from([one for one in Status if one != Status.UNKNOWN]))
    @precondition(lambda self: self.life.issued())
    def report(self, pick: int, status: Status) -> None:
        issued = self.life.issued()
        self.life.report(issued[-1 - pick % len(issued)], status)

    @rule(pick=_PICK)
    @precondition(lambda self: self.life.issued())
    def complete_the_last(self, pick: int) -> None:
        issued = self.life.issued()
        self.life.report(issued[-1 - pick % min(3, len(issued))], Status.COMPLETED)

    @rule(pick=_PICK, verdict=st.sampled_from([ReviewVerdict.APPROVE, ReviewVerdict.APPROVE, ReviewVerdict.REJECT]))
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
        assert {row.phase for row in self.life.rows()} <= FINAL

    def _moves(self, moves: Sequence[Transition]) -> None:
        for one in moves:
            assert one.before == self.phase.get(one.command_id, Phase.UNKNOWN)
            ways = BEGINNINGS if one.before == Phase.UNKNOWN else LIFE[one.before]
            assert ways[Event(one.event)] == one.after
            self.phase[one.command_id] = one.after
            if one.before == Phase.UNKNOWN:
                self._last_first(self.life.row(one.command_id))

    def _last_first(self, new: CommandRow) -> None:
        """What a command undoes was done after all that still waits to be undone."""
        if new.compensates is None:
            return
        undone = self.life.row(new.compensates)
        for row in self.life.rows():
            if row.target == new.target and row.phase == Phase.COMPENSATING and not row.undone_by:
                assert row.fencing_token < undone.fencing_token

    def _effects(self, issued: Sequence[Command]) -> None:
        for one in issued:
            assert (one.command_id, one.attempt) not in self.attempts
            self.attempts.add((one.command_id, one.attempt))
            assert one.fencing_token > self.tokens.get(one.target, 0)
            self.tokens[one.target] = one.fencing_token
            assert one.expires_at > one.issued_at == self.life.now

    def _rows(self) -> None:
        due = set(self.life.tables.due)
        for row in self.life.rows():
            assert row.phase == self.phase[row.command_id]
            assert (row.command_id in due) is (row.phase not in FINAL and row.phase != Phase.COMPENSATING)
            undone = row.undone_by and self.life.row(row.undone_by)
            if row.phase == Phase.COMPENSATED:
                assert undone
                assert undone.phase == Phase.COMPLETED


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
