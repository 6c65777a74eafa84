"""The least run of what `make chaos-commands` does with hundreds of commands."""

from pathlib import Path

import pytest

from tests.faults.commands import Found, chaos

pytestmark = pytest.mark.kafka


def test_each_command_has_one_effect_and_one_end_whoever_dies(tmp_path: Path) -> None:
    assert chaos(commands=20, kills=4, directory=tmp_path) == Found(
        20, 4, missing=0, twice=0, unfinished=0
    )
