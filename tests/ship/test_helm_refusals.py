"""Values that cannot be right are refused before anything is installed, with a sentence that names
them.
"""

import pytest

from streams.runtime.settings import Settings
from tests.support.ship.chart import documents, of_kind, template

GATEWAY = [
    "gateway.enabled=true",
    "gateway.publicOrigin=https://a.example",
    "gateway.jwt.issuer=https://login.example",
    "gateway.jwt.audience=a",
    "gateway.jwt.jwksUrl=https://login.example/keys",
]
WRONG_TYPES = [
    ("processor.replicas=two", "/processor/replicas"),
    ("processor.replicas=-1", "/processor/replicas"),
    ("kafka.partitions=0", "/kafka/partitions"),
    ("kafka.partitions=1025", "/kafka/partitions"),
    ("kafka.bootstrap=kafka", "/kafka/bootstrap"),
    ("kafka.bootstrap=", "/kafka/bootstrap"),
    ("kafka.securityProtocol=TLS", "/kafka/securityProtocol"),
    ("kafka.bootstraps=kafka:9092", "bootstraps"),
    ("nonsense=1", "nonsense"),
    ("views.enabled=maybe", "/views/enabled"),
    ("http.port=80", "/http/port"),
    ("gateway.replicas=1", "/gateway/replicas"),
    ("gateway.publicOrigin=https://a.example/ui", "/gateway/publicOrigin"),
    ("gateway.jwt.jwksUrl=http://login.example/keys", "/gateway/jwt/jwksUrl"),
    ("gateway.autoscaling.minReplicas=1", "/gateway/autoscaling/minReplicas"),
    ("image.tag=latest", "/image/tag"),
    ("image.digest=sha256:short", "/image/digest"),
    ("runAsUser=0", "/runAsUser"),
    ("processor.resources.limits.memory=much", "/processor/resources/limits/memory"),
    ("processor.topologySpread.zone=Sometimes", "/processor/topologySpread/zone"),
    ("settings.commit_ms=0", "/settings/commit_ms"),
    ("settings.breaker=0", "/settings/breaker"),
    ("settings.commit_seconds=1", "commit_seconds"),
    ("topics.mode=delete", "/topics/mode"),
    ("credentials.passwordSecret=Not A Name", "/credentials/passwordSecret"),
    ("networkPolicy.kafka.ports={0}", "/networkPolicy/kafka/ports/0"),
    ("audit.schedule=hourly", "/audit/schedule"),
]

DO_NOT_FIT = [
    (["processor.replicas=5"], "processor.replicas is 5, and kafka.partitions 4"),
    (["executor.enabled=true"], "executor.targets or executor.routes"),
    (
        ["executor.enabled=true", "executor.routes.channels.a.kind=slack", "executor.replicas=5"],
        "executor.replicas is 5",
    ),
    (
        ["autoscaling.enabled=true", "autoscaling.maxReplicas=5"],
        "autoscaling.maxReplicas is 5, and kafka.partitions 4",
    ),
    (
        ["autoscaling.enabled=true", "autoscaling.maxReplicas=2", "autoscaling.minReplicas=3"],
        "autoscaling.minReplicas is above",
    ),
    (
        ["kafka.securityProtocol=SASL_SSL"],
        "needs a username and a passwordSecret for the processor",
    ),
    (
        ["kafka.securityProtocol=SASL_SSL", "credentials.username=a"],
        "needs a username and a passwordSecret",
    ),
    (["credentials.username=a"], "a username, which kafka.securityProtocol PLAINTEXT does not use"),
    (
        ["credentials.certificateSecret=a"],
        "a certificate, which kafka.securityProtocol PLAINTEXT does not use",
    ),
    (["views.enabled=true"], "views.redisSecret"),
    (["gateway.enabled=true"], "one of gateway.jwt.jwksUrl and gateway.jwt.secret"),
    (
        [*GATEWAY, "gateway.jwt.secret=a"],
        "one of gateway.jwt.jwksUrl and gateway.jwt.secret",
    ),
    ([*GATEWAY, "gateway.jwt.audience="], "gateway.jwt.issuer and gateway.jwt.audience"),
    ([*GATEWAY, "gateway.publicOrigin="], "gateway.publicOrigin"),
    (
        [
            *GATEWAY,
            "gateway.autoscaling.enabled=true",
            "gateway.autoscaling.minReplicas=7",
        ],
        "gateway.autoscaling.minReplicas is above",
    ),
    (
        [
            "executor.enabled=true",
            "executor.targets.targets[0].kind=file",
            "executor.targets.targets[0].match=shop",
        ],
        "executor.claim",
    ),
    (
        [
            "executor.enabled=true",
            "executor.targets.targets[0].kind=kubernetes",
            "executor.targets.targets[0].match=a",
        ],
        "executor.namespaces",
    ),
]


def sets(values: list[str]) -> list[str]:
    return [argument for value in values for argument in ("--set", value)]


@pytest.mark.parametrize(("value", "named"), WRONG_TYPES)
def test_the_schema_refuses(value: str, named: str) -> None:
    done = template("small", "--set", value)
    assert done.returncode != 0, f"{value} was taken"
    assert named in done.stderr, done.stderr


@pytest.mark.parametrize(("values", "sentence"), DO_NOT_FIT)
def test_values_that_do_not_fit_each_other_are_refused(values: list[str], sentence: str) -> None:
    done = template("small", *sets(values))
    assert done.returncode != 0, f"{values} were taken"
    assert sentence in done.stderr, done.stderr


def test_a_chart_without_a_kafka_says_so() -> None:
    done = template("small", "--set", "kafka.bootstrap=null")
    assert done.returncode != 0
    assert "bootstrap" in done.stderr


def test_as_many_replicas_as_partitions_are_taken() -> None:
    (workers,) = of_kind(documents("small", "--set", "processor.replicas=4"), "StatefulSet")
    assert workers["spec"]["replicas"] == 4
    most = documents("small", *sets(["autoscaling.enabled=true", "autoscaling.maxReplicas=4"]))
    assert of_kind(most, "ScaledObject")[0]["spec"]["maxReplicaCount"] == 4


def test_a_gateway_with_all_that_it_needs_is_taken() -> None:
    found = documents("small", *sets(GATEWAY))
    assert {each["metadata"]["name"] for each in of_kind(found, "Deployment")} == {
        "demo-mendstream-gateway"
    }


def test_partitions_end_where_the_program_ends_them() -> None:
    most = Settings.model_json_schema()["properties"]["partitions"]["maximum"]
    assert template("small", "--set", f"kafka.partitions={most}").returncode == 0
    assert template("small", "--set", f"kafka.partitions={most + 1}").returncode != 0


def test_the_platform_may_choose_the_user() -> None:
    (workers,) = of_kind(documents("small", "--set", "runAsUser=null"), "StatefulSet")
    context = workers["spec"]["template"]["spec"]["securityContext"]
    assert "runAsUser" not in context
    assert context["runAsNonRoot"] is True
