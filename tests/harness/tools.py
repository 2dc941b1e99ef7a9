"""Kafka's own tools, as an administrator runs them; and a Postgres that speaks TLS."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from outbox_worker.local import jars
from tests.harness.brokers import require_java

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GROUPS: Final = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
"""What `kafka-consumer-groups.sh` runs."""

SCRIPTS: Final[Mapping[str, str]] = {
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
}
"""By the name of a script the class that it runs."""

ARTIFACT: Final = f"org.apache.kafka:kafka-tools:{jars.VERSION}"
POSTGRES: Final = "18.4.0"
MACHINES: Final[Mapping[str, str]] = {"x86_64": "amd64", "aarch64": "arm64v8", "arm64": "arm64v8"}
"""How an artifact of Postgres names a machine."""

FLAGS: Final = ("-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
RUN_S: Final = 300.0


def describe_group(bootstrap: str, group: str) -> list[dict[str, str]]:
    """The table of `kafka-consumer-groups.sh --describe`, each line by its column's name."""
    require_java()
    question = ("--bootstrap-server", bootstrap, "--describe", "--group", group)
    done = subprocess.run(
        ["java", *FLAGS, "-cp", _path(), GROUPS, *question],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    head = next(n for n, words in enumerate(lines) if "LAG" in words)
    return [dict(zip(lines[head], words, strict=True)) for words in lines[head + 1 :]]


def scripts(folder: Path) -> Path:
    """A folder within `folder` with the tools of `SCRIPTS`, for the PATH."""
    require_java()
    made = folder / "bin"
    made.mkdir()
    for name, tool in SCRIPTS.items():
        order = shlex.join(["java", *FLAGS, "-cp", _path(), tool])
        script = made / name
        script.write_text(f'#!/bin/sh\nexec {order} "$@"\n')
        script.chmod(0o755)
    return made


def postgres_with_tls() -> Path:
    """The folder of the programs of a Postgres that was built with OpenSSL: the wheel's was not."""
    require_java()
    system, machine = platform.system().lower(), platform.machine()
    built = f"embedded-postgres-binaries-{system}-{MACHINES[machine]}"
    artifact = f"io.zonky.test.postgres:{built}:{POSTGRES}"
    return _fetch(artifact, f"postgres-tls-{POSTGRES}", _unpack_postgres) / "bin"


def _unpack_postgres(folder: Path) -> None:
    """The archive in the only jar of the folder."""
    (jar,) = folder.glob("*.jar")
    with zipfile.ZipFile(jar) as parts:
        (name,) = (each for each in parts.namelist() if each.endswith(".txz"))
        with parts.open(name) as packed, tarfile.open(fileobj=packed, mode="r|xz") as archive:
            archive.extractall(folder, filter="data")
    jar.unlink()


def _path() -> str:
    """The class path: the tools stand on the broker's own jars."""
    tools = _fetch(ARTIFACT, f"kafka-tools-{jars.VERSION}", lambda _: None)
    return os.pathsep.join(f"{folder}{os.sep}*" for folder in (tools, jars.fetch()))


def _fetch(artifact: str, name: str, unpack: Callable[[Path], None]) -> Path:
    """The folder of an artifact of Maven, kept under this name beside the broker's jars."""
    place = jars.fetch().with_name(name)
    if place.is_dir():
        return place
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="fetching-") as scratch:
        found = Path(scratch) / name
        order = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}"]
        subprocess.run(
            [*order, f"-DoutputDirectory={found}"],
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=RUN_S,
        )
        unpack(found)
        try:
            found.rename(place)
        except OSError:
            # Another test process was first.
            if not place.is_dir():
                raise
    return place
