"""Debian's Chromium, driven as a person would use it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

VARIABLE = "MENDSTREAM_TEST_CHROMIUM"
# Without what the browser asks networks for by itself, which a closed one refuses all the time.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000


def chromium() -> Path | None:
    """Where the browser is; None where there is none."""
    found = Path(os.environ.get(VARIABLE) or "/usr/bin/chromium")
    return found if found.exists() else None


NEEDED = [
    pytest.mark.kafka,
    pytest.mark.skipif(
        chromium() is None, reason=f"no Chromium at {VARIABLE} or /usr/bin/chromium"
    ),
]


@contextmanager
def browser() -> Iterator[Browser]:
    path = chromium()
    assert path is not None, "no Chromium"
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield opened
        finally:
            opened.close()


class Person:
    """One who looks at pages. faults: what the browser complained of, refused content among it."""

    def __init__(self, opened: Browser, address: str, **context: Any) -> None:
        self.address, self.faults = address, list[str]()
        self.context = opened.new_context(base_url=address, **context)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def open(self, path: str, heading: str | None = None) -> None:
        """Goes to a page, and waits until it shows what it is of."""
        self.page.goto(path)
        self.page.get_by_role("heading", level=1, name=heading).first.wait_for()

    def wait_gone(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for(state="detached")
