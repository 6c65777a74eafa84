"""Ends a process with whoever started it."""

import os
import signal
import sys
import threading

from streams.runtime.clock import wait_until

# from a parent's end to our own; a commit in flight to a Kafka that died with it may hang longer
GRACE_SECONDS = 8.0


def end_with_parent() -> None:
    """From now on the process ends once its stdin is closed, of which its parent holds the other
    end: in order within GRACE_SECONDS, else at once.
    """
    threading.Thread(target=_end_with_stdin, name="stdin", daemon=True).start()


def _end_with_stdin() -> None:
    while sys.stdin.buffer.read(1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: False, GRACE_SECONDS)
    os._exit(1)
