"""Puts a bill of materials into the wheel (PEP 770), and makes what programs import of it stand by
itself.

The bill has all that the locks name, with versions and hashes.
The locks are what `make setup` installs and what the embedded Kafka runs, tools for tests and style
included; a lock does not say which those are. Nothing is asked of a network, and the same locks
give the same bytes.

mendstream.client runs in programs of others, which may well have a module `schemas` of their own.
So in a wheel it imports copies of our modules that lie below it; in the tree there is but one of
each.
"""

import ast
import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILE = "mendstream.cdx.json"
PACKAGES, JARS = "requirements.lock", "streams/kafka/embedded/kafka-jars.lock"
SCRIPTS = "gateway/pages/static/vendor/vendor.lock.json"
CLIENT = "mendstream/client"
COPIES = f"{CLIENT}/_core"
_COPIED = ("schemas", "streams")  # of whose modules the client imports some
_IMPORT = re.compile(rf"^(\s*from )(?=(?:{'|'.join(_COPIED)})[. ])", re.MULTILINE)
_PACKAGE = re.compile(
    r"(?P<name>[\w.-]+)(?:\[[^]]*\])?==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\\n]+?))?(?: \\)?"
)
_JAR = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<name>.+?)-(?P<version>\d[^/]*)\.jar")


class WheelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for each wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        bill = bill_of_materials(
            self.metadata.name,
            self.metadata.version,
            packages((root / PACKAGES).read_text(encoding="utf-8"))
            + jars((root / JARS).read_text(encoding="utf-8"))
            + scripts((root / SCRIPTS).read_text(encoding="utf-8")),
        )
        self._stage = TemporaryDirectory()
        path = Path(self._stage.name, FILE)
        path.write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
        build_data["sbom_files"].append(str(path))
        if version != "editable":
            for name, text in self_contained(root).items():
                staged = Path(self._stage.name, name)
                staged.parent.mkdir(parents=True, exist_ok=True)
                staged.write_text(text, encoding="utf-8")
                build_data["force_include"][str(staged)] = name

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._stage.cleanup()


def self_contained(root: Path) -> dict[str, str]:
    """The client's modules with copies of all of ours that they import, by their paths in the
    wheel.
    """
    waiting = {path.relative_to(root) for path in (root / CLIENT).glob("*.py")}
    found: dict[Path, str] = {}
    while waiting:
        path = waiting.pop()
        found[path] = (root / path).read_text(encoding="utf-8")
        waiting |= {each for each in _imported(root, found[path]) if each not in found}
    copies = {path for path in found if not path.is_relative_to(CLIENT)}
    schemas = {path.relative_to(root) for path in (root / "schemas" / "avro").glob("*.avsc")}
    below = COPIES.replace("/", ".")
    texts = {
        (Path(COPIES) / path if path in copies else path).as_posix(): _IMPORT.sub(
            rf"\g<1>{below}.", text
        )
        for path, text in found.items()
    }
    texts |= {f"{COPIES}/{path.as_posix()}": (root / path).read_text("utf-8") for path in schemas}
    return {f"{COPIES}/__init__.py": '"""Copies of modules of Mendstream."""\n'} | texts


def _imported(root: Path, text: str) -> Iterator[Path]:
    """The files of our modules that a module imports, and of the packages that these are in."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
            assert not names & {*_COPIED}, f"write `from {min(names)} import ...`"
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        place = Path(*node.module.split("."))
        if place.parts[0] not in _COPIED:
            continue
        for named in (place, *(place / alias.name for alias in node.names)):
            packages = (each / "__init__.py" for each in (named, *named.parents))
            for path in (named.with_suffix(".py"), *packages):
                if (root / path).is_file():
                    yield path


def bill_of_materials(name: str, version: str, components: list[dict[str, Any]]) -> dict[str, Any]:
    """A CycloneDX document, without a time or a serial number."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "component": {"type": "application", "bom-ref": name, "name": name, "version": version},
        },
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [each["bom-ref"] for each in components]}],
    }


def packages(lock: str) -> list[dict[str, Any]]:
    """The components of requirements.lock; each hash is of one of the package's files."""
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lock.splitlines(), 1):
        if digest := re.fullmatch(r"    --hash=sha256:([0-9a-f]{64})(?: \\)?", line):
            found[-1]["hashes"].append({"alg": "SHA-256", "content": digest[1]})
        elif package := _PACKAGE.fullmatch(line):
            purl = f"pkg:pypi/{package['name'].lower()}@{package['version']}"
            component = _component(purl, package["name"], package["version"], [])
            if package["marker"]:
                component["properties"] = [
                    {"name": "mendstream:marker", "value": package["marker"].strip()}
                ]
            found.append(component | {"purl": purl})
        elif line.strip():
            raise ValueError(
                f"{PACKAGES}, line {number}: neither a pinned package nor a hash: {line!r}"
            )
    return found


def jars(lock: str) -> list[dict[str, Any]]:
    """The components of kafka-jars.lock, which knows files but no Maven groups, so they have no
    package URL.
    """
    found = []
    for number, line in enumerate(lock.splitlines(), 1):
        jar = _JAR.fullmatch(line)
        if jar is None:
            raise ValueError(f"{JARS}, line {number}: no hash and jar: {line!r}")
        name, digests = jar["name"], [{"alg": "SHA-256", "content": jar["sha256"]}]
        found.append(_component(f"jar:{name}@{jar['version']}", name, jar["version"], digests))
    return found


def scripts(lock: str) -> list[dict[str, Any]]:
    """The components of vendor.lock.json: packages whose files the pages bring along."""
    found = []
    for package in json.loads(lock):
        name, version = package["package"], package["version"]
        digest = base64.b64decode(package["integrity"].removeprefix("sha512-")).hex()
        purl = f"pkg:npm/{name}@{version}"
        component = _component(purl, name, version, [{"alg": "SHA-512", "content": digest}])
        licences = [{"license": {"id": package["license"]}}]
        found.append(component | {"purl": purl, "licenses": licences})
    return found


def _component(ref: str, name: str, version: str, hashes: list[dict[str, str]]) -> dict[str, Any]:
    return {"type": "library", "bom-ref": ref, "name": name, "version": version, "hashes": hashes}
