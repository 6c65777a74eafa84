"""The examples for producers say the same in Python, Java and Node, with a registry and without;
the wheel brings what a program in Python imports, and needs nothing of the processor's.
"""

import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from schemas.catalog import RESULTS, schema_text
from schemas.codec.framing import unframe
from schemas.records import ExperimentResult, ResultKind
from streams.kafka.embedded.jars import Jars, fetched, kafka_jars
from streams.kafka.schema_ids import codec_for, register
from streams.operations.conformance.probe import Probe
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from streams.signing.signer import Signer, load, origin_of
from tests.support.kafka.console import ROOT, environment, output
from tests.support.kafka.logs import CODEC, messages
from tests.support.kafka.registry import Registry, serving
from tests.support.kafka.running import Threaded, changed, environment_of, own_topics

pytestmark = pytest.mark.kafka

EXAMPLES = ROOT / "examples" / "clients"
VISITS = ROOT / "examples" / "first" / "clicks.csv"
SCHEMA = ROOT / "schemas" / "avro" / "ExperimentResult.avsc"
SECONDS = 120.0
LINES_MAX = 25
AVRO = Jars(
    "avro-1.12.2",
    "Apache Avro 1.12.2",
    ("org.apache.avro:avro:1.12.2",),
    ROOT / "tests" / "support" / "kafka" / "avro.lock",
    alone=True,
)
NEEDED = ("confluent_kafka", "confluent_kafka.libs", "fastavro", "fastavro.libs", "cramjam")


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as chosen:
        yield chosen


def run(command: list[str], settings: Settings, place: Path = ROOT) -> str:
    """What a program prints; it must succeed."""
    done = subprocess.run(
        command,
        cwd=place,
        env=environment(environment_of(settings)) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def python(settings: Settings, url: str) -> list[str]:
    return [sys.executable, str(EXAMPLES / "produce.py"), settings.bootstrap, str(VISITS)]


def java(settings: Settings, url: str) -> list[str]:
    if shutil.which("javac") is None:
        pytest.skip("there is no JDK: install one, Debian's default-jdk-headless for one")
    try:
        jars = f"{kafka_jars()}/*:{fetched(AVRO)}/*"
    except MendstreamError as error:
        pytest.skip(str(error))
    program = ["java", "-cp", jars, str(EXAMPLES / "Produce.java")]
    return [*program, settings.bootstrap, settings.topic(RESULTS), str(VISITS), url]


def node(settings: Settings, url: str) -> list[str]:
    """Its packages are installed once, beside a copy of the example."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm: install it, Debian's package of this name for one")
    home = ROOT / ".tools" / "examples-clients"
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "produce.mjs"):
        shutil.copy(EXAMPLES / name, home)
    lock, installed = (EXAMPLES / "package-lock.json").read_text(), home / ".installed"
    if not installed.exists() or installed.read_text() != lock:
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(install, cwd=home, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install the example's packages: {done.stderr[-500:]}")
        installed.write_text(lock)
    program = ["node", str(home / "produce.mjs")]
    return [*program, settings.bootstrap, settings.topic(RESULTS), str(VISITS), url]


LANGUAGES = {"Python": python, "Java": java, "Node": node}


def visits() -> list[tuple[str, float]]:
    lines = VISITS.read_text().splitlines()[1:]
    return [(arm, float(clicked)) for _, arm, clicked in (line.split(",") for line in lines)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_example_leads_to_the_first_decision(settings: Settings, language: str) -> None:
    run(LANGUAGES[language](settings, SCHEMA.as_uri()), settings)
    found = [CODEC.decode("ExperimentResult", each.value()) for each in messages(settings, RESULTS)]
    records = [each for each in found if isinstance(each, ExperimentResult)]
    assert [(each.variant, each.sum) for each in records] == visits()
    assert {(each.subject, each.metric, each.kind, each.count) for each in records} == {
        ("shop", "conversion", ResultKind.OBSERVATION, 1)
    }
    assert records[0].occurred_at == 1_767_607_200_000
    assert len({each.event_id for each in records}) == len(records)
    env = environment_of(settings)
    output("spec", "apply", ROOT / "examples" / "first" / "spec.yaml", env=env)
    with Threaded(settings) as processor:
        processor.until(lambda: bool(messages(settings, "commands.rollback.v1")))
    (command,) = messages(settings, "commands.rollback.v1")
    assert b"roll back at the 31st record" in (command.value() or b"")


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_example_takes_its_schema_id_from_a_registry(settings: Settings, language: str) -> None:
    with serving(Registry()) as registry:
        known = changed(settings, registry_url=registry.url)
        register(known)
        codec, subject = codec_for(known), f"{settings.topic(RESULTS)}-value"
        url = f"{registry.url}/subjects/{subject}/versions/latest"
        run(LANGUAGES[language](settings, url), known)
    values = [each.value() or b"" for each in messages(settings, RESULTS)]
    wanted = registry.ids[schema_text("ExperimentResult")]
    assert {unframe(value)[0] for value in values} == {wanted}
    records = [codec.decode("ExperimentResult", value) for value in values]
    assert [each.variant for each in records if isinstance(each, ExperimentResult)] == [
        arm for arm, _ in visits()
    ]


@pytest.mark.parametrize("file", ["produce.py", "deploy.py", "Produce.java", "produce.mjs"])
def test_an_example_is_read_at_a_glance(file: str) -> None:
    assert len((EXAMPLES / file).read_text().splitlines()) <= LINES_MAX


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of this tree."""
    where = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", where], cwd=ROOT, check=True, capture_output=True)
    (path,) = where.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with the wheel and the two packages that a program needs, and nothing else."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False, symlinks=True)
    interpreter = str(home / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", interpreter, "install", "--no-deps"]
    subprocess.run([*install, "--no-index", str(wheel)], check=True, capture_output=True)
    (site,) = home.glob("lib/python*/site-packages")
    ours = Path(sys.modules["confluent_kafka"].__file__ or "").parents[1]
    for name in NEEDED:
        if (ours / name).exists():
            (site / name).symlink_to(ours / name)
    return interpreter


def test_the_wheel_serves_a_program_that_has_modules_of_our_names(
    installed: str, settings: Settings, tmp_path: Path
) -> None:
    """Such as `schemas`, which many programs have."""
    for name in ("produce.py", "deploy.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    for name in ("schemas", "streams"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('this is another program')\n")
    env = environment(environment_of(settings))
    command = [installed, "produce.py", settings.bootstrap, str(VISITS)]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, timeout=SECONDS)
    assert len(messages(settings, RESULTS)) == len(visits())
    asked = "import mendstream.client as c, sys; print(c.__file__, 'schemas' in sys.modules)"
    done = subprocess.run([installed, "-c", asked], cwd=tmp_path, capture_output=True, text=True)
    assert re.search(r"site-packages/mendstream/client/__init__\.py False", done.stdout)


def test_a_deployer_of_the_wheel_obeys_a_signed_command(
    installed: str, settings: Settings, tmp_path: Path
) -> None:
    """It verifies signatures where `cryptography` is there, and says so where it is not."""
    output("keys", "new", tmp_path / "key.pem")
    (tmp_path / "keys").write_text(output("keys", "public", tmp_path / "key.pem"))
    shutil.copy(EXAMPLES / "deploy.py", tmp_path)
    command = [installed, "deploy.py", settings.bootstrap, "keys", "state"]
    env = environment(environment_of(settings))
    options: dict[str, Any] = {"cwd": tmp_path, "env": env, "text": True, "timeout": SECONDS}
    done = subprocess.run(command, capture_output=True, check=False, **options)
    assert "`cryptography` is needed: pip install cryptography" in done.stderr
    ours = Path(sys.modules["confluent_kafka"].__file__ or "").parents[1]
    for found in (*ours.glob("cryptography"), *ours.glob("*cffi*")):
        (tmp_path / found.name).symlink_to(found)
    signer = Signer(
        load(tmp_path / "key.pem"), origin_of(settings), topic_prefix=settings.topic_prefix
    )
    probe = Probe(settings, CODEC, signer, "shop", SECONDS)
    running = subprocess.Popen(command, cwd=tmp_path, env=env)
    try:
        sent = probe.command()
        probe.send(sent)
        assert probe.ended(sent)
        assert probe.reports(sent)[-1].detail == "shop/production serves baseline"
    finally:
        running.kill()
        running.wait(SECONDS)
        probe.close()


def test_the_wheel_has_types_and_what_it_needs_to_read_records(wheel: Path) -> None:
    with ZipFile(wheel) as held:
        names = held.namelist()
    assert len(names) == len(set(names)), "a file stands twice"
    below = "mendstream/client/_core/schemas/avro/"
    for name in ("mendstream/py.typed", f"{below}RollbackCommand.avsc", "schemas/catalog.py"):
        assert name in names
