"""How Hypothesis draws histories."""

from hypothesis import strategies as st

from schemas.records import Status
from tests.support.histories.chapters import (
    Advisers,
    Answers,
    Chapter,
    Feedback,
    Metrics,
    People,
    Results,
    Rolled,
    Rule,
    Specs,
)
from tests.support.histories.specs import EXPERIMENTS, SPECIFIED

_SEEDS = st.integers(0, 2**32 - 1)


_results_chapters = st.builds(
    Results,
    seed=_SEEDS,
    experiment=st.integers(0, len(EXPERIMENTS) - 1),
    n=st.integers(1, 900),
    change=st.integers(0, 2),
    skewed=st.integers(0, 7).map(lambda n: n == 7),
    coarse=st.booleans(),
    dirty=st.booleans(),
    units=st.booleans(),
    covariates=st.booleans(),
)


_metrics_chapters = st.builds(
    Metrics,
    seed=_SEEDS,
    n=st.integers(1, 500),
    change=st.integers(0, 2),
    version=st.integers(0, 2),
    versions=st.sampled_from((0, 0, 3, 12)),
    dirty=st.booleans(),
)


_specs_chapters = st.builds(
    Specs,
    which=st.lists(st.integers(0, len(SPECIFIED) - 1), min_size=1, max_size=5).map(tuple),
    terms=st.sampled_from((0, 0, 0, 1, 2)),
)


_answers = st.builds(
    Answers,
    status=st.sampled_from([s for s in Status if s != Status.UNKNOWN]),
    attempt=st.integers(1, 2),
)


_people = st.builds(People, seed=_SEEDS, n=st.integers(1, 12))


_rolled = st.builds(Rolled, seed=_SEEDS, n=st.integers(0, 5))


_others = st.one_of(
    _answers,
    st.builds(Rule, kind=st.integers(0, 5)),
    _people,
    st.integers(0, 100),
    st.builds(Feedback),
    st.just(30_000),
)


_advisers = st.builds(Advisers, seed=_SEEDS, n=st.integers(1, 200))


def experiment_histories() -> st.SearchStrategy[list[Chapter]]:
    everything: tuple[Chapter, ...] = (Specs(tuple(range(len(SPECIFIED))), 0),)
    either = st.one_of(_results_chapters, _results_chapters, _specs_chapters, _others, _rolled)
    some = st.lists(either, min_size=1, max_size=8)
    return st.builds(
        lambda first, rest: [*first, *rest], st.sampled_from((everything, everything, ())), some
    )


def metric_histories() -> st.SearchStrategy[list[Chapter]]:
    completed: st.SearchStrategy[Chapter] = st.just(Answers(Status.COMPLETED, 1))
    return st.lists(
        st.one_of(_metrics_chapters, _metrics_chapters, _others, completed), min_size=1, max_size=9
    )


def lesson_histories() -> st.SearchStrategy[list[Chapter]]:
    return st.lists(
        st.one_of(_advisers, _advisers, _others, _metrics_chapters), min_size=1, max_size=9
    )


def all_histories() -> st.SearchStrategy[list[Chapter]]:
    return st.one_of(experiment_histories(), metric_histories(), lesson_histories())
