"""The pages of docs/reference, by file name."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr

from schemas.catalog import BROADCASTS, FOREIGN, TOPICS, Topic
from streams.engine.topology import DECIDING
from streams.runtime import metrics
from streams.runtime.settings import PREFIX, Settings
from tests.reference.cli_page import cli_page
from tests.reference.client_page import client_page
from tests.reference.lifecycle_page import lifecycle_page
from tests.reference.markdown import cell, page, table
from tests.reference.records_page import records_page

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def pages() -> dict[str, str]:
    return {
        "topics.md": _topics_page(),
        "records.md": records_page(),
        "settings.md": _settings_page(),
        "cli.md": cli_page(),
        "metrics.md": _metrics_page(),
        "lifecycle.md": lifecycle_page(),
        "client.md": client_page(),
    }


def _topics_page() -> str:
    tables = [topic for topic in TOPICS.values() if topic.name.startswith("tables.")]
    sent = [topic for topic in TOPICS.values() if topic.name in FOREIGN]
    rest = [topic for topic in TOPICS.values() if topic not in tables and topic not in sent]
    inner = [topic for topic in rest if topic.name in {*DECIDING.inputs, *BROADCASTS}]
    given = [topic for topic in rest if topic not in inner]
    return page(
        "Topics",
        "`mendstream topics create` makes these topics with these settings. Co-partitioned topics "
        "all have as many partitions as the setting `partitions` says, and one subject is on the "
        "same partition of each. What is said of the roles is in "
        "[who may do what](../security.md).",
        "## What you send",
        _topic_table(sent),
        "## What you get",
        _topic_table(given),
        "## What the processors send each other",
        _topic_table(inner),
        "## Tables",
        "A table's topic is its changelog: the last record of a key is the row, and a null value "
        "says that the row is gone.",
        _topic_table(tables),
    )


def _topic_table(topics: Iterable[Topic]) -> str:
    return table(
        ("topic", "record", "written by", "kept", "partitions", "schemas"),
        [
            (
                f"`{topic.name}`",
                f"[{topic.record}](records.md#{topic.record.lower()})" if topic.record else "bytes",
                topic.writer,
                _kept(topic),
                "co-partitioned" if topic.partitions == "co" else str(topic.partitions),
                topic.compatibility if topic.record else "",
            )
            for topic in topics
        ],
    )


def _kept(topic: Topic) -> str:
    if topic.cleanup == "compact":
        return "each key's last"
    return "for ever" if topic.retention_days is None else f"{topic.retention_days} days"


def _settings_page() -> str:
    rows = [
        (f"`{name}`", f"`{PREFIX}{name.upper()}`", _default(field), _bounds(field), said)
        for name, field in Settings.model_fields.items()
        for said in [cell(field.description or _as_kafka_has_it(name))]
    ]
    return page(
        "Settings",
        "A setting is taken from the first of these places that gives it: a flag, the environment, "
        "the YAML file that `--config` names, a file of its name in `secrets_directory`. "
        "`mendstream config` shows what is in force and where each value came from.",
        table(("setting", "in the environment", "default", "values", "meaning"), rows),
    )


def _as_kafka_has_it(name: str) -> str:
    if name == "http_host":
        return "host that /metrics, /live and /ready are served on"
    return f"the Kafka client's {name.replace('_', '.')}"


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "worked out"
    value = field.default
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    return f"`{plain}`" if plain not in ("", None) else "empty"


def _bounds(field: Any) -> str:
    bounds = {type(one).__name__: one for one in field.metadata}
    if "Ge" in bounds and "Le" in bounds:
        return f"{bounds['Ge'].ge:,} to {bounds['Le'].le:,}".replace(",", " ")
    choices = getattr(field.annotation, "__args__", ())
    if choices:
        return ", ".join(f"`{one}`" for one in choices)
    return {str: "text", bool: "true, false", SecretStr: "text, secret"}.get(field.annotation, "")


def _metrics_page() -> str:
    rows = []
    for family, one in sorted(_metrics(), key=lambda found: found[0].name):
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = ", ".join(f"`{label}`" for label in one._labelnames)
        rows.append((f"`{family.name}{suffix}`", family.type, labels, cell(family.documentation)))
    return page(
        "Metrics",
        "Each process serves them at `/metrics`. The alerts that are made of them, and what to do "
        "at each, are in the [runbook](../runbook.md).",
        table(("metric", "type", "labels", "meaning"), rows),
    )


def _metrics() -> Iterator[tuple[Metric, MetricWrapperBase]]:
    for one in vars(metrics).values():
        if isinstance(one, MetricWrapperBase):
            yield next(iter(one.describe())), one
