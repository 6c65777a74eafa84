"""What is shipped with known holes mended, and listed where an auditor looks for it."""

import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.kafka.console import ROOT

MENDED = {"aiohttp": "3.14.3", "confluent-kafka": "2.14.2"}  # older ones have holes that are known


def locked() -> dict[tuple[str, str], set[str]]:
    """The SHA-256 of each file of each locked package, by name and version; read in another way
    than the build does.
    """
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split("--hash=sha256:")
        parsed = Requirement(requirement.strip())
        (pin,) = parsed.specifier
        assert pin.operator == "=="
        found[parsed.name, pin.version] |= {each.strip() for each in hashes}
    return found


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The bill of materials in a wheel built from this tree."""
    where = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        str(where),
    ]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = Path(where).glob("*.whl")
    with ZipFile(path) as wheel:
        (name,) = [name for name in wheel.namelist() if ".dist-info/sboms/" in name]
        assert name in wheel.read(name.split("/")[0] + "/RECORD").decode()
        found: dict[str, Any] = json.loads(wheel.read(name))
    assert Path(name).name == "mendstream.cdx.json"
    return found


@pytest.mark.parametrize("name", MENDED)
def test_no_version_with_a_known_hole_can_be_installed(name: str) -> None:
    oldest = Version(MENDED[name])
    pinned = [Version(pin) for package, pin in locked() if package == name]
    assert pinned
    assert min(pinned) >= oldest
    assert Version(version(name)) >= oldest
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = [each for each in map(Requirement, project["dependencies"]) if each.name == name]
    assert [
        Version(each.version) >= oldest for each in wanted.specifier if each.operator == ">="
    ] == [True]


def test_every_locked_package_has_a_hash() -> None:
    assert [pin for pin, hashes in locked().items() if not hashes] == []


def test_the_wheel_lists_every_locked_package_with_version_and_hashes(bill: dict[str, Any]) -> None:
    listed = [each for each in bill["components"] if each.get("purl", "").startswith("pkg:pypi/")]
    assert {(each["name"], each["version"]): digests(each) for each in listed} == locked()
    assert all(each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}" for each in listed)


def test_the_wheel_lists_every_jar_of_kafka_with_its_hash(bill: dict[str, Any]) -> None:
    lock = [
        line.split()
        for line in (ROOT / "streams/kafka/embedded/kafka-jars.lock").read_text().splitlines()
    ]
    listed = [each for each in bill["components"] if "purl" not in each]
    assert {f"{each['name']}-{each['version']}.jar": digests(each) for each in listed} == {
        name: {digest} for digest, name in lock
    }
    assert ("kafka_2.13", "4.3.1") in {(each["name"], each["version"]) for each in listed}


def test_the_bill_is_cyclonedx_and_says_of_what(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    whole = bill["metadata"]["component"]
    assert (whole["name"], whole["version"]) == (project["name"], project["version"])
    refs = [each["bom-ref"] for each in bill["components"]]
    assert len(refs) == len(set(refs))
    assert bill["dependencies"] == [{"ref": whole["bom-ref"], "dependsOn": refs}]


def digests(component: dict[str, Any]) -> set[str]:
    assert {each["alg"] for each in component["hashes"]} == {"SHA-256"}
    return {each["content"] for each in component["hashes"]}
