"""Every example in a docstring says what comes of it."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "state", "agents", "streams", "gateway", "mendstream", "bench", "tests")


def modules_with_examples() -> list[str]:
    """The names of the modules whose text holds an example. No other module is imported."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
        if path != Path(__file__) and ">>> " in path.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_hold(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    results = doctest.testmod(import_module(name))
    assert results.failed == 0, capsys.readouterr().out
    assert results.attempted > 0, f"the examples in {name} stand in no docstring"
