"""Schema ids from a Schema Registry: a small real HTTP server speaks as much of its API as is
used.
"""

import json
from collections.abc import Iterator

import pytest

from schemas.catalog import RESULTS, TOPICS, schema_text
from schemas.codec.framing import unframe
from streams.kafka.schema_ids import codec_for, register
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.builders import result
from tests.support.kafka.registry import Registry, serving

pytestmark = pytest.mark.kafka
SUBJECT = f"{RESULTS}-value"


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving(Registry()) as server:
        yield server


def test_registering_gives_each_subject_its_schema_and_compatibility(registry: Registry) -> None:
    register(Settings(registry_url=registry.url))
    named = {f"{topic.name}-value": topic for topic in TOPICS.values() if topic.record is not None}
    assert registry.compatibility == {
        subject: topic.compatibility for subject, topic in named.items()
    }
    assert {
        subject: len(versions) for subject, versions in registry.versions.items()
    } == dict.fromkeys(named, 1)


def test_values_bear_the_registrys_ids(registry: Registry) -> None:
    settings = Settings(registry_url=registry.url)
    register(settings)
    codec = codec_for(settings)
    value = codec.encode(result(1))
    assert unframe(value)[0] == registry.ids[registry.versions[SUBJECT][0]]
    assert codec.decode("ExperimentResult", value) == result(1)


def test_older_versions_of_a_subject_are_read(registry: Registry) -> None:
    older = json.loads(schema_text("ExperimentResult"))
    older["fields"] = [field for field in older["fields"] if field["name"] != "covariate"]
    schema_id = registry.add(SUBJECT, json.dumps(older))
    settings = Settings(registry_url=registry.url)
    register(settings)
    codec = codec_for(settings)
    present = codec.encode(result(1))
    body = unframe(present)[1][:-1]  # without the covariate, which is one byte: absent
    assert codec.decode("ExperimentResult", b"\0" + schema_id.to_bytes(4, "big") + body) == result(
        1
    )


def test_a_registry_without_the_schemas_says_what_to_run(registry: Registry) -> None:
    with pytest.raises(MendstreamError, match=r"does not know .* Run `mendstream topics create`"):
        codec_for(Settings(registry_url=registry.url))


def test_an_incompatible_schema_is_one_sentence(registry: Registry) -> None:
    registry.incompatible.add(SUBJECT)
    with pytest.raises(
        MendstreamError,
        match=r"refuses the schema of ExperimentResult: it is not BACKWARD_TRANSITIVE",
    ):
        register(Settings(registry_url=registry.url))


def test_a_registry_that_is_away_is_one_sentence(registry: Registry) -> None:
    url = "http://127.0.0.1:9"  # discard: nobody listens there
    for ask in (register, codec_for):
        with pytest.raises(MendstreamError, match=f"No Schema Registry answers at {url}"):
            ask(Settings(registry_url=url))
    with pytest.raises(MendstreamError, match="is not one"):
        codec_for(Settings(registry_url="registry:8081"))


def test_a_registry_that_denies_asks_for_a_password(registry: Registry) -> None:
    registry.closed = True
    with pytest.raises(MendstreamError, match="MENDSTREAM_REGISTRY_AUTH"):
        register(Settings(registry_url=registry.url))


def test_subjects_follow_the_names_that_topics_have_at_kafka(registry: Registry) -> None:
    settings = Settings(registry_url=registry.url, topic_prefix="staging.")
    register(settings)
    assert set(registry.versions) == {
        f"staging.{topic.name}-value" for topic in TOPICS.values() if topic.record is not None
    }
    assert codec_for(settings).decode("ExperimentResult", codec_for(settings).encode(result(1)))
