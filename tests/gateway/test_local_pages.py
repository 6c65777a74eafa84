"""Pages beside other work: told once where they are not, and in nobody's way."""

import socket
from pathlib import Path

from streams.cli.support.local_pages import HOST, LocalPages
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings


def test_what_cannot_run_is_told_once_and_nothing_else_ends(tmp_path: Path) -> None:
    said: list[str] = []
    with LocalPages(Settings(gateway_port=0), tmp_path, ("gateway", "--nonsense")) as pages:

        def told() -> bool:
            said.extend(news for news in [pages.news()] if news is not None)
            return bool(said)

        assert wait_until(told, 60.0)
        assert all(pages.news() is None for _ in range(10))
    (sentence,) = said
    assert sentence.startswith("There are no pages: The gateway ended 4 times in a row")
    assert sentence.endswith("Everything else goes on.")


def test_a_port_that_another_program_has_is_left_to_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        pages = LocalPages(Settings(gateway_port=port), tmp_path)
        assert pages.address.startswith(f"http://{HOST}:")
        assert pages.address != f"http://{HOST}:{port}"
