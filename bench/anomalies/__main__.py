"""Measures the watch of anomalies beside others: `python -m bench.anomalies`.

worlds: the score of NAB on synthetic series, by kind. others: beside detectors that are not ours,
each under the one threshold that suits it best on other series of the same kinds. marked: F1 on the
change points that five people marked, where the shared data are. speed: microseconds a record.
"""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from river import anomaly, drift

from agents.flow.fold_metrics import fold_metrics
from agents.flow.ingress import BatchFates
from bench.anomalies.change_points import MARGIN, f1
from bench.anomalies.detected import changes, unusual
from bench.anomalies.nab_score import Judged, Scored, scored
from bench.anomalies.worlds import KINDS, Series, corpus
from bench.watching import Stream, slice_of, state_of
from schemas.records import AnomalyWatch, Policy
from streams.operations.simulated_tests import CODEC

Floats = NDArray[np.float64]

SHARED = Path(__file__).parents[3] / "shared" / "data"
_LEARNED_ON, _JUDGED_ON, _QUIET = 21, 22, 23  # seeds
_TIMES = 3
# The best figures of online detectors that TCPDBench (analysis/output/scores) publishes, by series:
# with default settings, and with settings chosen on the marks themselves.
PUBLISHED = {
    "run_log": ("BOCPD", 1.0, "BOCPD", 1.0),
    "airline_passengers": ("BOCPDMS", 0.5588, "BOCPD", 0.7755),  # there jfk_passengers
    "uk_coal_employment": ("BOCPDMS", 0.4952, "BOCPDMS", 0.6173),
    "occupancy": ("BOCPD", 0.8074, "BOCPD", 0.9186),
}
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%b", "%Y")


def window_of_400(values: Floats) -> Floats:
    """How many standard deviations a value is from the mean of the last 400 (Windowed Gaussian)."""
    about = values - values.mean()  # so that sums of squares keep their digits
    sums = np.concatenate([[0.0], np.cumsum(about)])
    squares = np.concatenate([[0.0], np.cumsum(about * about)])
    ends = np.arange(2, len(values))
    begins = np.maximum(0, ends - 400)
    means = (sums[ends] - sums[begins]) / (ends - begins)
    variances = (squares[ends] - squares[begins]) / (ends - begins) - means * means
    found = np.zeros(len(values))
    found[2:] = np.abs(about[2:] - means) / np.sqrt(np.maximum(variances, 1e-12))
    return found


def by_chance(values: Floats) -> Floats:
    return np.random.default_rng(len(values)).random(len(values))


def gaussian_scorer(values: Floats) -> Floats:
    """river's GaussianScorer: how deep a value lies in the tail of a normal distribution, of all
    before it; one of a window takes roots of negative variances of constants.
    """
    scorer = anomaly.GaussianScorer(None, 100)  # type: ignore[no-untyped-call]
    found = np.zeros(len(values))
    for at, value in enumerate(values.tolist()):
        found[at] = scorer.score_one(None, value)  # type: ignore[no-untyped-call]
        scorer.learn_one(None, value)  # type: ignore[no-untyped-call]
    return found


def adwin(values: Floats) -> Floats:
    """river's ADWIN, of values divided by how far they were from each other before."""
    watch = drift.ADWIN(delta=0.002)  # type: ignore[no-untyped-call]
    scale, found = 0.0, np.zeros(len(values))
    before = float(values[0])
    for at, value in enumerate(values.tolist()):
        scale += (abs(value - before) - scale) / min(at + 1, 400)
        before = value
        watch.update(value / scale if scale > 0.0 else 0.0)  # type: ignore[no-untyped-call]
        found[at] = float(watch.drift_detected)
    return found


OTHERS: dict[str, Callable[[Floats], Floats]] = {
    "a window of 400, normal": window_of_400,
    "river GaussianScorer": gaussian_scorer,
    "river ADWIN": adwin,
    "alarms by chance": by_chance,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.anomalies", description=__doc__)
    parser.add_argument("what", nargs="*", choices=["worlds", "others", "marked", "speed"])
    chosen = parser.parse_args().what or ["worlds", "others", "marked", "speed"]
    if "worlds" in chosen:
        _say_worlds()
    if "others" in chosen:
        _say_others()
    if "marked" in chosen:
        _say_marked()
    if "speed" in chosen:
        _say_speed()
    return 0


def _say_worlds() -> None:
    judged = [(one.kind, _judged(one)) for one in corpus(_JUDGED_ON, _TIMES)]
    quiet = [(one.kind, _judged(one)) for one in corpus(_QUIET, _TIMES, quiet=True)]
    print(f"{'kind':22} {'score':>6} {'found':>9} {'false':>6} {'in 10^5 quiet points':>21}")
    for kind in [*KINDS, ""]:
        found = scored(one for name, one in judged if kind in ("", name))
        calm = scored(one for name, one in quiet if kind in ("", name))
        score = f"{found.normal:6.1f}" if found.windows else "     -"
        hits = f"{found.found} of {found.windows}"
        print(
            f"{kind or 'all':22} {score} {hits:>9} {found.false:6} {calm.false_per_100_000:21.1f}"
        )


def _say_others() -> None:
    learned, judged = corpus(_LEARNED_ON, 1), corpus(_JUDGED_ON, 1)
    print(f"{'detector':26} {'score':>6} {'found':>9} {'false':>6}")
    _say_scored("this one", scored(map(_judged, judged)))
    for name, score in OTHERS.items():
        scores = [score(one.values) for one in learned]
        highest = np.sort(np.concatenate(scores))[::-1]
        places = (len(highest) * 10.0 ** -np.arange(2.0, 5.1, 0.25)).astype(int)
        tries = highest[places].tolist()
        best = max(tries, key=lambda level: scored(_above(learned, scores, level)).normal)
        found = [score(one.values) for one in judged]
        _say_scored(name, scored(_above(judged, found, best)))


def _say_scored(name: str, found: Scored) -> None:
    print(f"{name:26} {found.normal:6.1f} {found.found:>3} of {found.windows} {found.false:6}")


def _judged(one: Series) -> Judged:
    alarms = unusual(one.occurred_at, one.values)
    return Judged(len(one.values), one.anomalies, tuple(alarms))


def _above(series: Sequence[Series], scores: Sequence[Floats], level: float) -> Iterator[Judged]:
    for one, found in zip(series, scores, strict=True):
        alarms = np.flatnonzero(found >= max(level, 1e-12)).tolist()
        yield Judged(len(one.values), one.anomalies, tuple(alarms))


def _say_marked() -> None:
    folder = SHARED / "changepoints"
    if not folder.exists():
        print(f"{folder} is not there: nothing is said of marked change points")
        return
    marks = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    print(f"{'series':20} {'F1':>6} {'prec.':>6} {'recall':>6}  online, default    chosen on marks")
    for name, people in marks.items():
        told = _told_of(folder / f"{name}.csv")
        score = " ".join(f"{value:6.3f}" for value in f1(list(people.values()), told))
        default, figure, tuned, best = PUBLISHED[name]
        print(f"{name:20} {score}  {default} {figure:.3f}      {tuned} {best:.3f}  {told}")
    flow = _columns(SHARED / "water_flow.csv")
    for at, values in flow:
        found = unusual(at, values)
        print(f"water flow           unusual at {found}, levels from {changes(values)}")


def _told_of(path: Path) -> list[int]:
    """The changes in any column, one of those within the margin of each other."""
    told = sorted(at for _, values in _columns(path) for at in changes(values))
    kept: list[int] = []
    for at in told:
        if not kept or at - kept[-1] > MARGIN:
            kept.append(at)
    return kept


def _columns(path: Path) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """(when, what) of each column; a value that is absent is the one before, which is no change."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    moments = np.array([_moment(row[0]) for row in rows], np.int64)
    for column in range(1, len(rows[0])):
        values = np.array([float(row[column] or "nan") for row in rows])
        for at in np.flatnonzero(np.isnan(values)).tolist():
            values[at] = values[at - 1]
        yield moments, values


def _moment(text: str) -> int:
    for form in _FORMS:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp() * 1_000)
        except ValueError:
            continue
    return int(datetime.fromisoformat(text).timestamp() * 1_000)


def _say_speed() -> None:
    """Gauges and rates, with the watch and without: the difference is what it costs."""
    rng, n = np.random.default_rng(1), 200_000
    for metric, seconds, values in (
        ("gauge", 60.0, rng.standard_normal(n)),  # each of which is a point
        ("error", 0.1, (rng.random(n) < 0.02).astype(np.float64)),
    ):
        stream = Stream(metric, np.arange(n, dtype=np.float64) * seconds / 86_400.0, values)
        off, on = (
            _microseconds(stream, Policy(event_id="x", policy_id="all", anomalies=watch))
            for watch in (AnomalyWatch.OFF, AnomalyWatch.ALERT)
        )
        print(f"{metric}: {off:.2f} us a record without, {on:.2f} with it")


def _microseconds(stream: Stream, policy: Policy) -> float:
    """The least of five runs, of the fold alone."""
    n = len(stream.days)
    pieces = [slice_of(stream, slice(at, min(at + 20_000, n))) for at in range(0, n, 20_000)]
    found = []
    for _ in range(5):
        state, began = state_of(policy), perf_counter()
        for piece in pieces:
            fold_metrics(piece, piece.append_times, state, CODEC, BatchFates())
        found.append(perf_counter() - began)
    return 1e6 * min(found) / n


if __name__ == "__main__":
    sys.exit(main())
