"""Settings that are wrong end in one sentence that names the right one, and never in a
traceback.
"""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli.app import application
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import OTHER_NAMES, PREFIX, Settings, check_names, load

FILES = {  # what is in a settings file, and what is said of it
    b"partitions: 4\n\tgroup: a\n": "line 2, column 1: a tab stands where spaces are due",
    b"sasl_password: *hunter2hunter2\n": "found undefined alias something",
    b"group: 'caf\xe9'\n": "after 11 bytes stands what is no text: save it as UTF-8",
    b"- group\n": "holds no settings",
    b"4: group\n": "holds no settings",
    b"group\n": "holds no settings",
    b"a: 1\n---\nb: 2\n": "holds 2 documents",
    b"[" * 3_000: "it is nested too deeply",
    b"partitions: !!int many\n": "a value in it is not what its kind allows",
    b"partitions: !!timestamp many\n": "a value in it is not what its kind allows",
    b"partitions: many\n": "'partitions' is wrong: Input should be a valid integer",
    b"partitions: [4]\n": "'partitions' is wrong: Input should be a valid integer",
    b"partitions: 0\n": "'partitions' is wrong: Input should be greater than or equal to 1",
    b"group: {a: 1}\n": "'group' is wrong: Input should be a valid string",
    b"partition: 4\n": "there is none of this name. Did you mean partitions?",
    b"sasl_pasword: hunter2hunter2\n": "Did you mean sasl_password?",
}


def told(*arguments: str) -> str:
    """The one line that a command that fails says."""
    done = CliRunner().invoke(application(), [*arguments])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("written", FILES)
def test_a_settings_file_that_is_wrong_is_told_of_in_a_sentence(
    tmp_path: Path, written: bytes
) -> None:
    (path := tmp_path / "settings.yaml").write_bytes(written)
    said = told("config", "--config", str(path))
    assert FILES[written] in said
    assert "hunter2" not in said


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_settings_file_of_another_editor_is_read(tmp_path: Path, encoding: str) -> None:
    (path := tmp_path / "settings.yaml").write_text("group: café\n", encoding=encoding)
    assert load(path, {}).group == "café"


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in told("config", "--config", str(tmp_path))


def test_a_misspelt_name_in_the_environment_is_refused_with_the_right_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MENDSTREAM_PARTITION", "9")
    assert "MENDSTREAM_PARTITION, which is no setting. Did you mean MENDSTREAM_PARTITIONS?" in told(
        "config"
    )


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if len(name) > 5])
def test_each_setting_is_taken_by_its_name_and_found_again_when_it_is_misspelt(name: str) -> None:
    right = f"{PREFIX}{name.upper()}"
    check_names({right: "x", right.lower(): "x"})
    for wrong in (right[:-2] + right[-1], right[:-1] + right[-1] * 2):
        if wrong.removeprefix(PREFIX).lower() in Settings.model_fields:
            continue
        with pytest.raises(MendstreamError) as error:
            check_names({wrong: "x"})
        assert f"Did you mean {right}?" in str(error.value)


def test_names_of_others_are_let_alone() -> None:
    check_names(
        dict.fromkeys(OTHER_NAMES, "x") | {"MENDSTREAM_TEST_KAFKA": "container", "MENDSTREAMS": "x"}
    )


def test_what_kubernetes_tells_of_a_service_is_no_setting() -> None:
    check_names(
        {
            "MENDSTREAM_GATEWAY_SERVICE_HOST": "10.0.0.1",
            "MENDSTREAM_GATEWAY_SERVICE_PORT_HTTP": "80",
            "MENDSTREAM_GATEWAY_PORT": "tcp://10.0.0.1:80",
            "MENDSTREAM_GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
        }
    )


def test_a_misspelt_file_of_a_secret_is_refused_with_the_right_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sasl_pasword").write_text("hunter2hunter2")
    monkeypatch.setenv("MENDSTREAM_SECRETS_DIRECTORY", str(tmp_path))
    assert "Did you mean sasl_password?" in (said := told("config"))
    assert "hunter2" not in said
