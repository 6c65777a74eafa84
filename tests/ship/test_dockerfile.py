"""The Dockerfile builds from locked packages, copies what is there, and leaves an image that is not
root's.
"""

import re
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.ship.composed import ROOT, VERSION, ours, parsed, pinned

RUNTIME = ROOT / "deploy" / "runtime.lock"
TOOLS = {
    "pytest",
    "mypy",
    "ruff",
    "hypothesis",
    "river",
    "testcontainers",
    "jsonschema",
    "hatchling",
    "import-linter",
}

Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first, with arguments that have a default filled
    in.
    """
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text())
    defaults: dict[str, str] = {}
    found: list[list[Instruction]] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if not line.strip():
            continue
        word, rest = line.split(None, 1)
        if word == "ARG" and not found:
            name, _, value = rest.partition("=")
            defaults[name] = value
            continue
        if word == "FROM":
            rest = re.sub(r"\$\{(\w+)\}", lambda match: defaults[match[1]], rest)
            found.append([])
        found[-1].append((word, " ".join(rest.split())))
    return found


def only(word: str, stage: list[Instruction]) -> str:
    """What the one instruction of this kind says."""
    (said,) = [rest for each, rest in stage if each == word]
    return said


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out of the build: the last line that fits it or a folder
    above decides.
    """
    verdict = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern, keeps = line.removeprefix("!").removeprefix("**/"), line.startswith("!")
        if not line or line.startswith("#"):
            continue
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        names = parts if line.startswith("**/") else above
        if any(fnmatch(each, pattern) for each in names):
            verdict = not keeps
    return verdict


def locked(path: Path) -> dict[str, set[tuple[str, str]]]:
    """Version and hash of each file of each package of a lock."""
    found: dict[str, set[tuple[str, str]]] = {}
    for entry in path.read_text().replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split("--hash=sha256:")
        parsed_ = Requirement(requirement.strip())
        assert hashes, f"{parsed_.name} has no hash"
        (pin,) = parsed_.specifier
        assert pin.operator == "=="
        found.setdefault(canonicalize_name(parsed_.name), set()).update(
            (pin.version, each.strip()) for each in hashes
        )
    return found


def needed(
    name: str, extras: frozenset[str] = frozenset(), seen: set[str] | None = None
) -> set[str]:
    """What an installed package needs to run, by what the installed packages say of themselves."""
    seen = set() if seen is None else seen
    try:
        requirements = distribution(name).requires or []
    except PackageNotFoundError:
        return seen
    for requirement in map(Requirement, requirements):
        wanted = [{"extra": extra} for extra in (*extras, "")]
        if requirement.marker and not any(requirement.marker.evaluate(each) for each in wanted):
            continue
        key = canonicalize_name(requirement.name)
        if key not in seen or requirement.extras:
            seen.add(key)
            needed(key, frozenset(requirement.extras), seen)
    return seen


def test_it_builds_in_one_stage_and_runs_in_another() -> None:
    builder, runtime = stages()
    assert only("FROM", builder).split(" AS ")[1] == "builder"
    bases = {only("FROM", stage).split(" AS ")[0] for stage in (builder, runtime)}
    (base,) = bases
    assert pinned(base)
    assert "slim" in base
    assert all(rest.startswith("--from=builder ") for word, rest in runtime if word == "COPY")


def test_the_base_that_its_label_names_is_its_base() -> None:
    base = only("FROM", stages()[1]).split(" AS ")[0]
    labels = dict(re.findall(r'(\S+)="([^"]*)"', only("LABEL", stages()[1])))
    assert labels["org.opencontainers.image.base.name"] == base
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert {"title", "description", "revision"} <= {name.rsplit(".", 1)[1] for name in labels}


def test_packages_come_from_the_lock_by_their_hashes() -> None:
    installs = [rest for word, rest in stages()[0] if word == "RUN" and " install " in rest]
    (install,) = installs
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert ("COPY", "deploy/runtime.lock /tmp/runtime.lock") in stages()[0]
    assert not [rest for word, rest in stages()[1] if word == "RUN" and "pip" in rest]


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    runtime = stages()[1]
    user, group = only("USER", runtime).split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert f"--uid {user} " in next(rest for word, rest in runtime if word == "RUN")
    assert runtime.index(("USER", f"{user}:{group}")) > max(
        place for place, (word, _) in enumerate(runtime) if word in ("RUN", "COPY")
    ), "what is copied belongs to root, so that the program cannot change itself"


def test_what_outlives_a_container_is_where_the_image_lets_it_write() -> None:
    made = next(rest for word, rest in stages()[1] if word == "RUN")
    (folder,) = re.findall(r"install --directory --owner 10001 \S+ \S+ \S+ \S+ (\S+)", made)
    mounts = {
        mount.split(":")[1] for service in ours().values() for mount in service.get("volumes", ())
    }
    assert mounts == {folder}, "a new volume takes over the owner of the folder that it covers"


def test_every_process_is_a_command_of_the_program() -> None:
    runtime = stages()[1]
    assert only("ENTRYPOINT", runtime) == '["python", "-m", "streams"]'
    assert only("CMD", runtime) == '["--help"]'
    assert not [word for word, _ in runtime if word == "HEALTHCHECK"]
    assert parsed(["processor"]) == ["processor"]


@pytest.mark.parametrize(
    "copied", [rest.split()[0] for word, rest in stages()[0] if word == "COPY"]
)
def test_what_is_copied_is_there_and_enters_the_build(copied: str) -> None:
    assert (ROOT / copied).exists()
    assert not ignored(copied)


def test_every_room_of_the_program_is_copied() -> None:
    copied = {rest.split()[0] for word, rest in stages()[0] if word == "COPY"}
    assert {"schemas", "state", "agents", "streams", "gateway"} <= copied


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        "tests/conftest.py",
        "signing.pem",
        "streams/__pycache__/cli.pyc",
    ],
)
def test_nothing_else_enters_the_build(path: str) -> None:
    assert ignored(path)


def test_the_runtime_lock_is_the_lock_without_the_tools() -> None:
    whole, runtime = locked(ROOT / "requirements.lock"), locked(RUNTIME)
    assert {name: whole.get(name) for name in runtime} == runtime, "run `make lock`"
    assert not TOOLS & set(runtime)
    assert set(whole) >= TOOLS


def test_the_runtime_lock_has_all_that_the_program_needs() -> None:
    assert needed("mendstream") <= set(locked(RUNTIME)), "run `make lock`"
    assert {"confluent-kafka", "faust-streaming", "mode-streaming", "redis"} <= needed("mendstream")
