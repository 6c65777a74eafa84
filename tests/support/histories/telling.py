"""Histories in which each thing that can happen does; each has a name."""

from schemas.records import Status
from tests.support.histories.chapters import (
    Advisers,
    Answers,
    Chapter,
    Feedback,
    Metrics,
    Results,
    Rolled,
    Specs,
)

EVERYTHING = Specs((0, 1, 2, 3, 4, 5, 6, 7), 0)


def results(seed: int, experiment: int, n: int, change: int, **knobs: bool) -> Results:
    return Results(
        seed, experiment, n, change, **{"skewed": False, "coarse": False, "dirty": False, **knobs}
    )


TELLING: dict[str, list[Chapter]] = {
    "a rollback": [EVERYTHING, results(1, 0, 900, 1)],
    "a deploy": [EVERYTHING, results(3, 1, 800, 2, dirty=True)],
    "a rollback refused": [
        *(
            EVERYTHING,
            results(1, 0, 900, 1),
            Answers(Status.REFUSED, 1),
            results(2, 0, 50, 1),
            1,
            results(21, 0, 300, 1),
        ),
        *(
            Answers(Status.REFUSED, 1),
            results(22, 0, 300, 1, dirty=True),
            61,
            results(23, 0, 100, 1),
        ),
        *(Answers(Status.COMPLETED, 1), results(24, 0, 100, 1)),
    ],
    "a deploy that harms": [
        EVERYTHING,
        results(3, 1, 800, 2, dirty=True),
        results(25, 1, 1_500, 1, dirty=True, units=True),
    ],
    "an arm that is not there": [
        results(26, 9, 60, 0),
        1_800,
        results(27, 8, 300, 0, units=True),
        1_900,
        90_000,
    ],
    "a broken split": [EVERYTHING, results(4, 2, 2_000, 0, skewed=True)],
    "two treatments": [EVERYTHING, results(5, 2, 900, 1, coarse=True, dirty=True)],
    "means": [EVERYTHING, results(6, 3, 300, 2, coarse=True)],
    "no spec": [results(7, 8, 700, 1, dirty=True), EVERYTHING, results(8, 9, 400, 1)],
    "a ramp": [
        EVERYTHING,
        results(9, 4, 900, 1, units=True),
        results(10, 4, 400, 1, coarse=True, dirty=True),
    ],
    "a rollout that helps": [
        EVERYTHING,
        Rolled(3, 2),
        results(17, 7, 2_000, 2, dirty=True),
        Rolled(2, 2),
    ],
    "a rollout that harms": [
        *(EVERYTHING, results(18, 7, 100, 1), Rolled(7, 2), results(19, 7, 1_500, 1, units=True)),
        *(Answers(Status.FAILED, 1), Rolled(4, 3), results(20, 7, 300, 0, coarse=True, dirty=True)),
    ],
    "a burn-in": [
        EVERYTHING,
        results(11, 5, 2_500, 0, dirty=True),
        results(12, 5, 2_500, 1, units=True),
    ],
    "snapshots": [
        EVERYTHING,
        results(13, 6, 400, 1, coarse=True, dirty=True),
        results(14, 6, 200, 2, coarse=True),
    ],
    "units": [EVERYTHING, results(15, 1, 900, 2, units=True)],
    "an effect that drifts": [
        EVERYTHING,
        *(results(16 + n, 3, 250, kind, coarse=True) for n, kind in enumerate((2, 0, 1))),
    ],
    "a decay": [
        Metrics(1, 700, 0, 1, 0, False),
        Metrics(2, 500, 1, 1, 0, True),
        Answers(Status.COMPLETED, 1),
    ],
    "a mix shift": [
        Metrics(3, 700, 0, 1, 0, False),
        Metrics(4, 500, 2, 2, 3, True),
        Answers(Status.COMPLETED, 1),
    ],
    "many versions": [Metrics(5, 400, 0, 1, 12, False), Metrics(6, 400, 1, 2, 12, False)],
    "a bad version": [
        Metrics(7, 700, 0, 1, 0, False),
        Metrics(22, 150, 1, 2, 0, False),
        Answers(Status.COMPLETED, 1),
    ],
    "a slow model": [
        Metrics(10, 1_600, 0, 1, 0, True),
        Metrics(10, 900, 1, 1, 3, False),
        Answers(Status.COMPLETED, 1),
    ],
    "lessons": [
        Advisers(1, 400),
        Feedback(),
        30_000,
        Advisers(2, 300),
        Feedback(),
        Feedback(),
        90_000,
        Advisers(3, 50),
    ],
    "a failure answered": [
        *(Metrics(1, 700, 0, 1, 0, False), Metrics(2, 500, 1, 1, 0, False), Feedback(), Feedback()),
        *(Answers(Status.COMPLETED, 1), Feedback(), 22_000, Feedback(), Feedback(), 90_000),
    ],
    "a slow gauge": [Metrics(11, 5_000, 0, 1, 0, False), Metrics(11, 2_000, 1, 1, 0, True)],
}
