"""docs/reference says what the code says."""

import pytest

from mendstream import client
from schemas.catalog import TOPICS
from streams.runtime.settings import Settings
from tests.reference.pages import FOLDER, pages

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == PAGES[name], "run `make reference`"


def test_no_page_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


def test_everything_is_on_its_page() -> None:
    assert {topic for topic in TOPICS if f"`{topic}`" not in PAGES["topics.md"]} == set()
    assert {name for name in Settings.model_fields if f"`{name}`" not in PAGES["settings.md"]} == (
        set()
    )
    assert "## mendstream publish\n" in PAGES["cli.md"]
    assert "`mendstream_commits_total`" in PAGES["metrics.md"]
    assert {name for name in client.__all__ if name not in PAGES["client.md"]} == set()
