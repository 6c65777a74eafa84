"""docs/helm.md names values that there are, and its commands are taken."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.ship.chart import CASES, CHART, NEWEST, ROOT, documents, helm, template

TEXT = (ROOT / "docs" / "helm.md").read_text(encoding="utf-8")
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SETTINGS = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]["settings"][
    "properties"
]
COMMANDS = re.findall(r"^helm (?:install|upgrade) .*$", TEXT, re.MULTILINE)
NAMED = sorted(
    {
        name
        for name in re.findall(r"`([a-z]\w*(?:\.\w+)+)", TEXT)
        if name.partition(".")[0] in VALUES
    }
)


@pytest.mark.parametrize("name", NAMED)
def test_a_value_that_is_named_is_one(name: str) -> None:
    found: Any = VALUES | {"settings": SETTINGS}
    for part in name.split("."):
        assert part in found, f"values.yaml has no {name}"
        found = found[part]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_sets_what_can_be_set(command: str) -> None:
    given = re.findall(r"--set (\S+)", command)
    done = template("small", *[argument for each in given for argument in ("--set", each)])
    assert done.returncode == 0, done.stderr


def test_the_handbook_was_read() -> None:
    assert len(NAMED) > 20
    assert len(COMMANDS) >= 4


def notes(case: str, folder: Path) -> str:
    """What `helm install` would print: Helm shows it at an install alone, so it is rendered as a
    document of a copy.
    """
    copy = Path(shutil.copytree(CHART, folder / case))
    body = (copy / "templates" / "NOTES.txt").read_text(encoding="utf-8")
    document = (
        'kind: Notes\napiVersion: v1\nmetadata: {name: notes}\ntext: {{ include "notes" . | '
        "toJson }}\n"
    )
    (copy / "templates" / "notes.yaml").write_text(
        f'{{{{- define "notes" -}}}}{body}{{{{- end }}}}\n{document}'
    )
    values = str(CHART / "ci" / f"{case}.yaml")
    done = helm("template", "demo", str(copy), "-n", "ops", "--kube-version", NEWEST, "-f", values)
    (said,) = [
        each["text"] for each in yaml.safe_load_all(done.stdout) if each and each["kind"] == "Notes"
    ]
    assert isinstance(said, str)
    return said


@pytest.mark.parametrize("case", CASES)
def test_what_helm_says_in_the_end_names_what_it_installed(case: str, tmp_path: Path) -> None:
    said = notes(case, tmp_path)
    found = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in documents(case)}
    named = set(re.findall(r"\b(?:statefulset|job|cronjob)/[a-z-]+[a-z]", said))
    assert "statefulset/demo-mendstream-processor" in named
    assert named <= found
    assert all(
        line.startswith("  kubectl -n ops ") for line in said.splitlines() if "kubectl" in line
    )


def test_what_is_left_open_is_said(tmp_path: Path) -> None:
    said = notes("small", tmp_path)
    assert "Commands are not signed" in said
    assert "in the clear" in said
    assert "obeys others too" in notes("production", tmp_path), (
        "it signs, and its executor does not verify"
    )
    assert "not signed" not in notes("tls-scram", tmp_path)
