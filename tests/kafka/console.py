"""Runs the real command line in a process of its own, as a person would."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SECONDS = 60.0  # the deadline of a command; most take one or two


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without settings of Mendstream, the place of the jars excepted."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith("MENDSTREAM_") or k == "MENDSTREAM_CACHE"
    }
    return kept | {"COLUMNS": "120"} | dict(more or {})


def mendstream(
    *arguments: str | Path, env: Mapping[str, str] | None = None, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams", *map(str, arguments)],
        cwd=ROOT,
        env=environment(env),
        timeout=seconds,
        capture_output=True,
        text=True,
        check=False,
    )


def output(*arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
    """What a command prints; it must succeed."""
    done = mendstream(*arguments, env=env)
    assert done.returncode == 0, (
        f"{arguments}: {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    )
    return done.stdout


def lines(*arguments: str | Path, env: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The JSON lines that a command prints."""
    return [json.loads(line) for line in output(*arguments, env=env).splitlines()]


def error(*arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
    """The one line that a failing command says, without `error: `."""
    done = mendstream(*arguments, env=env)
    assert done.returncode == 1, (
        f"{arguments}: {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    )
    assert "Traceback" not in done.stderr + done.stdout
    said = done.stderr.splitlines()
    assert len(said) == 1, done.stderr
    assert said[0].startswith("error: ")
    return said[0].removeprefix("error: ")
