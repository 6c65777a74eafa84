"""What the pods may do, who reaches them, and where secrets stand."""

import os
from pathlib import Path

import pytest

from streams.signing.signer import create, load
from tests.support.ship.chart import CASES, Document, documents, of_kind, pod, pods, text


@pytest.mark.parametrize("case", CASES)
def test_every_pod_is_confined(case: str) -> None:
    for one in pods(documents(case)):
        whole, own = one.spec["securityContext"], one.container["securityContext"]
        assert whole["runAsNonRoot"] is True
        assert whole["runAsUser"] > 0
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert one.spec["enableServiceLinks"] is False, (
            "a Service's variables could be taken for settings"
        )
        assert not {"hostNetwork", "hostPID", "hostIPC"} & one.spec.keys()
        assert all("hostPath" not in volume for volume in one.spec["volumes"])


@pytest.mark.parametrize("case", CASES)
def test_every_container_says_what_it_needs(case: str) -> None:
    for one in pods(documents(case)):
        resources = one.container["resources"]
        assert resources["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in resources["limits"]


def test_only_an_executor_that_changes_this_cluster_has_a_token_and_it_may_little() -> None:
    found = documents("production")
    assert {one.role for one in pods(found) if one.spec["automountServiceAccountToken"]} == {
        "executor"
    }
    assert not any(one.spec["automountServiceAccountToken"] for one in pods(documents("tls-scram")))
    (role,) = of_kind(found, "Role")
    assert role["metadata"]["namespace"] == "ml"
    verbs = {verb for rule in role["rules"] for verb in rule["verbs"]}
    resources = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert (verbs, resources) == ({"get", "patch"}, {"deployments", "rollouts", "rollouts/status"})
    (binding,) = of_kind(found, "RoleBinding")
    assert binding["subjects"][0]["name"] == pod(found, "executor").spec["serviceAccountName"]


@pytest.mark.parametrize("case", CASES)
def test_secrets_are_files_and_no_part_of_the_environment(case: str) -> None:
    assert "secretKeyRef" not in text(case)
    for one in pods(documents(case)):
        for volume in one.spec["volumes"]:
            if kept := volume.get("secret") or volume.get("projected"):
                assert kept["defaultMode"] == 0o440, volume
        assert all(
            mount["readOnly"]
            for mount in one.container["volumeMounts"]
            if mount["name"] in ("secrets", "tls")
        )


def test_each_role_has_its_own_password() -> None:
    found = documents("tls-scram")
    names = {one.role: one.env["MENDSTREAM_SASL_USERNAME"]["value"] for one in pods(found)}
    assert names == {
        "processor": "mendstream-worker",
        "executor": "mendstream-executor",
        "gateway": "mendstream-gateway",
        "topics": "admin",
        "audit": "mendstream-auditor",
    }
    (password,) = [
        source["secret"]
        for volume in pod(found, "topics").spec["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if source["secret"]["items"][0]["path"] == "sasl_password"
    ]
    assert password == {
        "name": "kafka-admin",
        "items": [{"key": "admin-password", "path": "sasl_password"}],
    }


@pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root can make a file as Kubernetes does: its own, for a group to read",
)
def test_the_program_takes_a_key_with_the_mode_that_the_chart_gives_it(tmp_path: Path) -> None:
    (mode,) = [
        volume["secret"]["defaultMode"]
        for volume in pod(documents("tls-scram"), "processor").spec["volumes"]
        if volume["name"] == "signing"
    ]
    create(path := tmp_path / "signing.pem")
    path.chmod(mode)
    assert load(path)


@pytest.mark.parametrize("case", CASES)
def test_nothing_passes_that_no_policy_allows(case: str) -> None:
    policies = {
        each["metadata"]["name"]: each["spec"] for each in of_kind(documents(case), "NetworkPolicy")
    }
    deny = policies["demo-mendstream-deny"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & deny.keys()
    assert all(rule for spec in policies.values() for rule in spec.get("egress", [])), (
        "an empty rule allows everything"
    )


def test_the_ways_out_are_those_that_are_needed() -> None:
    assert ports("small") == {"kafka": [53, 53, 9092]}
    assert ports("tls-scram") == {"kafka": [53, 53, 9093, 9094, 8081], "executor": [443]}
    assert ports("production") == {
        "kafka": [53, 53, 9093, 9094, 8081],
        "redis": [6379],
        "gateway": [443],
        "executor": [443, 9093, 443],
    }


def test_metrics_are_read_by_prometheus_alone() -> None:
    policies = of_kind(documents("production"), "NetworkPolicy")
    rules = [rule for each in policies for rule in each["spec"].get("ingress", [])]
    (rule,) = [each for each in rules if each["ports"] == [{"port": "http", "protocol": "TCP"}]]
    assert rule["from"][0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}
    assert not [
        each for each in of_kind(documents("small"), "NetworkPolicy") if "ingress" in each["spec"]
    ]


def test_a_gateway_is_called_by_whom_the_values_name_and_by_nobody_else() -> None:
    def ways_in(*more: str) -> list[Document]:
        policies = of_kind(documents("production", *more), "NetworkPolicy")
        (spec,) = [
            each["spec"] for each in policies if each["metadata"]["name"].endswith("-gateway")
        ]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
        return list(spec.get("ingress", []))

    (rule,) = ways_in()
    assert rule["ports"] == [{"port": "api", "protocol": "TCP"}]
    assert rule["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    ]
    assert ways_in("--set", "networkPolicy.gateway.from=null") == []


def ports(case: str) -> dict[str, list[int]]:
    """The ports of the ways out, by policy."""

    def of(each: Document) -> list[int]:
        return [port["port"] for rule in each["spec"].get("egress", []) for port in rule["ports"]]

    policies = of_kind(documents(case), "NetworkPolicy")
    return {
        each["metadata"]["name"].removeprefix("demo-mendstream-"): of(each)
        for each in policies
        if of(each)
    }
