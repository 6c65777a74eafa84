"""The order in which tests run: as they are written, or by chance with a seed that gives it again.

`--random-order-seed N` shuffles the modules, and the tests in each; `--random-order=all` shuffles
tests across modules too. A seed that nobody named is drawn; the header of the run says which it
was.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pytest

_SEEDS = 1_000_000
T = TypeVar("T")


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("order")
    group.addoption("--random-order-seed", type=int, help="shuffle the tests by this seed")
    group.addoption(
        "--random-order",
        choices=("modules", "all"),
        help="what is shuffled: modules and the tests in each (where a seed is named, unless this "
        "says otherwise), or all tests across modules",
    )


def draw_seed(config: pytest.Config) -> None:
    """Draws a seed where a random order is asked for without one."""
    if config.option.random_order and config.option.random_order_seed is None:
        config.option.random_order_seed = int(np.random.default_rng().integers(_SEEDS))


def described(config: pytest.Config) -> str:
    """The order of a run, as its header says it."""
    seed = config.option.random_order_seed
    if seed is None:
        return "order as written"
    return f"order {config.option.random_order or 'modules'}, --random-order-seed {seed}"


def shuffle(items: list[pytest.Item], config: pytest.Config) -> None:
    """Puts the tests into the order that was asked for."""
    seed = config.option.random_order_seed
    if seed is None:
        return
    chance = np.random.default_rng(seed)
    if config.option.random_order == "all":
        items[:] = _shuffled(items, chance)
        return
    modules = [_shuffled(module, chance) for module in _modules(items)]
    items[:] = [item for module in _shuffled(modules, chance) for item in module]


def _modules(items: Sequence[pytest.Item]) -> list[list[pytest.Item]]:
    found: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        found[str(item.path)].append(item)
    return list(found.values())


def _shuffled(given: Sequence[T], chance: np.random.Generator) -> list[T]:
    return [given[at] for at in chance.permutation(len(given))]
