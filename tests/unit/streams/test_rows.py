"""Rows of a file become records by a map."""

import gzip
import io
import json
import lzma
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.ids import event_uuid
from schemas.records import ExperimentResult, ResultKind
from streams.files.tabular import STDIN, Form, name_of, rows_of
from streams.runtime.errors import MendstreamError

COLUMNS = ["arm", "ts", "clicked", "segment"]
MAPS = [
    "variant=arm",
    "occurred_at=ts",
    "sum=clicked",
    "subject:=shop",
    "experiment_id:=e",
    "metric:=conversion",
]


def form(maps: list[str] = MAPS, columns: list[str] = COLUMNS) -> Form:
    return Form(ExperimentResult, maps, columns, "clicks.csv", "auto")


def test_columns_constants_and_own_names_make_a_record() -> None:
    row = {"arm": "new", "ts": "1700000000000", "clicked": "1", "segment": "de"}
    assert form().record(row, 7) == ExperimentResult(
        event_id=event_uuid(
            "row",
            "clicks.csv",
            0,
            "subject=shop\x1fexperiment_id=e\x1fvariant=new\x1fmetric=conversion\x1fsum=1.0\x1fsegment=de"
            "\x1foccurred_at=1700000000000",
        ),
        subject="shop",
        experiment_id="e",
        variant="new",
        metric="conversion",
        sum=1.0,
        segment="de",
        occurred_at=1_700_000_000_000,
    )


def test_an_empty_cell_is_the_default() -> None:
    row = {"arm": "new", "ts": "1700000000000", "clicked": "1", "segment": ""}
    assert form().record(row, 1).segment is None


def test_a_mapped_id_is_kept() -> None:
    row = {"arm": "new", "ts": "1700000000000", "clicked": "1", "id": "abc"}
    assert form([*MAPS, "event_id=id"], [*COLUMNS, "id"]).record(row, 1).event_id == "abc"


def test_a_constant_is_converted_once() -> None:
    row = {"arm": "new", "ts": "1700000000000", "clicked": "1"}
    assert form([*MAPS, "kind:=snapshot"]).record(row, 1).kind is ResultKind.SNAPSHOT
    with pytest.raises(
        MendstreamError,
        match="The map kind:=often is wrong: 'often' is none of OBSERVATION, SNAPSHOT",
    ):
        form([*MAPS, "kind:=often"])


def test_a_required_cell_that_is_empty_is_named() -> None:
    with pytest.raises(
        MendstreamError,
        match=r"Row 3 of clicks.csv, column 'clicked': it is empty. It is to be sum",
    ):
        form().record({"arm": "new", "ts": "1700000000000", "clicked": ""}, 3)


def test_what_nothing_says_is_asked_for() -> None:
    with pytest.raises(
        MendstreamError, match="Nothing says where metric of ExperimentResult comes from"
    ):
        form(MAPS[:-1])


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.xz"
    with lzma.open(path, "wt") as file:
        file.write('{"a": 1}\n\n{"a": 2, "b": "x"}\n')
    with rows_of(path) as rows:
        assert list(rows) == [{"a": 1}, {"a": 2, "b": "x"}]


def test_a_row_with_too_few_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n3\n")
    with (
        rows_of(path) as rows,
        pytest.raises(MendstreamError, match=r"Row 2 of rows.csv has not the columns"),
    ):
        list(rows)


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("1700000000", "seconds"),
        ("1700000000.0", "seconds"),
        ("1.7e9", "seconds"),
        ("1700000000000000", "microseconds"),
        ("1700000000000000000", "nanoseconds"),
    ],
)
def test_times_in_another_unit_are_recognised_converted_and_told(written: str, unit: str) -> None:
    made = form()
    rows = [
        {"arm": "new", "ts": text, "clicked": "1"} for text in (written, "1700000000000", written)
    ]
    assert {made.record(row, number).occurred_at for number, row in enumerate(rows)} == {
        1_700_000_000_000
    }
    assert made.converted() == [
        f"2 times in column 'ts' are numbers of {unit} since 1970, by their size, and were "
        "converted"
    ]


def test_times_in_milliseconds_are_not_worth_a_word() -> None:
    made = form()
    for text in ("1700000000000", "2023-11-14T22:13:20Z"):
        assert (
            made.record({"arm": "new", "ts": text, "clicked": "1"}, 1).occurred_at
            == 1_700_000_000_000
        )
    assert made.converted() == []


@pytest.mark.parametrize("written", ["0", "20231114", "99999999999999999999"])
def test_a_number_that_is_no_time_in_any_unit_is_refused(written: str) -> None:
    with pytest.raises(
        MendstreamError, match=f"'{written}' is no time from 2000 to 2099 in any unit since 1970"
    ):
        form().record({"arm": "new", "ts": written, "clicked": "1"}, 1)


TEXT = "subject,größe\nshop,1\nbot,2\n"
ROWS = [{"subject": "shop", "größe": "1"}, {"subject": "bot", "größe": "2"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("name", ["rows.csv", "rows"])
def test_a_file_is_read_as_other_programs_write_it(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes], encoding: str
) -> None:
    (tmp_path / name).write_bytes(pack(TEXT.encode(encoding)))
    with rows_of(tmp_path / name) as rows:
        assert list(rows) == ROWS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lines_of_json_are_known_by_how_they_begin(tmp_path: Path, encoding: str) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    for name in ("rows.jsonl", "rows"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        with rows_of(tmp_path / name) as rows:
            assert list(rows) == ROWS


def test_what_is_in_another_encoding_is_refused_with_how_to_recode_it(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(TEXT.encode("cp1252"))
    with (
        pytest.raises(MendstreamError, match=r"rows\.csv is not UTF-8 .*iconv -f windows-1252"),
        rows_of(tmp_path / "rows.csv") as rows,
    ):
        list(rows)
    recoded = subprocess.run(
        ["iconv", "-f", "windows-1252", "-t", "utf-8", tmp_path / "rows.csv"],
        capture_output=True,
        check=True,
    ).stdout
    assert recoded.decode() == TEXT, "what the remedy names is there and does it"


def test_a_workbook_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"PK\3\4 and more")
    with pytest.raises(MendstreamError, match="Save it as CSV"), rows_of(tmp_path / "rows.csv"):
        pass


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_read(
    tmp_path: Path, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`publish <(zcat f)` and `zcat f | publish -`."""
    os.mkfifo(pipe := tmp_path / "63")
    writer = threading.Thread(target=lambda: pipe.write_bytes(pack(TEXT.encode())))
    writer.start()
    with rows_of(pipe) as rows:
        assert list(rows) == ROWS
    writer.join(10)
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(pack(TEXT.encode()))))
    monkeypatch.setattr("sys.stdin", stdin)
    with rows_of(STDIN) as rows:
        assert list(rows) == ROWS
    assert name_of(pipe) == name_of(STDIN) == "standard input", (
        "ids of rows must not change with the number of a pipe"
    )


@pytest.mark.parametrize("content", [b"\x1f\x8bnot packed", b"", b"\0\0\0\0", b"\xfd7zXZ\0broken"])
@pytest.mark.parametrize("name", ["rows.csv", "rows", "rows.gz", "rows.csv.xz"])
def test_whatever_a_file_holds_is_rows_or_a_sentence(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    told = ""
    try:
        with rows_of(tmp_path / name) as rows:
            list(rows)
    except MendstreamError as error:
        told = str(error)
    assert told == "" or name in told


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MendstreamError, match="cannot be read: Is a directory"), rows_of(tmp_path):
        pass
