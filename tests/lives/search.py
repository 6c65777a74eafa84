"""Walks at random through a world and looks at the rules after each step; a seed and a number of
steps give one walk.
"""

from collections.abc import Callable

from schemas.catalog import REVIEWS
from schemas.ids import event_uuid
from schemas.persons import person
from schemas.records import (
    Autonomy,
    CommandRow,
    FailureCause,
    Order,
    Phase,
    RequestKind,
    Review,
    ReviewVerdict,
    Status,
)
from tests.lives.chance import Chance
from tests.lives.rules import Asked, Rules
from tests.lives.world import BASELINE, PERSONS, SUBJECTS, World

EPISODE = 120  # steps of one world; then it comes to rest and is looked at as a whole
VERSIONS = ("v1", "v2", "v3", "evil")
SPELT = {"ann": ("ann", "Ann", " ANN"), "bob": ("bob", "BOB ", "Bob")}
WAITS_MS = (1, 50, 1_000, 5_000, 20_000, 60_000, 300_000, 3_600_000)
_REST_MS = (60_000, 600_000, 3_600_000, *([24 * 3_600_000] * 8))
_ORDERS = (
    RequestKind.ROLLBACK,
    RequestKind.ROLLBACK,
    RequestKind.DEPLOY,
    RequestKind.DEPLOY,
    RequestKind.DEPLOY,
)


class Walk:
    """One world and who acts in it."""

    def __init__(self, seed: int) -> None:
        self.rng = Chance(seed)
        self.world = World(seed)
        self.rules = Rules(self.world, honest=self.rng.random() < 0.7)
        acts: list[tuple[int, Callable[[], None]]] = [
            (14, self.asks),
            (10, self.finds),
            (10, self.reviews),
            (6, self.cancels),
            (2, self.freezes),
            (24, self.waits),
            (5, self.hurts),
            (3, self.world.calm),
            (3, self.world.kill),
            (2, self.world.rebalance),
            (1, self.orders_other),
        ]
        if not self.rules.honest:
            acts.append((8, self.lies))
        self.acts = [act for weight, act in acts for _ in range(weight)]

    def step(self) -> None:
        self.rng.choice(self.acts)()
        self.world.advance(0)
        self.rules.look()

    def rest(self) -> None:
        """Nobody hurts anybody any more, and time goes on until all has ended."""
        self.world.calm()
        for ms in _REST_MS:
            self.world.advance(ms)
            self.rules.look()
        assert self.world.at_rest, "executors do not come to rest"
        self.rules.end()

    def asks(self) -> None:
        kind, by = self.rng.choice(_ORDERS), self.rng.choice(PERSONS)
        version = self.rng.choice(VERSIONS)
        fields = {"to_version": version}
        if kind == RequestKind.ROLLBACK:
            back = self.rng.choice((None, None, BASELINE, *VERSIONS))
            fields = {"model_version": version} | ({"to_version": back} if back else {})
        subject = self.rng.choice(SUBJECTS)
        self._ordered(
            by, lambda: self.world.life.ask(kind, by=self._spelt(by), subject=subject, **fields)
        )

    def finds(self) -> None:
        kind = self.rng.choice((Order.ROLLBACK, Order.ROLLBACK, Order.DEPLOY))
        autonomy = self.rng.choice((Autonomy.AUTO, Autonomy.AUTO, Autonomy.APPROVE))
        version = self.rng.choice(VERSIONS[:3])
        fields = {"variant": version, "model_version": version, "experiment_id": None}
        fields["to_version"] = (
            version if kind == Order.DEPLOY else self.rng.choice((None, BASELINE))
        )
        dry = self.rng.random() < 0.05
        subject = self.rng.choice(SUBJECTS)
        free = autonomy == Autonomy.AUTO or kind == Order.ROLLBACK
        self._ordered(
            "",
            lambda: self.world.life.find(kind, autonomy, subject=subject, dry_run=dry, **fields),
            free,
        )

    def orders_other(self) -> None:
        kind, by = (
            self.rng.choice((RequestKind.RETRAIN, RequestKind.IMPROVE)),
            self.rng.choice(PERSONS),
        )
        self._ordered(
            by, lambda: self.world.life.ask(kind, by=by, subject=self.rng.choice(SUBJECTS))
        )

    def reviews(self) -> None:
        row = self._some(lambda one: one.phase == Phase.PENDING_APPROVAL)
        if row is None:
            return
        by = self.rng.choice(PERSONS)
        verdict = self.rng.choice((ReviewVerdict.APPROVE,) * 3 + (ReviewVerdict.REJECT,))
        digest = row.digest if self.rng.random() < 0.95 else "0" * 64
        if verdict == ReviewVerdict.APPROVE and digest == row.digest:
            self.rules.approved.setdefault(row.command_id, set()).add(by)
        said = Review(
            event_id=event_uuid("review", self.rng.below(2**53)),
            subject=row.subject,
            command_id=row.command_id,
            verdict=verdict,
            digest=digest,
            reviewer=self._spelt(by),
            reviewed_at=self.world.clock.now,
        )
        self.world.act(lambda: self.world.life.send(REVIEWS, [said]))

    def cancels(self) -> None:
        row = self._some(lambda _: True)
        if row is None:
            return
        by = self.rng.choice(PERSONS)
        asked = self.rules.asked.get(row.command_id)
        self._ordered(
            by,
            lambda: self.world.life.ask(
                RequestKind.CANCEL,
                by=self._spelt(by),
                subject=row.subject,
                command_id=row.command_id,
            ),
            undoes=by,
        )
        assert asked is None or self.rules.asked[row.command_id] is asked

    def freezes(self) -> None:
        kind = self.rng.choice((RequestKind.FREEZE, RequestKind.UNFREEZE, RequestKind.UNFREEZE))
        subject = self.rng.choice((*SUBJECTS, "acme/*", "*"))
        self.world.act(
            lambda: self.world.life.ask(kind, by=self.rng.choice(PERSONS), subject=subject)
        )

    def waits(self) -> None:
        self.world.advance(self.rng.choice(WAITS_MS))

    def hurts(self) -> None:
        scene, world = self.world.scene, self.world
        match self.rng.below(6):
            case 0:
                scene.away ^= {self.rng.choice(sorted(scene.placed))}
            case 1:
                scene.slow_ms = self.rng.choice((0, 10, 2_000, 60_000))
            case 2:
                scene.lost = self.rng.choice((0.0, 0.3))
            case 3:
                scene.sick ^= {self.rng.choice(VERSIONS)}
            case 4:
                world.deaf = not world.deaf
            case _:
                world.late = not world.late

    def lies(self) -> None:
        """A deployer says what is not so, or a target's server tells what does not stand there."""
        if self.rng.random() < 0.2:
            self.world.scene.lies = not self.world.scene.lies
        issued = [*self.rules.commands.values()]
        if issued:
            status = self.rng.choice([one for one in Status if one != Status.UNKNOWN])
            said = self.world.status(
                self.rng.choice(issued[-6:]), status, cause=self.rng.choice(list(FailureCause))
            )
            self.world.act(lambda: self.world.tell(said))

    def _ordered(
        self, by: str, what: Callable[[], object], free: bool = False, undoes: str = ""
    ) -> None:
        """Acts, and notes for each command that came of it who asked."""
        before = {row.command_id for row in self.world.life.rows()}
        self.world.act(what)
        for row in self.world.life.rows():
            if row.command_id not in before:
                self.rules.asked[row.command_id] = Asked(person(by), free, undoes)

    def _spelt(self, by: str) -> str:
        return self.rng.choice(SPELT[by])

    def _some(self, fits: Callable[[CommandRow], bool]) -> CommandRow | None:
        rows = [row for row in self.world.life.rows()[-20:] if fits(row)]
        return self.rng.choice(rows) if rows else None


def walk(seed: int, steps: int = EPISODE) -> None:
    """Raises Violation, or whatever the product broke on."""
    found = Walk(seed)
    for _ in range(steps):
        found.step()
    found.rest()
