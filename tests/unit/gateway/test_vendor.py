"""What the pages bring of others is byte for byte what its package holds, and little."""

import gzip
import hashlib
import json
from pathlib import Path

STATIC = Path(__file__).parents[3] / "gateway/pages/static"
VENDOR = STATIC / "vendor"
LOCK = json.loads((VENDOR / "vendor.lock.json").read_text(encoding="utf-8"))


def test_every_file_of_others_is_as_its_package_has_it() -> None:
    told = {each["file"]: each["sha256"] for package in LOCK for each in package["files"]}
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "vendor.lock.json"
    }
    assert found == told


def test_every_package_has_its_licence_and_where_its_bytes_come_from() -> None:
    for package in LOCK:
        assert package["license"] in ("MIT", "Apache-2.0")
        assert package["integrity"].startswith("sha512-")
        assert any(each["in_package"] == "LICENSE" for each in package["files"])


def test_all_script_is_little() -> None:
    sizes = [len(gzip.compress(path.read_bytes())) for path in STATIC.rglob("*.*js")]
    assert len(sizes) > 10
    assert sum(sizes) <= 120_000
