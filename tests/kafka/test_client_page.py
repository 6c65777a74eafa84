"""The page about the Python package: each of its programs runs as it is written."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.catalog import METRICS, RESULTS
from schemas.records import ExperimentResult, FailureCause, Status
from streams.operations.conformance.probe import Probe
from streams.runtime.settings import Settings
from streams.signing.signer import Signer, load, origin_of
from tests.support.kafka.console import ROOT, environment, output
from tests.support.kafka.logs import CODEC, messages
from tests.support.kafka.running import Child, environment_of, own_topics

pytestmark = pytest.mark.kafka
PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FOLLOWS = next(each for each in PROGRAMS if "commands.follow" in each)
SECONDS = 60.0


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as chosen:
        yield chosen


def test_the_programs_that_send_do(settings: Settings) -> None:
    senders = [each for each in PROGRAMS if each != FOLLOWS]
    assert len(senders) == 4
    for program in senders:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment(environment_of(settings)),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = [CODEC.decode("ExperimentResult", each.value()) for each in messages(settings, RESULTS)]
    records = [each for each in found if isinstance(each, ExperimentResult)]
    assert [(each.variant, each.metric, each.sum, each.covariate) for each in records] == [
        ("new", "conversion", 1.0, None),
        ("new", "revenue", 12.5, 9.9),
        ("old", "conversion", 0.0, None),
        ("new", "conversion", 1.0, None),
    ]
    assert len(messages(settings, METRICS)) == 2


def test_the_deployer_obeys_a_signed_command(settings: Settings, tmp_path: Path) -> None:
    output("keys", "new", tmp_path / "key.pem")
    (tmp_path / "keys").write_text(output("keys", "public", tmp_path / "key.pem"))
    program = FOLLOWS.replace('"keys"', repr(f"{tmp_path}/keys"))
    program = program.replace('"deployer.json"', repr(f"{tmp_path}/deployer.json"))
    key, origin = load(tmp_path / "key.pem"), origin_of(settings)
    signer = Signer(key, origin, topic_prefix=settings.topic_prefix)
    probe = Probe(settings, CODEC, signer, "shop", SECONDS)
    good, bad = probe.command(to_version="v1"), probe.command(to_version="broken")
    with Child(settings, tmp_path / "log", "-c", program):
        for each in (good, bad):
            probe.send(each)
            assert probe.ended(each), (tmp_path / "log").read_text()
    probe.close()
    served, failed = probe.reports(good)[-1], probe.reports(bad)[-1]
    assert (served.status, served.detail) == (Status.COMPLETED, "shop/production serves v1")
    assert (failed.status, failed.cause) == (Status.FAILED, FailureCause.CANDIDATE)
    assert (failed.detail, failed.reporter) == ("its health check never answered", "my-deployer")
