"""The chart as Helm renders it, for tests: documents, pods, and what is refused. `make tools`
brings what is needed.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "mendstream"
CASES = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
OLDEST, NEWEST = (
    "1.28",
    "1.37",
)  # of Kubernetes: what Chart.yaml asks for, and the last that the schemas know
_TOOLS = ROOT / ".tools"
_MERGE = "tag:yaml.org,2002:merge"  # `<<`, which may well stand before a key that it brings

Document = dict[str, Any]


class _Strict(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML's readers silently take one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE]
        assert len(keys) == len(set(keys)), f"a key twice among {keys}{node.start_mark}"
        return super().construct_mapping(node, deep)


class Pod(NamedTuple):
    """What a workload runs."""

    kind: str
    name: str
    labels: dict[str, str]
    spec: Document

    @property
    def container(self) -> Document:
        (one,) = self.spec["containers"]
        assert isinstance(one, dict)
        return one

    @property
    def env(self) -> dict[str, Document]:
        return {each["name"]: each for each in self.container["env"]}

    @property
    def role(self) -> str:
        return self.labels["app.kubernetes.io/component"]


def tool(name: str, *places: Path) -> str:
    """The path of a program. Skips the test where there is none."""
    found = next(
        (str(place / name) for place in places if (place / name).is_file()), None
    ) or shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name}: `make tools` brings it")
    return found


def validated(files: str, version: str) -> subprocess.CompletedProcess[str]:
    """What kubernetes-validate says of documents."""
    program = tool("kubernetes-validate", _TOOLS / "python" / "bin")
    return _run(program, "-k", version, "--strict", "-", input=files)


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _run(tool("helm", _TOOLS / "bin"), *arguments)


@cache
def text(case: str, *more: str, release: str = "demo") -> str:
    """What `helm template` prints for a values file of ci/ and further arguments."""
    done = template(case, *more, release=release)
    assert done.returncode == 0, done.stderr
    return done.stdout


def template(case: str, *more: str, release: str = "demo") -> subprocess.CompletedProcess[str]:
    values = str(CHART / "ci" / f"{case}.yaml")
    return helm(
        "template", release, str(CHART), "-n", "ops", "--kube-version", NEWEST, "-f", values, *more
    )


def documents(case: str, *more: str, release: str = "demo") -> list[Document]:
    return [
        each for each in yaml.load_all(text(case, *more, release=release), Loader=_Strict) if each
    ]


def of_kind(found: list[Document], kind: str) -> list[Document]:
    return [each for each in found if each["kind"] == kind]


def pods(found: list[Document]) -> Iterator[Pod]:
    """The pods of all workloads."""
    for each in found:
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            template = spec["template"]
            yield Pod(
                each["kind"],
                each["metadata"]["name"],
                template["metadata"]["labels"],
                template["spec"],
            )


def pod(found: list[Document], role: str) -> Pod:
    (one,) = [each for each in pods(found) if each.role == role]
    return one


def _run(*command: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
    own = Path(gettempdir()) / "mendstream-helm"  # Helm shall not see what its user has configured
    homes = {f"HELM_{name}_HOME": str(own) for name in ("CONFIG", "CACHE", "DATA")}
    return subprocess.run(
        command,
        input=input,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **homes},
    )
