"""A random order is the seed's, loses no test, and keeps modules together unless asked not to."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.ordering import described, draw_seed, shuffle


def item(module: str, number: int) -> Any:
    return SimpleNamespace(path=Path(module), number=number)


def config(seed: int | None, what: str | None = None) -> Any:
    return SimpleNamespace(option=SimpleNamespace(random_order_seed=seed, random_order=what))


def ordered(seed: int | None, what: str | None = None) -> list[tuple[str, int]]:
    items = [item(f"test_{name}.py", n) for name in "abcd" for n in range(9)]
    shuffle(items, config(seed, what))
    return [(str(each.path), each.number) for each in items]


def modules(found: list[tuple[str, int]]) -> list[str]:
    """Whose tests come one after the other."""
    names = [name for name, _ in found]
    return [name for n, name in enumerate(names) if n == 0 or names[n - 1] != name]


def test_without_a_seed_the_order_is_as_written() -> None:
    assert ordered(None) == sorted(ordered(None))
    assert described(config(None)) == "order as written"


@pytest.mark.parametrize("what", ["modules", "all"])
def test_a_seed_gives_its_order_again_and_loses_no_test(what: str) -> None:
    assert ordered(7, what) == ordered(7, what) != ordered(8, what)
    assert sorted(ordered(7, what)) == ordered(None)


def test_modules_are_kept_together_unless_all_is_asked_for() -> None:
    found = ordered(7)
    assert sorted(modules(found)) == [f"test_{name}.py" for name in "abcd"]
    assert modules(found) != sorted(modules(found))
    assert len(modules(ordered(7, "all"))) > len(modules(found))


def test_a_seed_that_nobody_named_is_drawn_and_said() -> None:
    asked = config(None, "all")
    draw_seed(asked)
    assert described(asked) == f"order all, --random-order-seed {asked.option.random_order_seed}"
    assert isinstance(asked.option.random_order_seed, int)
