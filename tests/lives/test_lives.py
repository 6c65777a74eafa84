"""A part of the search that always walks the same way, the seeds that once found something, and
rules that can be broken.
"""

from collections.abc import Callable
from typing import Any

import pytest

from agents.commands import circumstances, compensation, ordering
from schemas.records import CommandRow
from tests.lives.rules import Violation
from tests.lives.search import walk

SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_walk_breaks_a_rule(seed: int) -> None:
    walk(seed)


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(
            13,
            id="a rollback that only took a candidate out counted as a deployment",
        ),
        pytest.param(
            1940, id="an older rollback, approved late, brought back what a later one had taken out"
        ),
        pytest.param(
            1012, id="what is the baseline already did not take the target from an older rollout"
        ),
    ],
)
def test_what_once_broke_a_rule_does_not_any_more(seed: int) -> None:
    walk(seed)


def walk_all(seeds: range) -> None:
    for seed in seeds:
        walk(seed)


def _nothing_is_replaced(_row: CommandRow, _other: CommandRow) -> bool:
    return False


def _everything_served(*_: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("where", "name", "fault"),
    [
        (ordering, "_replaces", _nothing_is_replaced),
        (circumstances, "served", _everything_served),
        (compensation, "_held", lambda *_: ""),
    ],
)
def test_a_broken_product_is_found(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, fault: Callable[..., Any]
) -> None:
    monkeypatch.setattr(where, name, fault)
    with pytest.raises(Violation):
        walk_all(range(60))
