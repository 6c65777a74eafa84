"""AsyncAPI's own parser on the document, Avro payloads included.

`make .tools/asyncapi` installs the parser as tests/ship/asyncapi/package-lock.json pins it; it
needs Node 20 or newer.
"""

import json
import subprocess
from pathlib import Path

import yaml

from schemas.catalog import TOPICS

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "docs/asyncapi.yaml"
CHECK = ROOT / ".tools/asyncapi/check.js"


def parsed(document: Path) -> subprocess.CompletedProcess[str]:
    assert CHECK.is_file(), "the parser is missing: run `make .tools/asyncapi`"
    return subprocess.run(["node", CHECK, document], capture_output=True, text=True, check=False)


def test_the_parser_understands_all_of_it() -> None:
    done = parsed(SHIPPED)
    assert done.returncode == 0, done.stdout + done.stderr
    operations = len(yaml.safe_load(SHIPPED.read_text())["operations"])
    assert json.loads(done.stdout) == {
        "channels": len(TOPICS),
        "operations": operations,
        "messages": len(TOPICS),
    }


def test_the_parser_looks_into_avro(tmp_path: Path) -> None:
    broken = yaml.safe_load(SHIPPED.read_text())
    del broken["components"]["messages"]["Tick"]["payload"]["schema"]["fields"][0]["type"]
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(broken))
    done = parsed(tmp_path / "broken.yaml")
    assert done.returncode == 1
    assert "components/messages/Tick/payload" in done.stdout
