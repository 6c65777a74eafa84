"""Holds the files that the pages bring of others against the packages that they come from.

usage: python -m tests.support.gateway.vendor

Needs npm. Fetches each package of vendor.lock.json, compares its integrity with the lock's, and
writes its files anew; whoever raises a version changes the lock's and runs it.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

VENDOR = Path(__file__).parents[3] / "gateway/pages/static/vendor"
LOCK = VENDOR / "vendor.lock.json"


def main() -> int:
    lock: list[dict[str, Any]] = json.loads(LOCK.read_text(encoding="utf-8"))
    changed = [package["package"] for package in lock if renewed(package)]
    LOCK.write_text(json.dumps(lock, indent=1) + "\n", encoding="utf-8")
    print(f"changed: {', '.join(changed) or 'nothing'}")
    return 1 if changed else 0


def renewed(package: dict[str, Any]) -> bool:
    """Whether a package of the lock, or a file of it, was another one; it is as published then."""
    before = json.dumps(package)
    with TemporaryDirectory() as folder:
        named = f"{package['package']}@{package['version']}"
        subprocess.run(["npm", "pack", named, "--silent"], cwd=folder, check=True)
        (path,) = Path(folder).iterdir()
        digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
        package["integrity"] = f"sha512-{digest}"
        with tarfile.open(path) as packed:
            for each in package["files"]:
                member = packed.extractfile(f"package/{each['in_package']}")
                assert member is not None, f"{named} has no {each['in_package']}"
                body = member.read()
                each["sha256"] = hashlib.sha256(body).hexdigest()
                target = VENDOR / each["file"]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(body)
    return json.dumps(package) != before


if __name__ == "__main__":
    sys.exit(main())
