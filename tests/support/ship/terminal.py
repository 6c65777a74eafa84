"""A terminal in which a program runs as a person would run it: tmux holds the screen and the
keyboard.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from streams.runtime.clock import wait_until

SECONDS = 90.0  # what is waited for on a screen is there within five
COLUMNS, ROWS = 200, 50


class Terminal:
    """A context manager; leaving it ends tmux and with it the program. Skips the test where there
    is no tmux.

    `home` is where the program finds its settings: those of the person who runs the tests change
    nothing.
    """

    def __init__(self, command: Sequence[str], home: Path) -> None:
        if shutil.which("tmux") is None:
            pytest.skip(
                "tmux is missing, and a program for terminals cannot be seen without: install "
                "Debian's tmux"
            )
        self._tmux = [
            "tmux",
            "-u",
            "-f",
            "/dev/null",
            "-S",
            str(home / "tmux"),
        ]  # a server and a socket of our own
        kept = [
            f"PATH={os.environ['PATH']}",
            f"HOME={home}",
            "LC_ALL=C.UTF-8",
            "TERM=tmux-256color",
        ]
        self._command = ["env", "-i", *kept, *command]

    def __enter__(self) -> Self:
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        # What the program says last, such as why it ended at once, stays on the screen.
        kept = ["start-server", ";", "set-option", "-g", "remain-on-exit", "on", ";"]
        self._run(*kept, "new-session", "-d", *size, *self._command)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)

    @property
    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def awaits(self, *texts: str) -> str:
        """The screen once all of these stand on it; lines that were too long for their place are
        joined.
        """
        assert wait_until(lambda: all(text in _joined(self.screen) for text in texts), SECONDS), (
            self.screen
        )
        return self.screen

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], capture_output=True, text=True, timeout=30.0, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout


def _joined(screen: str) -> str:
    """Without frames: a word after a word.

    >>> _joined("│ 100 against 100  │\\n│ records taken │")
    '100 against 100 records taken'
    """
    return " ".join(re.sub(r"[\u2500-\u259f]", " ", screen).split())
