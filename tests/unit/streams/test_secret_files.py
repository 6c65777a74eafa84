"""Settings may stand in files of their own, as an orchestrator hands secrets over."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli.app import application
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MENDSTREAM_SECRETS_DIRECTORY", str(tmp_path))
    return tmp_path


def test_a_file_gives_the_setting_of_its_name_without_the_line_break_at_its_end(
    folder: Path,
) -> None:
    (folder / "sasl_password").write_text(" between spaces \n")
    (folder / "registry_auth").write_text("user:word")
    settings = load(None, {})
    assert settings.sasl_password.get_secret_value() == " between spaces "
    assert settings.registry_auth.get_secret_value() == "user:word"


def test_every_other_source_beats_a_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "group").write_text("of-the-file")
    (folder / "slot").write_text("of-the-file")
    (folder / "sasl_username").write_text("of-the-file")
    monkeypatch.setenv("MENDSTREAM_SLOT", "of-the-environment")
    (written := tmp_path.parent / "settings.yaml").write_text("sasl_username: of-the-yaml\n")
    settings = load(written, {"group": "of-the-flag"})
    assert (settings.group, settings.slot, settings.sasl_username) == (
        "of-the-flag",
        "of-the-environment",
        "of-the-yaml",
    )


def test_the_yaml_file_may_name_the_folder(tmp_path: Path) -> None:
    (folder := tmp_path / "secrets").mkdir()
    (folder / "sasl_password").write_text("word")
    (written := tmp_path / "settings.yaml").write_text(f"secrets_directory: {folder}\n")
    assert load(written, {}).sasl_password.get_secret_value() == "word"


def test_what_kubernetes_keeps_beside_the_files_is_passed_over(folder: Path) -> None:
    (inner := folder / "..2026_11_27").mkdir()
    (inner / "sasl_password").write_text("word")
    (folder / "..data").symlink_to(inner.name)
    (folder / "sasl_password").symlink_to("..data/sasl_password")
    assert load(None, {}).sasl_password.get_secret_value() == "word"


def test_a_file_named_as_no_setting_is_refused_by_its_name(folder: Path) -> None:
    (folder / "sasl_pasword").write_text("word")
    with pytest.raises(MendstreamError, match="'sasl_pasword'"):
        load(None, {})


def test_a_folder_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENDSTREAM_SECRETS_DIRECTORY", str(tmp_path / "nowhere"))
    with pytest.raises(MendstreamError, match=r"nowhere.*each named as a setting"):
        load(None, {})


def test_config_tells_the_file_and_hides_what_is_in_it(folder: Path) -> None:
    (folder / "sasl_password").write_text("horsebattery")
    told = CliRunner().invoke(application(), ["config", "--json"]).output
    assert json.loads(told)["sasl_password"]["from"] == str(folder / "sasl_password")
    assert "horsebattery" not in told
