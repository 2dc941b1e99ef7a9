"""Settings name the variable that is wrong; Kafka's properties may not break the guarantee."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from outbox_school.school import school
from outbox_school.settings import SchoolSettings
from outbox_worker import settings
from outbox_worker.errors import ServerError, SettingsError
from outbox_worker.kafka import compression
from outbox_worker.kafka.clients import make_producer
from outbox_worker.kafka.config import (
    OURS,
    PRODUCER_ONLY,
    producer_config,
    read_properties,
    reader_config,
)
from outbox_worker.postgres import database

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_settings import BaseSettings

SECRET = "hidden-word"

LONGEST_TOPIC = 249
"""Characters; Kafka's `Topic.MAX_NAME_LENGTH`."""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(f"OUTBOX_{name.upper()}", raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OUTBOX_BATCH_ROWS", "0"),
        ("OUTBOX_BATCH_ROWS", "many"),
        ("OUTBOX_BATCH_BYTES", "10"),
        ("OUTBOX_GROUP", ""),
        ("OUTBOX_GROUP", "two words"),
        ("OUTBOX_SOURCE", "/a\nb"),
        ("OUTBOX_SOURCE", "/a\udcff"),
        ("OUTBOX_KAFKA_BOOTSTRAP_SERVERS", "kafka\udcff:9092"),
        ("OUTBOX_CREATE_TOPICS", "8"),
        ("OUTBOX_CREATE_TOPICS", "8:x"),
        ("OUTBOX_CREATE_TOPICS", "0:1"),
        ("OUTBOX_HTTP_ADDRESS", "9464"),
        ("OUTBOX_HTTP_ADDRESS", "ä..example:9464"),
        ("OUTBOX_LOG_LEVEL", "loud"),
        ("OUTBOX_KAFKA_PROPERTIES", "/no/such/file"),
        ("OUTBOX_COMPRESSION", "brotli"),
        ("OUTBOX_KAFKA_PROPERTIES", "x" * 5_000),
        ("OUTBOX_APPLICATION", "outbox_school.school"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        settings.load()


ODD = (
    *("", " ", "-1", "nan", "-inf", "1e400", "9" * 5_000, "x" * 100_000, "on"),
    *("\u200b", "a\tb", "a\nb", "\x1b[31m", "[/red]", "%s{0}", "*", "ä", "/", "a b"),
    *("\udcff", "/no/such\udcff", "postgresql://\udcff", "host\udcff:1", "a:\udcff"),
    *(":", "1:1", "²:1", "1:²", "host:²", "host:99999", "[::1", "::1", "'", "os:path", "..:x"),
)


def refusal(of: type[BaseSettings]) -> str:
    """What is said against the environment; nothing where it is taken."""
    try:
        settings.read(of)
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("of", "name"),
    [(of, name) for of in (settings.Settings, SchoolSettings) for name in of.model_fields],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_every_setting_takes_any_value_or_refuses_it_by_its_name(
    monkeypatch: pytest.MonkeyPatch, of: type[BaseSettings], name: str
) -> None:
    variable = f"OUTBOX_{name.upper()}"
    for value in ODD:
        monkeypatch.setenv(variable, value)
        assert variable in (refusal(of) or variable), value


def test_topics_are_made_in_the_given_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().create_topics is None
    monkeypatch.setenv("OUTBOX_CREATE_TOPICS", "8:3")
    shape = settings.load().create_topics
    assert shape is not None
    assert (shape.partitions, shape.replication) == (8, 3)


def test_a_password_is_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_DATABASE_URL", f"postgresql://u:{SECRET}@h/d")
    found = settings.load()
    assert SECRET not in f"{found!r} {found} {found.model_dump_json()}"


@pytest.mark.parametrize(
    "url", [f"postgresql://u:{SECRET}@[h/d", f"host=h password={SECRET} nonsense"]
)
def test_a_malformed_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsError, match="OUTBOX_DATABASE_URL") as caught:
        database.connect(url, application="tests")
    assert SECRET not in str(caught.value)


def test_a_database_that_is_away_is_not_looked_for_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
        monkeypatch.setenv("PGPORT", str(silent.getsockname()[1]))
        with pytest.raises(ServerError):
            database.connect("postgresql:///d?hostaddr=127.0.0.1&port=1", application="tests")
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_an_unreachable_database_is_said_without_the_password() -> None:
    with pytest.raises(ServerError, match="cannot be reached") as caught:
        database.connect(f"postgresql://u:{SECRET}@127.0.0.1:1/d", application="tests")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("prefix", ["my topics ", "schön.", "a/b", "x" * 201])
def test_a_prefix_that_no_topic_can_have_is_refused(
    monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv("OUTBOX_TOPIC_PREFIX", prefix)
    with pytest.raises(SettingsError, match="OUTBOX_TOPIC_PREFIX"):
        settings.load()


@pytest.mark.parametrize("prefix", ["", "huleedu.", "test_1-", "x" * 200])
def test_with_the_prefix_every_topic_of_an_event_is_one_of_kafka(
    monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv("OUTBOX_TOPIC_PREFIX", prefix)
    longest = max(
        len(school.prefix(settings.load().topic_prefix) + event.TYPE) for event in school.all_events
    )
    assert longest <= LONGEST_TOPIC


def test_further_properties_are_read(tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text("# security\nsecurity.protocol = SASL_SSL\n\nsasl.password=a=b\n")
    assert read_properties(path) == {
        "security.protocol": "SASL_SSL",
        "sasl.password": "a=b",
    }


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_property_that_the_guarantee_rests_on_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text(f"client.id=x\n{name}=1\n")
    with pytest.raises(SettingsError, match=f"line 2: {name} may not be set"):
        read_properties(path)


def test_a_file_that_begins_with_the_mark_of_utf_8_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_bytes(b"\xef\xbb\xbfsecurity.protocol=SSL\r\nssl.ca.location=/ca\r\n")
    assert read_properties(path) == {"security.protocol": "SSL", "ssl.ca.location": "/ca"}


def test_a_line_without_a_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text("security.protocol\n")
    with pytest.raises(SettingsError, match="line 1"):
        read_properties(path)


@pytest.mark.parametrize("name", ["error_cb", "throttle_cb", "logger", "default.topic.config"])
def test_a_property_that_takes_a_part_of_a_program_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text(f"client.rack=r1\n{name}=print\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"line 2: {name} is no text"):
        read_properties(path)


def test_a_property_that_librdkafka_does_not_know_is_named() -> None:
    with pytest.raises(SettingsError, match=r"no\.such\.property"):
        make_producer({"bootstrap.servers": "127.0.0.1:1", "no.such.property": "1"})


@pytest.mark.parametrize(
    ("given", "file", "codec"),
    [
        (None, "", {"compression.type": "none"}),
        ("", "", {"compression.type": "none"}),
        ("zstd", "", {"compression.type": "zstd"}),
        (None, "compression.type=lz4\n", {"compression.type": "lz4"}),
        (None, "compression.codec=lz4\n", {"compression.codec": "lz4"}),
        ("gzip", "compression.level=9\n", {"compression.type": "gzip"}),
    ],
)
def test_the_codec_is_none_unless_the_setting_or_the_file_names_another(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    given: str | None,
    file: str,
    codec: dict[str, str],
) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text(file)
    monkeypatch.setenv("OUTBOX_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("OUTBOX_KAFKA_PROPERTIES", str(path))
    if given is not None:
        monkeypatch.setenv("OUTBOX_COMPRESSION", given)
    config = producer_config(settings.load(), "id")
    assert {n: config[n] for n in config.keys() & compression.NAMES} == codec


@pytest.mark.parametrize("name", sorted(compression.NAMES))
def test_a_codec_in_both_places_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text(f"{name}=lz4\n")
    monkeypatch.setenv("OUTBOX_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("OUTBOX_KAFKA_PROPERTIES", str(path))
    monkeypatch.setenv("OUTBOX_COMPRESSION", "gzip")
    with pytest.raises(SettingsError, match=rf"OUTBOX_COMPRESSION .*{name}"):
        producer_config(settings.load(), "id")


def test_a_consumer_gets_no_property_of_a_producer(tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text("".join(f"{name}=1\n" for name in PRODUCER_ONLY))
    given = settings.Settings(kafka_bootstrap_servers="127.0.0.1:1", kafka_properties=path)
    config = reader_config(given, group="g", isolation="read_committed")
    assert not PRODUCER_ONLY & config.keys()
