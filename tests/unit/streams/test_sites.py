"""What targets.yaml may say, and the sentences for what it may not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.executor.config_files import read_written
from streams.executor.rollout.state_machine import Promotion, RolloutPlan, RolloutStrategy
from streams.executor.targets.file_target import FileTarget
from streams.executor.targets.http_target import HttpTarget
from streams.executor.targets_config import TargetsFile, sites_of
from streams.runtime.errors import MendstreamError

Write = Callable[[str], Path]
WORKLOAD = (
    "kind: kubernetes, match: a, api: 'http://127.0.0.1:1', container: m, image: 'm:{version}'"
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "targets.yaml"
        path.write_text(text)
        return path

    return written


def test_the_first_entry_that_matches_serves_a_target(write: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc")
    path = write(f"""
targets:
  - {{kind: file, match: "shop/*", directory: {tmp_path}, strategy: rolling}}
  - {{kind: http, match: "*", url: "http://127.0.0.1:1/{{target}}",
     token_file: {tmp_path / "token"},
     bake_seconds: 5, promotion: health}}
trainers:
  - {{match: "shop/*", url: "http://127.0.0.1:1/jobs"}}
""")
    sites = sites_of(read_written(TargetsFile, path), None)  # type: ignore[arg-type]
    first, second = sites.target("shop/production"), sites.target("bot/production")
    assert first is not None
    assert second is not None
    assert (type(first[0]), first[1]) == (FileTarget, RolloutPlan(RolloutStrategy.ROLLING, 60.0))
    assert (type(second[0]), second[1]) == (
        HttpTarget,
        RolloutPlan(RolloutStrategy.CANARY, 5.0, promotion=Promotion.HEALTH),
    )
    assert sites.trainer("shop/production") is not None
    assert sites.trainer("bot/production") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "targets: [{kind: file, match: a}]",
            "targets.yaml, targets.0.file.directory: Field required.",
        ),
        ("targets: [{kind: ftp, match: a}]", "targets.yaml, targets.0: Input tag 'ftp'"),
        (
            "targets: [{kind: file, match: a, directory: d, bake: 3}]",
            "targets.0.file.bake: Extra inputs",
        ),
        (
            "targets: [{kind: file, match: a, directory: d, strategy: slow}]",
            "'immediate', 'rolling', 'blue-green' or",
        ),
        (
            f"targets: [{{{WORKLOAD}}}]",
            "targets.0.kubernetes: name either a rollout or two deployments.",
        ),
        (
            f"targets: [{{{WORKLOAD}, deployments: [x, y]}}]",
            "share a number of replicas: write it.",
        ),
        (
            f"targets: [{{{WORKLOAD}, deployments: [x, y], replicas: 3, strategy: blue-green}}]",
            "blue-green needs a rollout.",
        ),
        (
            "targets: [{kind: http, match: a, url: 'shop'}]",
            "targets.0.http.url: String should match",
        ),
        ("targets: {", "is not YAML"),
        ("3", "valid dictionary"),
    ],
)
def test_a_fault_is_named_by_its_place(write: Write, text: str, sentence: str) -> None:
    with pytest.raises(MendstreamError) as raised:
        read_written(TargetsFile, write(text))
    assert sentence in raised.value.fault


def test_a_file_or_a_secret_that_is_not_there_is_said(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MendstreamError, match="There is no file"):
        read_written(TargetsFile, tmp_path / "none.yaml")
    path = write(
        "targets: [{kind: http, match: a, url: 'http://127.0.0.1:1', token_file: nowhere}]"
    )
    with pytest.raises(MendstreamError, match="The secret in nowhere cannot be read"):
        sites_of(read_written(TargetsFile, path), None)  # type: ignore[arg-type]
