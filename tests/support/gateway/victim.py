"""A gateway's feed in a process of its own, which a test kills.

usage: python -m tests.support.gateway.victim FOLDER
"""

import sys
from pathlib import Path

from gateway.views.view_feed import ViewFeed
from streams.kafka.schema_ids import codec_for
from streams.runtime.clock import wait_until
from streams.runtime.settings import load


def main() -> None:
    settings = load(None, {})
    with ViewFeed(settings, codec_for(settings), Path(sys.argv[1])) as feed:
        print("open", flush=True)
        wait_until(lambda: feed.failure is not None, 600.0)


if __name__ == "__main__":
    main()
