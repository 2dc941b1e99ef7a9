# long: every setting stands here
"""Every setting, and the numbers that several modules share, each with its reason.

Settings come from the environment (`OUTBOX_*`, docs: README). The constants
below them are not settings: the guarantee or the measured behaviour rests on
them (source: design of the relay, measured on Apache Kafka 4.1).
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from outbox_worker.errors import SettingsError

Read = TypeVar("Read", bound=BaseSettings)

SHARDS: Final = 16
"""Shards of the table, fixed by the schema: more useful workers than one Postgres can feed."""

LARGEST_EVENT: Final = 67_108_864
"""Bytes of payload and headers of an event that is read at all. No topic takes one so large, and
each worker in turn would run out of memory over it."""

ANCHOR_TOPIC: Final = "outbox.shards"
"""The empty topic whose partitions stand for the shards; Kafka assigns them to workers."""

SESSION_TIMEOUT_MS: Final = 6_000
"""How soon Kafka notices a dead worker: the least that a broker accepts by default."""

HEARTBEAT_MS: Final = 500
"""The answer to a heartbeat tells that shards are to change hands: with 1,500 they did so up to
1.5 s after a worker had left, for each of the two steps of a rebalance."""

MAX_POLL_INTERVAL_MS: Final = 60_000
"""The relay serves its group between batches; a batch is bounded by the transaction time-out."""

TRANSACTION_TIMEOUT_MS: Final = 10_000
"""How long a dead worker's open transaction may hold up readers where nobody takes it over."""

KAFKA_CALL_S: Final = 12.0
"""Bound of one blocking call to Kafka, above the transaction time-out: the broker decides first."""

RETRY_BACKOFF_MS: Final = 5
"""Always: by default it grows from 100 to 1,000, and the coordinator that still ends a transaction
costs as much. From 2 to 100 the slowest transactions took twice as long as with 5."""

METADATA_REFRESH_MS: Final = 2_000
"""How soon a producer notices that a topic was deleted or made again: one small request each."""

IDLE_POLL_MIN_S: Final = 0.002
IDLE_POLL_MAX_S: Final = 0.020
IDLE_POLL_GROWTH: Final = 1.5
"""Pause between polls that find nothing: from the least to the most, by this factor.

One poll costs Postgres 0.3 ms. A larger factor polls less, and an event that comes after a
short lull then waits longer."""

BACKOFF_MIN_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0
"""Pause between attempts to reach a neighbour that is away, doubled from the least to the most."""

COMMAND_IDLE_MAX_S: Final = 0.05
"""Longest pause of a thread that finds no command. The threads' pauses differ by chance, so that
together they look more often: with four of them 99 of 100 commands begin within 25 ms."""

FAILURE_PAUSE_S: Final = 0.5
FAILURE_PAUSE_GROWTH: Final = 4
FAILURE_PAUSE_MAX_S: Final = 300.0
"""Pauses after unexpected failures of a command, from the first to the most by this factor; chance
takes up to half of each: 11 to 23 min in all until the tenth sets it aside, so that a bad release
of ten minutes rejects nothing. The first four tries are made within 11 s. Its key waits as long."""

MIRROR_INTERVAL_S: Final = 1.0
"""How often positions that changed are written to Postgres, for status, purge and as a fallback."""

PARTITIONS_AHEAD_DAYS: Final = 14
"""Partitions made ahead: a worker may be away for two weeks before rows meet the default one."""

LEAST_RECORD_BYTES: Final = 1_000

MOST_DAYS: Final = 36_500
"""A hundred years: what is older than that nobody has, and no calendar ends before."""

MOST_PREFIX: Final = 200
"""Characters: Kafka's names of topics have at most 249, and the longest type of an event 39."""

OF_A_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]*")

ON_REFUSED: Final = (
    r"^\s*(block|park)(:[A-Za-z0-9._*-]+)?\s*(,\s*(block|park)(:[A-Za-z0-9._*-]+)?\s*)*$"
)
MOST_RULES: Final = 10_000
"""Characters of the rules for refused events."""

Role = Literal["relay", "commands", "all"]
LogValues = Literal["off", "on"]
LogLevel = Literal["debug", "info", "warning", "error"]
Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]
Timestamp = Literal["insert", "publish"]


class DatabaseUrl(str):
    """The URL of the database, and the command that prints its password, empty for none."""

    __slots__ = ("password_command",)

    def __new__(cls, url: str, password_command: str = "") -> Self:
        """The same text as `url`."""
        made = super().__new__(cls, url)
        made.password_command = password_command
        return made

    password_command: str


class TopicShape(BaseModel, frozen=True):
    """How missing topics are made: `partitions:replication`."""

    partitions: Annotated[int, Field(ge=1, le=10_000)]
    replication: Annotated[int, Field(ge=1, le=32)]


class Settings(BaseSettings):
    """The settings of the environment, checked.

    Build it with `load()`, which turns what is wrong into a `SettingsError`
    that names the variable.
    """

    model_config = SettingsConfigDict(
        env_prefix="OUTBOX_", frozen=True, extra="ignore", env_ignore_empty=False
    )

    database_url: Annotated[
        SecretStr,
        Field(
            description="any libpq URL or key=value string of the primary (several hosts are fine)"
        ),
    ] = SecretStr("")
    database_password_command: Annotated[
        str,
        Field(description="command that prints the password for a new connection (tokens)"),
    ] = ""
    kafka_bootstrap_servers: Annotated[str, Field(description="host:port[,host:port]")] = ""
    kafka_properties: Annotated[
        Path | None,
        Field(description="path of a key=value file with further librdkafka properties"),
    ] = None
    group: Annotated[
        str, Field(description="consumer group of the workers", min_length=1, max_length=200)
    ] = "outbox-worker"
    instance_id: Annotated[
        str,
        Field(
            description="a name of this process that outlives it (stateful sets)", max_length=100
        ),
    ] = ""
    application: Annotated[
        str,
        Field(
            description="what carries out commands, as module:attribute; empty: nothing does, "
            "and the worker is a relay only",
            pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$",
        ),
    ] = "outbox_school.school:school"
    topic_prefix: Annotated[
        str | None,
        Field(
            description="prefix of the topics of the application's events; unset: its own",
            max_length=MOST_PREFIX,
        ),
    ] = None
    source: Annotated[str, Field(description="CloudEvents source", min_length=1)] = "/outbox-worker"
    create_topics: Annotated[
        TopicShape | None,
        NoDecode,
        Field(description="partitions:replication of topics to make when absent"),
    ] = None
    create_topics_pattern: Annotated[
        str,
        Field(
            description="names of topics that OUTBOX_CREATE_TOPICS may make, with commas; * stands "
            "for any part of a name",
            pattern=r"^\s*[A-Za-z0-9._*-]+\s*(,\s*[A-Za-z0-9._*-]+\s*)*$",
        ),
    ] = "*"
    create_topics_per_hour: Annotated[
        int,
        Field(ge=1, le=100_000, description="how many topics a worker makes within an hour"),
    ] = 100
    batch_rows: Annotated[
        int, Field(ge=1, le=100_000, description="events in one transaction at most")
    ] = 5_000
    batch_bytes: Annotated[
        int,
        Field(
            ge=LEAST_RECORD_BYTES,
            le=1_000_000_000,
            description="payload bytes in one transaction at most",
        ),
    ] = 8_000_000
    compression: Annotated[
        Compression | None,
        Field(
            description="codec of the records; unset: compression.type of the properties file, "
            "or none, which every client reads without a further package"
        ),
    ] = None
    on_refused: Annotated[
        str,
        Field(
            description="what becomes of an event that Kafka can never take: block holds its "
            "shard, park moves it and later events of its key to the dead letters; with topics: "
            "park:orders.*,block (the first that fits counts)",
            pattern=ON_REFUSED,
            max_length=MOST_RULES,
        ),
    ] = "block"
    timestamp: Annotated[
        Timestamp,
        Field(description="time of a record: when the event was written, or when it goes out"),
    ] = "insert"
    http_address: Annotated[
        str, Field(description="metrics and health, host:port; empty = off")
    ] = "127.0.0.1:9464"
    log_level: Annotated[LogLevel, Field(description="from which level on lines are logged")] = (
        "info"
    )
    log_values: Annotated[
        LogValues,
        Field(
            description="on: messages of errors are logged in full, with values of rows that they "
            "may hold"
        ),
    ] = "off"
    command_threads: Annotated[
        int, Field(ge=1, le=128, description="threads that execute commands")
    ] = 4
    command_attempts: Annotated[
        int,
        Field(ge=1, le=100, description="unexpected failures until a command is set aside"),
    ] = 10

    @field_validator("database_password_command")
    @classmethod
    def _can_be_run(cls, value: str) -> str:
        words = shlex.split(value)
        if value and not (words and shutil.which(words[0])):
            message = "begins with no program that can be run"
            raise ValueError(message)
        return value

    @field_validator("kafka_properties", "compression", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("create_topics", mode="before")
    @classmethod
    def _parse_shape(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value in {"", "off"}:
            return None
        partitions, colon, replication = value.partition(":")
        if not (colon and partitions.isdigit() and replication.isdigit()):
            message = "is `partitions:replication`, for example 8:3"
            raise ValueError(message)
        return {"partitions": int(partitions), "replication": int(replication)}

    @field_validator("kafka_bootstrap_servers", "source")
    @classmethod
    def _text(cls, value: str) -> str:
        if not value.isprintable():
            message = "may not hold control characters or bytes that are no UTF-8"
            raise ValueError(message)
        return value

    @field_validator("group", "instance_id")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isprintable() or " " in value:
            message = "may hold neither spaces nor control characters"
            raise ValueError(message)
        return value

    @field_validator("topic_prefix")
    @classmethod
    def _part_of_a_topic(cls, value: str | None) -> str | None:
        if value is not None and not OF_A_TOPIC.fullmatch(value):
            message = "may hold letters, digits, '.', '_' and '-', as names of topics do"
            raise ValueError(message)
        return value

    @field_validator("http_address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        if value:
            split_address(value)
        return value

    @model_validator(mode="after")
    def _properties_file_exists(self) -> Settings:
        if self.kafka_properties is not None and not _is_file(self.kafka_properties):
            # pydantic takes no message with half a surrogate pair, which stands for another byte.
            shown = bytes(self.kafka_properties).decode(errors="backslashreplace")
            message = f"OUTBOX_KAFKA_PROPERTIES names no file: {shown}"
            raise ValueError(message)
        return self

    def need_database(self) -> DatabaseUrl:
        """The database URL, with the command for its password; `SettingsError` where it is none."""
        url = self.database_url.get_secret_value()
        if not url:
            message = "OUTBOX_DATABASE_URL is not set"
            raise SettingsError(
                message, "Set it to a libpq URL, for example postgresql://user@host:5432/database"
            )
        return DatabaseUrl(url, self.database_password_command)

    def need_kafka(self) -> str:
        """The bootstrap servers; `SettingsError` where they are not set."""
        if not self.kafka_bootstrap_servers:
            message = "OUTBOX_KAFKA_BOOTSTRAP_SERVERS is not set"
            raise SettingsError(
                message, "Set it to the brokers' addresses, for example kafka-1:9092,kafka-2:9092"
            )
        return self.kafka_bootstrap_servers


def _is_file(path: Path) -> bool:
    """False too where nobody can tell: a name that is too long, a folder that is closed to us."""
    try:
        return path.is_file()
    except OSError:
        return False


def split_address(address: str) -> tuple[str, int]:
    """`host:port` (IPv6 in brackets) in two parts; `ValueError` where it is not one."""
    parts = urlsplit(f"//{address}")
    if parts.hostname is None or parts.port is None:
        message = "is host:port, for example 0.0.0.0:9464"
        raise ValueError(message)
    # A host that cannot be a name is a ValueError here, and a TypeError where it is bound.
    parts.hostname.encode("idna")
    return parts.hostname, parts.port


def load() -> Settings:
    """Read the environment; `SettingsError` names each variable that is wrong and why."""
    return read(Settings)


def read(of: type[Read]) -> Read:
    """As `load`, of any class of settings whose variables begin with `OUTBOX_`."""
    try:
        return of()
    except ValidationError as error:
        faults = "; ".join(
            _fault(item["loc"], item["msg"]) for item in error.errors(include_input=False)
        )
        raise SettingsError(faults, "See `outbox-worker run --help` for the settings") from None


def _fault(location: tuple[int | str, ...], text: str) -> str:
    text = text.removeprefix("Value error, ")
    name = "_".join(str(part) for part in location).upper()
    return f"OUTBOX_{name}: {text}" if name else text
