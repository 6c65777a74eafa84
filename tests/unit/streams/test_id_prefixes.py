"""An id may be given by its first characters, where these are enough to tell it apart."""

import pytest

from streams.runtime.errors import MendstreamError
from streams.runtime.id_prefixes import check_length, only_id

IDS = ["ab1", "ab2", "ab3", "ab4", "ab5", "ab6", "cd1"]
REMEDY = "`mendstream table commands` shows them."


def only(prefix: str, ids: list[str]) -> str:
    return only_id(prefix, ids, "command", "tables.commands.v1", REMEDY)


def test_a_prefix_that_one_id_has_finds_it() -> None:
    assert only("c", IDS) == "cd1"


def test_ids_that_share_a_prefix_are_listed_up_to_five() -> None:
    with pytest.raises(MendstreamError) as told:
        only("ab", IDS)
    assert str(told.value) == (
        "6 commands have ids that begin with 'ab': ab1, ab2, ab3, ab4, ab5 and others. "
        "Give more of it."
    )


def test_few_characters_are_refused_before_anything_is_read() -> None:
    check_length("abcdef", 6, REMEDY)
    with pytest.raises(MendstreamError, match=r"'abcde' is too short for an id. Give 6 .* shows"):
        check_length("abcde", 6, REMEDY)
