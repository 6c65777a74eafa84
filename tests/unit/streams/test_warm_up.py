"""What is compiled before a worker joins its group is all that it folds with: nothing stops it in
the middle of a slice for a compiler.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
_FOLD = """
from schemas import compiled_files
from streams.operations.warm_up import warm_up
from tests.support.histories.history import History
from tests.support.histories.telling import TELLING

warm_up()
read, asked = compiled_files.read, set()

def noted(function, digest, name):
    asked.add(function)
    return read(function, digest, name)

compiled_files.read = noted
for recipe in TELLING.values():
    History.of(recipe)
print(sorted(asked))
"""


def test_all_that_histories_fold_with_was_prepared() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FOLD], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]", "warm_up is to fold what needs it"
