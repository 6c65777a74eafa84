"""What a program imports of Mendstream is thin, and lies beside what it needs and nothing more."""

import json
import subprocess
import sys
from pathlib import Path

import mendstream.client

ROOT = Path(__file__).parents[3]
# What the wheel says is needed besides Python: the client of Kafka, Avro, and what that brings.
NEEDED = {"confluent_kafka", "fastavro", "cramjam"}
_WALK = """
import json, sys
import mendstream.client
with_others = [name for name in sys.modules if "." not in name]
print(json.dumps(sorted(set(with_others) - set(sys.stdlib_module_names))))
print(json.dumps(sorted(name for name in sys.modules if name.startswith("streams"))))
"""


def walked(*more: str) -> list[list[str]]:
    """The top modules of others in a fresh process that imports the package, and those of
    streams.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {[*more]}\n{_WALK}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_program_imports_nothing_that_is_the_processors() -> None:
    site = str(Path(sys.modules["confluent_kafka"].__file__ or "").parents[1])
    modules, streams = walked(str(ROOT), site)
    ours = {"mendstream", "schemas"}
    hidden = {name for name in modules if name.startswith("_") or name == "cython_runtime"}
    assert set(modules) - hidden <= NEEDED | ours
    assert ours <= set(modules)
    assert streams == [], "the verifier needs cryptography, so it waits for keys"


def test_what_is_public_is_there_and_typed() -> None:
    assert (ROOT / "mendstream" / "py.typed").exists()
    missing = [name for name in mendstream.client.__all__ if not hasattr(mendstream.client, name)]
    assert missing == []
