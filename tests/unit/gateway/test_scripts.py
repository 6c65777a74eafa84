"""Pages are small: a phone at night loads them whole."""

import re

from tests.support.gateway.pages import STATIC, script_bytes, table

SCRIPT_BYTES_MAX = 120_000


def test_all_scripts_together_are_small() -> None:
    assert 10_000 < script_bytes() <= SCRIPT_BYTES_MAX


def test_every_page_of_the_menu_has_a_key_of_its_own() -> None:
    text = STATIC.joinpath("pages.js").read_text(encoding="utf-8")
    keys = re.findall(r' name: "[^"]+", key: "(.)" }', text)
    assert len(keys) == len(set(keys)) == len([name for name in table().values() if name])
    assert not {"j", "k", "/", "?"} & set(keys), "they have a meaning of their own"
