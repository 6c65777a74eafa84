"""What a process says of itself: a line of JSON each, on stderr."""

import json
import logging
import sys

from streams.runtime.clock import utc
from streams.runtime.redaction import redacted


class JsonLine(logging.Formatter):
    """One line of JSON for each thing that is said, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": utc(int(record.created * 1_000)).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "message": redacted(record.getMessage()),
        }
        if record.exc_info:
            said["traceback"] = redacted(self.formatException(record.exc_info))
        return json.dumps(said, ensure_ascii=False)


def log_lines(verbose: bool) -> None:
    """Sends what loggers say to stderr, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLine())
    logging.getLogger("mendstream").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if verbose else logging.WARNING)
