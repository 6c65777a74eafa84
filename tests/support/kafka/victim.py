"""A processor that kills itself with SIGKILL at a named point of a commit; a program for the fault
tests.

usage: victim BOOTSTRAP POINT SHARE END-OFFSETS-JSON [SETTING=VALUE ...]

Dies at the first commit that reaches POINT after SHARE of the records before the end offsets was
committed; with SHARE above 1 it never does, and leaves when everything is committed.
"""

import json
import os
import signal
import sys
from typing import Any

from schemas.catalog import local_ids
from schemas.codec.framing import Codec
from streams.engine.processor import Processor
from streams.engine.topology import DECIDING
from streams.runtime.settings import Settings


def main() -> None:
    bootstrap, point, share, ends_text, *settings = sys.argv[1:]
    given: dict[str, Any] = dict(setting.split("=", 1) for setting in settings)
    ends = {(topic, int(p)): int(end) for topic, p, end in json.loads(ends_text)}
    total = sum(ends.values())

    def at(reached: str) -> None:
        if reached == point and processor.progress(ends) >= float(share) * total:
            os.kill(os.getpid(), signal.SIGKILL)
        if reached == "committed" and processor.progress(ends) >= total:
            processor.stop()

    processor = Processor(
        Settings(bootstrap=bootstrap, **given), Codec(local_ids()), at=at, topology=DECIDING
    )
    processor.run()


if __name__ == "__main__":
    main()
