"""Fault 18: a worker that holds many keys is killed in the middle of their restore, again and
again.
"""

import signal
from pathlib import Path
from typing import Any

from schemas.catalog import RESULTS
from streams.history.replay import main as replay
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.settings import Settings
from tests.support.builders import many, result
from tests.support.faults.case import Case, Harm, Outcome, Setting
from tests.support.faults.load import Recovery, announce, results, take_in
from tests.support.kafka.logs import calm, commands, ends_of, send
from tests.support.kafka.running import EAGER, STEADY, Child, Feeder, own_kafka

# of which ten are the bar of a restore (bench/restore.py), the rest start, join and commit on a
# busy machine
WITHIN = 20.0
SHARES = (0.2, 0.5, 0.8)  # of the time that a restore takes
TRIES_MAX = 12
SUBJECTS = 40
METRICS = ("conversion", "error", "revenue", "latency", "clicks")
SEGMENTS = tuple(f"country={n}" for n in range(9))
ROWS_EACH = (
    len(METRICS) * 2 * (1 + len(SEGMENTS))
)  # of an experiment: every arm as a whole and in each segment
SECONDS = 600.0


def restore_killed(setting: Setting) -> Outcome:
    rows = 1_000_000 if setting.full else 50_000
    # A session far shorter than a restore: a worker that did not go on saying that it lives would
    # lose its partitions.
    with own_kafka(EAGER | STEADY, session_timeout_ms=1_500, dedupe_window=100_000) as (
        _,
        settings,
    ):
        announce(settings, 100)
        load = Feeder(settings, RESULTS, results())
        load.feed(1_000)
        _send_wide(settings, rows)
        take_in(
            settings, ends_of(settings, RESULTS), setting.directory / "grown.log", seconds=SECONDS
        )
        lasts = _lasts(settings, setting.directory / "whole.log")
        kills = tries = 0
        for share in SHARES:
            while not _killed(settings, setting.directory / f"try {tries}.log", share * lasts):
                assert tries < TRIES_MAX, (
                    f"restores end within {share * lasts:.2f} s: there is no middle to kill them in"
                )
                lasts /= 2  # it was measured when the machine was busier
                tries += 1
            kills, tries = kills + 1, tries + 1
        load.feed(5_000)
        last = setting.directory / "last.log"
        with Recovery(settings) as recovery:
            take_in(settings, ends_of(settings, RESULTS), last, recovery.seen, SECONDS)
            assert wait_until(recovery.seen, SECONDS)
        assert last.read_text().count(" restored in ") == 1, (
            "it lost its partitions and restored them again"
        )
        return Outcome(kills, _harm(settings), recovery.seconds or 0.0)


def _send_wide(settings: Settings, rows: int) -> None:
    """One result of every arm in every segment, of experiments enough for so many rows of the hot
    table.
    """
    experiments = -(-rows // ROWS_EACH)
    for first in range(0, experiments, 500):
        which = [
            (e, metric, variant, segment)
            for e in range(first, min(first + 500, experiments))
            for metric in METRICS
            for variant in ("control", "b")
            for segment in SEGMENTS
        ]
        subjects = [f"wide-{e % SUBJECTS}" for e, _, _, _ in which]
        columns: dict[str, Any] = {
            "event_id": [
                f"wide {e} {metric} {variant} {segment}" for e, metric, variant, segment in which
            ],
            "subject": subjects,
            "experiment_id": [f"wide-{e}" for e, _, _, _ in which],
            "metric": [metric for _, metric, _, _ in which],
            "variant": [variant for _, _, variant, _ in which],
            "segment": [segment for _, _, _, segment in which],
        }
        values = [each.raw or b"" for each in many(result(), len(which), **columns)]
        send(settings, RESULTS, values, subjects)


def _lasts(settings: Settings, log: Path) -> float:
    """Seconds that an undisturbed restore takes."""
    with Child(settings, log) as child:
        child.awaits("restoring")
        began = monotonic()
        assert wait_until(lambda: child.says(" restored in "), SECONDS), log.read_text()
        return monotonic() - began


def _killed(settings: Settings, log: Path, after: float) -> bool:
    """Whether a worker that is killed so many seconds after its restore began was still in the
    middle of it.
    """
    with Child(settings, log) as child:
        child.awaits("restoring")
        began = monotonic()
        wait_until(lambda: monotonic() - began > after or child.says(" restored in "), SECONDS)
        child.send(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, log.read_text()
        return not child.says(" restored in ")


def _harm(settings: Settings) -> Harm:
    """Commands against those of the same log without a fault; tables and journal against the log
    folded again.
    """
    expected = {(command.command_id, command.attempt): command for command in calm(settings)}
    found = commands(settings)
    assert len(expected) >= 6, f"{len(expected)} commands come of this log: too few to say anything"
    standing = {(command.command_id, command.attempt): command for command in found}
    other = sum(expected.get(who) != command for who, command in standing.items())
    return Harm(
        len(expected.keys() - standing.keys()), len(found) - len(standing), other + replay(settings)
    )


CASES = (
    Case("kill -9 in the middle of a restore of many keys", restore_killed, WITHIN, quick=False),
)
