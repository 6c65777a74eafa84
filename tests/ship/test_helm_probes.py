"""Each probe asks what the program serves, and means what docs/helm.md says of it."""

from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from streams.runtime.health import STALLED_SECONDS, Health
from tests.support.ship.chart import CASES, Document, documents, of_kind, pods

SERVING = ("processor", "executor", "views", "gateway")


@pytest.fixture
def health() -> Iterator[Health]:
    with Health().serve("127.0.0.1", 0) as served:
        yield served


def status(health: Health, path: str) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{health.port}{path}", timeout=10) as answer:
            code = answer.status
    except HTTPError as error:
        error.close()
        code = error.code
    assert isinstance(code, int)
    return code


def probes(container: Document) -> dict[str, Document]:
    return {name: probe for name, probe in container.items() if name.endswith("Probe")}


@pytest.mark.parametrize("case", CASES)
def test_whatever_serves_is_probed_three_ways_and_nothing_else_is(case: str) -> None:
    for one in pods(documents(case)):
        wanted = (
            {"startupProbe", "livenessProbe", "readinessProbe"} if one.role in SERVING else set()
        )
        assert probes(one.container).keys() == wanted, one.name


@pytest.mark.parametrize("case", CASES)
def test_each_path_is_served_on_the_port_that_is_asked(case: str, health: Health) -> None:
    for one in pods(documents(case)):
        for probe in probes(one.container).values():
            asked = probe["httpGet"]
            assert status(health, asked["path"]) != 404, asked
            (port,) = [each for each in one.container["ports"] if each["name"] == "http"]
            assert asked["port"] == port["name"]
            assert str(port["containerPort"]) == one.env["MENDSTREAM_HTTP_PORT"]["value"]
            assert one.env["MENDSTREAM_HTTP_HOST"]["value"] == "0.0.0.0", (
                "the kubelet comes from outside of the pod"
            )


def test_a_path_that_is_not_served_would_be_noticed(health: Health) -> None:
    assert status(health, "/healthz") == 404


def test_a_long_restore_is_started_neither_ready_nor_dead(health: Health) -> None:
    (worker,) = [one for one in pods(documents("small")) if one.role == "processor"]
    path = {name: probe["httpGet"]["path"] for name, probe in probes(worker.container).items()}
    health.preparing = True
    assert status(health, path["livenessProbe"]) == 200
    assert status(health, path["readinessProbe"]) == status(health, path["startupProbe"]) == 503
    health.preparing, health.ready = False, True
    assert status(health, path["readinessProbe"]) == status(health, path["startupProbe"]) == 200


@pytest.mark.parametrize("case", CASES)
def test_a_start_may_take_as_long_as_the_group_waits_for_a_restore(case: str) -> None:
    for one in pods(documents(case)):
        if one.role == "processor":
            startup = one.container["startupProbe"]
            assert (
                startup["periodSeconds"] * startup["failureThreshold"] >= 2 * 600
            )  # max.poll.interval.ms, its own and another's


@pytest.mark.parametrize("case", CASES)
def test_a_stuck_loop_is_noticed_by_the_program_before_kubernetes_gives_up(case: str) -> None:
    for one in pods(documents(case)):
        if live := probes(one.container).get("livenessProbe"):
            assert live["periodSeconds"] * live["failureThreshold"] <= STALLED_SECONDS


@pytest.mark.parametrize("case", CASES)
def test_what_is_scraped_is_what_the_services_lead_to(case: str) -> None:
    found = documents(case)
    services = of_kind(found, "Service")
    assert {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in services} == {
        one.role for one in pods(found) if one.role in SERVING
    }
    for monitor in of_kind(found, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        assert all(wanted <= each["metadata"]["labels"].items() for each in services)
        (endpoint,) = monitor["spec"]["endpoints"]
        named = [[port["name"] for port in each["spec"]["ports"]] for each in services]
        assert named.count([endpoint["port"]]) == len(
            {one.role for one in pods(found)} & {*SERVING}
        )
        assert all(names in ([endpoint["port"]], ["api"]) for names in named)
        assert endpoint["path"] == "/metrics"
        assert monitor["spec"]["namespaceSelector"]["matchNames"] == ["ops"]


def test_the_metrics_path_gives_the_programs_metrics(health: Health) -> None:
    with urlopen(f"http://127.0.0.1:{health.port}/metrics", timeout=10) as answer:
        assert b"mendstream_assigned_partitions" in answer.read()
