"""`mendstream keys` makes a key for its owner's eyes, and prints what everybody may know of it."""

from pathlib import Path

from typer.testing import CliRunner

from streams.cli.app import application
from streams.signing.signer import load, public_line
from streams.signing.verifier import load_keys


def keys(*arguments: str | Path) -> tuple[int, str, str]:
    """The exit code, what is printed, and what is said of a fault."""
    done = CliRunner().invoke(application(), ["keys", *map(str, arguments)], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_a_new_key_is_closed_to_others_and_its_line_is_for_a_verifier(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    made = keys("new", path)
    assert made == keys("public", path) == (0, public_line(load(path), "signing.pem") + "\n", "")
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "keys.txt").write_text(made[1])
    assert [*load_keys(tmp_path / "keys.txt")] == [made[1].split()[0]]


def test_what_cannot_be_done_is_told_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    assert keys("public", path) == (
        1,
        "",
        f"error: There is no signing key {path}. `mendstream keys new FILE` makes one.\n",
    )
    keys("new", path)
    fault = f"{path} is there already, and a key that is overwritten is lost. Name another file."
    assert keys("new", path) == (1, "", f"error: {fault}\n")
