"""What is said to deployers holds: the verifier stands alone, and the handbook's example refuses
what it should.
"""

import ast
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args
from unittest.mock import Mock

import pytest

from streams.signing import verifier
from streams.signing.signer import public_line
from streams.signing.verifier import Reason
from tests.support.builders import CODEC
from tests.support.signed import KEY, ROLLBACK, Sent, sent

HANDBOOK = Path(__file__).parents[3] / "docs" / "security.md"


class Consumed:
    """A message as confluent-kafka hands it over."""

    def __init__(self, record: Sent) -> None:
        self.topic, self.key, self.value, self.headers = (
            lambda: record.topic,
            lambda: record.key,
            lambda: record.value,
            lambda: list(record.headers),
        )


def test_the_verifier_can_be_copied_without_anything_of_ours() -> None:
    tree = ast.parse(Path(verifier.__file__).read_text(encoding="utf-8"))
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not any(node.level for node in froms)
    roots = {name.partition(".")[0] for name in names | {node.module or "" for node in froms}}
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}


def test_the_handbook_names_every_reason() -> None:
    text = HANDBOOK.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(?!MENDSTREAM)([A-Z_]+)` \|", text, re.MULTILINE)) == set(
        get_args(Reason)
    )


def test_the_deployer_in_the_handbook_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(
        r"```python\n(from time.*?)```", HANDBOOK.read_text(encoding="utf-8"), re.DOTALL
    )
    (tmp_path / "mendstream-keys.txt").write_text(public_line(KEY, ""))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "verifier", verifier)
    done: list[Any] = []
    deployer: dict[str, Any] = {
        "consumer": Mock(list_topics=lambda: Mock(cluster_id="cluster-1")),
        "decode": lambda value: (
            CODEC.read("RollbackCommand", value),
            CODEC.written_with("RollbackCommand", value),
        ),
        "report": lambda reason, _sentence: done.append(reason),
        "carry_out": lambda command: done.append(command["fencing_token"]),
    }
    exec(code, deployer)
    late = 100_000_000_000_000  # ms: its commands do not expire while somebody reads this
    for record in (
        sent(replace(ROLLBACK, expires_at=late)),
        sent(replace(ROLLBACK, expires_at=late)),
        sent(replace(ROLLBACK, expires_at=late, command_id="dry", fencing_token=4, dry_run=True)),
        sent(key=None),
    ):
        deployer["take"](Consumed(record))
    assert done == [ROLLBACK.fencing_token, "SEEN", "UNSIGNED"]
