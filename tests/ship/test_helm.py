"""The chart renders to what Kubernetes takes, for each values file of ci/, and its parts fit each
other.
"""

import pytest

from streams.runtime.metrics import GATEWAY_SOCKETS
from tests.support.ship.chart import (
    CASES,
    CHART,
    NEWEST,
    OLDEST,
    Document,
    documents,
    helm,
    of_kind,
    pod,
    pods,
    text,
    validated,
)

# What kubernetes-validate has no schema for: the fields of `spec` that each must have.
CUSTOM = {
    ("keda.sh/v1alpha1", "ScaledObject"): {
        "scaleTargetRef",
        "triggers",
        "minReplicaCount",
        "maxReplicaCount",
    },
    ("keda.sh/v1alpha1", "TriggerAuthentication"): {"secretTargetRef"},
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {"selector", "endpoints"},
    ("monitoring.coreos.com/v1", "PrometheusRule"): {"groups"},
}


@pytest.mark.parametrize("case", CASES)
def test_helm_finds_no_fault(case: str) -> None:
    done = helm("lint", "--strict", str(CHART), "-f", str(CHART / "ci" / f"{case}.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("case", CASES)
def test_kubernetes_knows_every_field(case: str, version: str) -> None:
    done = validated(text(case), version)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    passed = [line for line in lines if line.startswith("INFO")]
    unknown = [line for line in lines if line.startswith("WARN")]
    custom = [each for each in documents(case) if (each["apiVersion"], each["kind"]) in CUSTOM]
    assert len(unknown) == len(custom), unknown
    assert len(passed) + len(custom) == len(documents(case))


def test_the_validator_refuses_what_is_wrong() -> None:
    wrong = text("small").replace("serviceName:", "servicename:")
    done = validated(wrong, NEWEST)
    assert done.returncode == 1
    assert "servicename" in done.stdout


@pytest.mark.parametrize("case", CASES)
def test_custom_resources_have_what_they_must(case: str) -> None:
    for each in documents(case):
        if needed := CUSTOM.get((each["apiVersion"], each["kind"])):
            assert needed <= each["spec"].keys(), each


def test_all_kinds_are_rendered_by_some_values_file() -> None:
    found = {each["kind"] for case in CASES for each in documents(case)}
    assert found == {kind for _, kind in CUSTOM} | {
        "StatefulSet",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Job",
        "CronJob",
        "Service",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ConfigMap",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }


@pytest.mark.parametrize("case", CASES)
def test_every_selector_finds_pods_and_only_its_own(case: str) -> None:
    found = documents(case)
    labels = [each.labels for each in pods(found)]
    for each in found:
        wanted = _selector(each)
        if wanted is None or each["kind"] == "ServiceMonitor":
            continue
        chosen = [one for one in labels if wanted.items() <= one.items()]
        every = each["kind"] == "NetworkPolicy" and "app.kubernetes.io/component" not in wanted
        assert len(chosen) == (len(labels) if every else 1), (
            each["kind"],
            each["metadata"]["name"],
            wanted,
        )


def test_a_long_name_still_fits() -> None:
    release = "a" * 53  # Helm's own limit
    for each in documents("production", release=release):
        limit = (
            52 if each["kind"] == "CronJob" else 63 - 11
        )  # a CronJob and a StatefulSet add to it
        assert len(each["metadata"]["name"]) <= limit, each["metadata"]["name"]


def test_the_processors_are_scaled_where_they_are() -> None:
    found = documents("tls-scram")
    (scaled,) = of_kind(found, "ScaledObject")
    (workers,) = of_kind(found, "StatefulSet")
    assert scaled["spec"]["scaleTargetRef"]["name"] == workers["metadata"]["name"]
    assert "replicas" not in workers["spec"], "Helm and KEDA would pull at it"
    (rights,) = of_kind(found, "TriggerAuthentication")
    for trigger in scaled["spec"]["triggers"]:
        assert trigger["authenticationRef"]["name"] == rights["metadata"]["name"]
        assert all(isinstance(value, str) for value in trigger["metadata"].values())
    (worker,) = [each for each in pods(found) if each.kind == "StatefulSet"]
    for one in rights["spec"]["env"]:
        assert one["containerName"] == worker.container["name"]
        assert one["name"] in worker.env


def test_gateways_are_scaled_where_they_are_and_never_to_one() -> None:
    found = documents("production")
    (scaled,) = of_kind(found, "HorizontalPodAutoscaler")
    (workers,) = [each for each in of_kind(found, "Deployment") if "gateway" in str(each["spec"])]
    assert scaled["spec"]["scaleTargetRef"]["name"] == workers["metadata"]["name"]
    assert "replicas" not in workers["spec"], "Helm and the autoscaler would pull at it"
    assert scaled["spec"]["minReplicas"] >= 2
    assert {each["type"] for each in scaled["spec"]["metrics"]} == {"Resource", "Pods"}
    (metric,) = [each["pods"]["metric"]["name"] for each in scaled["spec"]["metrics"][1:]]
    assert metric == GATEWAY_SOCKETS._name
    fixed = documents("tls-scram")
    assert not of_kind(fixed, "HorizontalPodAutoscaler")
    assert [
        each["spec"]["replicas"]
        for each in of_kind(fixed, "Deployment")
        if each["metadata"]["name"].endswith("-gateway")
    ] == [2]


def test_what_an_ingress_leads_to_is_the_gateways_own_port() -> None:
    found = documents("production")
    (service,) = [
        each for each in of_kind(found, "Service") if each["spec"].get("clusterIP") != "None"
    ]
    assert service["metadata"]["name"] == "demo-mendstream-gateway-api"
    (port,) = service["spec"]["ports"]
    one = pod(found, "gateway")
    ports = {each["name"]: each["containerPort"] for each in one.container["ports"]}
    assert ports[port["targetPort"]] == int(one.env["MENDSTREAM_GATEWAY_PORT"]["value"])


def test_topics_are_seen_to_before_anything_is_changed() -> None:
    (job,) = of_kind(documents("small"), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "default", (
        "the chart's own are not there yet"
    )
    mounted = [
        volume for volume in job["spec"]["template"]["spec"]["volumes"] if "configMap" in volume
    ]
    assert not mounted, "nor are its ConfigMaps"


def _selector(each: Document) -> dict[str, str] | None:
    spec = each.get("spec", {})
    found = spec.get("podSelector") or spec.get("selector")
    return None if found is None else found.get("matchLabels", found)
