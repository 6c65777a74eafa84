"""Settings, from flags, environment (MENDSTREAM_...), a YAML file and files of secrets, in this
order of precedence.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from schemas.catalog import TOPICS
from streams.runtime.errors import MendstreamError
from streams.runtime.redaction import keep, keep_url
from streams.runtime.yaml_files import document

ClientConfig = dict[str, Any]
RECONNECT_MS = (
    1_000  # most between two attempts at an absent broker: a part of what a recovery may take
)
PREFIX = "MENDSTREAM_"
GROUP = "mendstream"
TOPIC_NAME_MAX = 249  # characters, Kafka's own limit
TOPIC_PREFIX_MAX = TOPIC_NAME_MAX - max(map(len, TOPICS))
# Names in the environment that are no settings: where jars are kept, and what our tests are told.
OTHER_NAMES = frozenset(f"{PREFIX}{name}" for name in ("CACHE", "REQUIRE_ALL", "SEED"))
TESTS = f"{PREFIX}TEST_"
# What Kubernetes tells each container of a Service whose name begins with ours.
_SERVICE = re.compile(
    r".*_SERVICE_(HOST|PORT(_\w+)?)|.*_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?"
)


class Settings(BaseSettings):
    """The settings of a process: Kafka, group, limits, keys. Secrets are shown as stars."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    bootstrap: str = Field(
        "127.0.0.1:9092", description="Kafka's bootstrap servers, host:port[,host:port]"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    ssl_ca_location: str = Field(
        "", description="file with the certificate authority's certificate"
    )
    ssl_certificate_location: str = Field(
        "", description="PEM file with our certificate, where Kafka wants one"
    )
    ssl_key_location: str = Field("", description="PEM file with our certificate's private key")
    ssl_key_password: SecretStr = Field(
        SecretStr(""), description="of the private key, where it has one"
    )
    registry_url: str = Field("", description="Schema Registry; empty: local schema ids")
    registry_auth: SecretStr = Field(
        SecretStr(""), description="user:password of the Schema Registry"
    )
    redis_url: SecretStr = Field(
        SecretStr(""), description="Redis that keeps views for dashboards, redis://host:6379/0"
    )
    signing_key: str = Field(
        "",
        description="PEM file with the Ed25519 key that signs commands; empty: they are not signed",
    )
    signature_scheme: Literal["1", "both", "2"] = Field(
        "both",
        description="what signatures say: 2 signs cluster, group and schema too; both, until all "
        "deployers verify 2",
    )
    signature_1_until: str = Field(
        "",
        description="moment (ISO 8601) from which an executor refuses signatures of scheme 1 "
        "alone; empty: never",
    )
    topic_prefix: str = Field(
        "",
        max_length=TOPIC_PREFIX_MAX,
        pattern=r"^[a-zA-Z0-9._-]*$",
        description="what each topic's name at Kafka begins with, `staging.` for example: "
        "installations with prefixes of their own share a cluster",
    )
    # Another prefix is another installation, whose workers must not meet those of this one.
    group: str = Field(
        default_factory=lambda given: f"{given.get('topic_prefix', '')}{GROUP}",
        description="consumer group, and prefix of transactional ids; where nothing names one, the "
        f"topic prefix and {GROUP}",
    )
    slot: str = Field(
        "0", description="name of this worker, stable over restarts: what fences its own zombie"
    )
    partitions: int = Field(
        4, ge=1, le=1024, description="partition count of every co-partitioned topic"
    )
    replication: int = Field(
        1, ge=1, le=7, description="replication factor of topics that are created"
    )
    dedupe_window: int = Field(
        1_000_000, ge=1_000, le=10_000_000, description="offsets back that an id is remembered"
    )
    commit_ms: int = Field(
        100, ge=1, le=5_000, description="longest wait of changed rows before a commit"
    )
    batch: int = Field(
        20_000,
        ge=1,
        le=100_000,
        description="most records taken in one poll, and of one partition of an input that wait "
        "before no more of it are fetched",
    )
    learning_enabled: bool = Field(
        True, description="false: recommendations earn no trust, and every boost is 0"
    )
    breaker: bool = Field(
        False,
        description="pause a partition when all who send to it send garbage, and they are 3 "
        "or more",
    )
    silent_ms: int = Field(
        1_800_000,
        ge=1_000,
        le=86_400_000,
        description="an arm or subject that sends nothing for so long has stopped",
    )
    session_timeout_ms: int = Field(6_000, ge=1_000, le=300_000)
    transaction_timeout_ms: int = Field(15_000, ge=2_000, le=60_000)
    secrets_directory: str = Field(
        "",
        description="folder with a file for each setting that nothing else gives, named as the "
        "setting",
    )
    crash_directory: str = Field(
        "",
        description="where a worker notes what it folds, to set aside what ends it; empty: in "
        "/tmp/mendstream-<user id>",
    )
    compiled_directory: str = Field(
        "",
        description="where a worker keeps the code that it compiled, for its next start; it may be "
        "read-only once it is filled; empty: ~/.cache/mendstream/compiled",
    )
    http_host: str = "127.0.0.1"
    http_port: int = Field(
        0, ge=0, le=65_535, description="of /metrics, /live and /ready; 0: any free port"
    )
    gateway_host: str = Field("127.0.0.1", description="address that the gateway listens at")
    gateway_port: int = Field(3010, ge=0, le=65_535, description="of the gateway; 0: any free port")
    public_origin: str = Field(
        "",
        description="how browsers reach the gateway, https://host[:port], which an executor's "
        "notifications link to as well; empty: by its own address, and without links",
    )
    cors_origins: str = Field(
        "",
        description="whose pages may call the gateway with a token of their own, "
        "https://host[:port] separated by commas",
    )
    jwt_secret: SecretStr = Field(
        SecretStr(""),
        description="secret of at least 32 bytes that tokens are signed with by HS256, where there "
        "is no address of keys",
    )
    jwt_jwks_url: str = Field(
        "", description="where the issuer of tokens publishes its keys, https://..."
    )
    jwt_issuer: str = Field("", description="what a token must say that it is from: its iss")
    jwt_audience: str = Field("", description="what a token must say that it is for: its aud")
    views_directory: str = Field(
        "",
        description="folder of this gateway's own views; empty: one of its group and slot in "
        "/tmp/mendstream-<user id>",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            InitSettingsSource(settings_cls, cls.in_file()),
            _Files(settings_cls),
        )

    @classmethod
    def in_file(cls) -> dict[str, Any]:
        """Returns the settings that the file given to this class holds."""
        return {}

    def model_post_init(self, _context: Any) -> None:
        """Registers what may never be said."""
        for name in type(self).model_fields:
            value, place = getattr(self, name), f"{PREFIX}{name.upper()}"
            if name.endswith("_url"):
                secret = isinstance(value, SecretStr)
                keep_url(place, value.get_secret_value() if secret else value, whole=secret)
            elif isinstance(value, SecretStr):
                whole = value.get_secret_value()
                keep(place, whole, *([whole.partition(":")[2]] if name.endswith("_auth") else []))

    def topic(self, name: str) -> str:
        """The name that a topic of the catalog has at Kafka."""
        return f"{self.topic_prefix}{name}"

    def client(self, **more: Any) -> ClientConfig:
        """librdkafka's configuration of a client of this Kafka."""
        config: ClientConfig = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "log_level": 2,
            # When all brokers are away, librdkafka would forget the ones it knows and start over
            # from the bootstrap servers;
            # requests that wait for a coordinator among them then hang past every deadline
            # (librdkafka #5511).
            "metadata.recovery.strategy": "none",
            "reconnect.backoff.max.ms": RECONNECT_MS,
        }
        if self.security_protocol.startswith("SASL"):
            config["sasl.mechanism"] = self.sasl_mechanism
            config["sasl.username"] = self.sasl_username
            config["sasl.password"] = self.sasl_password.get_secret_value()
        for name in ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location"):
            if location := getattr(self, name):
                config[name.replace("_", ".")] = location
        if password := self.ssl_key_password.get_secret_value():
            config["ssl.key.password"] = password
        return {**config, **more}


class _Files(PydanticBaseSettingsSource):
    """Settings in files of their own, as orchestrators hand secrets over. They come last: the
    others may name the folder.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        directory = self.current_state.get("secrets_directory")
        if not directory:
            return {}
        try:
            # Kubernetes keeps what it swaps below names that begin with a dot.
            files = [path for path in Path(directory).iterdir() if not path.name.startswith(".")]
            return {
                path.name: path.read_text(encoding="utf-8-sig").rstrip("\r\n") for path in files
            }
        except (OSError, UnicodeDecodeError) as error:
            raise MendstreamError(
                f"The secrets in {directory} cannot be read: {error}.",
                "MENDSTREAM_SECRETS_DIRECTORY names a folder of text files, each named as a "
                "setting: sasl_password, ...",
            ) from error


def load(file: Path | None, flags: dict[str, Any]) -> Settings:
    """The settings in force; flags that are None are not given.

    Raises MendstreamError for a file that cannot be read, an unknown setting or a value out of
    range.
    """
    check_names(os.environ)
    written = read(file) if file is not None else {}

    class FromFile(Settings):
        @classmethod
        def in_file(cls) -> dict[str, Any]:
            return written

    try:
        return FromFile(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = nearest(name) if first["type"] == "extra_forbidden" else ""
        raise MendstreamError(
            f"The setting {name!r} is wrong: "
            f"{'there is none of this name' if known else first['msg']}.",
            known or "See `mendstream config --help` for all settings.",
        ) from error


def read(file: Path) -> dict[str, Any]:
    """The settings in a YAML file. Raises MendstreamError where they cannot be read."""
    if not file.exists():
        raise MendstreamError(
            f"There is no settings file {file}.", "Name a YAML file, or leave --config out."
        )
    written = document(file)
    if written is None:
        return {}
    if not isinstance(written, dict) or not all(isinstance(name, str) for name in written):
        raise MendstreamError(
            f"{file.name} holds no settings.", "Write a line `name: value` for each."
        )
    return {name.lower(): value for name, value in written.items()}


def check_names(environment: Mapping[str, str]) -> None:
    """Raises MendstreamError for a name that looks like a setting of ours and is none."""
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name, value in environment.items():
        said = name.upper()
        foreign = not said.startswith(PREFIX) or said.startswith(TESTS) or _of_service(said, value)
        if foreign or said in settings or said in OTHER_NAMES:
            continue
        raise MendstreamError(
            f"The environment names {name}, which is no setting.",
            nearest(said.removeprefix(PREFIX), PREFIX),
        )


def nearest(name: str, prefix: str = "") -> str:
    """Returns a sentence with the setting that a wrong name may have meant, and where all are
    listed.
    """
    near = get_close_matches(name.lower(), Settings.model_fields, n=1, cutoff=0.5)
    shown = f"{prefix}{near[0].upper() if prefix else near[0]}" if near else ""
    return (
        f"Did you mean {shown}? " if near else "Take it away: "
    ) + "`mendstream config` lists all settings."


def _of_service(name: str, value: str) -> bool:
    """Returns whether it is Kubernetes' word of a Service; NAME_PORT holds an address with its
    protocol then.
    """
    return bool(_SERVICE.fullmatch(name)) or (name.endswith("_PORT") and "://" in value)
