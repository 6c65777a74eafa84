"""Plays every recorded log and says what has changed; or records anew, where a new version says so.

usage: python -m tests.golden [record]

`record` wants agents of a newer version than the recorded one (`VERSION`), and a line in
CHANGELOG.md that names that version: whoever reads decisions must be able to learn what changed.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from agents.commands.disposition import VERSION
from streams.runtime.clock import monotonic
from tests.golden import store
from tests.golden.behaviour import Behaviour, differences
from tests.golden.logs import Recording, recordings

_CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
_SHOWN = 60  # differences; more of them are seldom read
_USAGE = "usage: python -m tests.golden [record]"


def main(arguments: Sequence[str]) -> int:
    """Returns 0 where all is as recorded, or was recorded; 1 where not; 2 where it was called
    wrongly.
    """
    if list(arguments) == ["record"]:
        return _record()
    if arguments:
        print(_USAGE)
        return 2
    return _check()


def _check() -> int:
    began = monotonic()
    recorded, changed, played = store.load(), list[str](), set[str]()
    for found in _play(recordings()):
        played.add(found.name)
        before = recorded.get(found.name)
        changed += differences(before, found) if before else [f"{found.name}: was never recorded"]
    changed += [
        f"{name}: is recorded, but there is no such log" for name in recorded.keys() - played
    ]
    for line in changed[:_SHOWN]:
        print(line)
    if len(changed) > _SHOWN:
        print(f"... and {len(changed) - _SHOWN} more")
    seconds = monotonic() - began
    print(f"{len(played)} recorded logs in {seconds:.0f} s, {len(changed)} differences")
    return 1 if changed else 0


def _record() -> int:
    why_not = refusal_to_record(store.recorded_version(), VERSION, _CHANGELOG.read_text())
    if why_not:
        print(why_not)
        return 1
    store.save(_play(recordings()), VERSION)
    print(f"Recorded what agents of version {VERSION} make of {len(recordings())} logs.")
    return 0


def refusal_to_record(recorded: str, version: str, changelog: str) -> str:
    """Why nothing is recorded, with what would end it; empty where recording is in order.

    >>> refusal_to_record("6", "7", "## Unreleased (agents' version 7)")
    ''
    """
    if recorded == version:
        return (
            f"Agents of version {version} are recorded already. A change of what is decided or "
            "written wants a new VERSION in agents/commands/disposition.py."
        )
    if f"agents' version {version}" not in changelog:
        return (
            f"CHANGELOG.md does not say what changed: no heading names agents' version {version}."
        )
    return ""


def _play(chosen: Sequence[Recording]) -> Iterator[Behaviour]:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for number, behaviour in enumerate(pool.map(_play_one, range(len(chosen)), chunksize=4), 1):
            if number % 20 == 0:
                print(f"{number} of {len(chosen)}", file=sys.stderr, flush=True)
            yield behaviour


def _play_one(number: int) -> Behaviour:
    return recordings()[number].play()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
