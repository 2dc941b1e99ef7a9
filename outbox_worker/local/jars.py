"""The Kafka broker's jars, fetched once by Maven and kept in the user's cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from outbox_worker.errors import ServerError

VERSION: Final = "4.1.0"
"""Apache Kafka as in docker-compose.yml: the broker that the guarantee was proven on."""

POM: Final = """<project>
<modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{version}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
<version>2.17.2</version></dependency>
</dependencies></project>
"""

OLDEST_JAVA: Final = 17
"""Kafka 4 runs on no older one."""

INSTALL_JAVA: Final = (
    "Install Java 17 and Maven (Debian: apt-get install openjdk-17-jre-headless maven; "
    "macOS: brew install openjdk@17 maven)"
)
INSTALL: Final = f"{INSTALL_JAVA}, or Docker, or name a broker in OUTBOX_LOCAL_KAFKA"


def have_java() -> bool:
    """Whether Java, new enough, and Maven are here."""
    return not _lack()


def need_java() -> None:
    """`ServerError` with what to install where Java or Maven is missing or too old."""
    if lack := _lack():
        raise ServerError(
            "A Kafka broker of our own, which can be stopped and cut off, needs Java 17 or newer "
            f"with Maven; here is {lack}",
            INSTALL_JAVA,
        )


def _lack() -> str:
    """What keeps a broker from running here; empty where nothing does."""
    version = _java_version()
    if version is None:
        return "no Java"
    if version < OLDEST_JAVA:
        return f"Java {version}"
    return "" if shutil.which("mvn") else "no Maven"


def _java_version() -> int | None:
    """The feature release of the first Java in the PATH; None where there is none that runs."""
    if shutil.which("java") is None:
        return None
    done = subprocess.run(
        ["java", "-version"], check=False, capture_output=True, text=True, errors="replace"
    )
    # Up to Java 8 they were called 1.8 and so on.
    found = re.search(r'version "(?:1\.)?(\d+)', done.stdout + done.stderr)
    return int(found[1]) if found else None


def fetch(version: str = VERSION) -> Path:
    """The directory of the jars of a release of Kafka; fetched first where it is missing (seconds).

    Two programs at once do no harm: each fetches into a directory of its own, and
    the first to end puts it in its place.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(home) / "outbox-worker" / f"kafka-{version}"
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="fetching-") as scratch:
        jars = Path(scratch) / "jars"
        (Path(scratch) / "pom.xml").write_text(POM.format(version=version))
        order = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        done = subprocess.run(
            order,
            cwd=scratch,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode or not jars.is_dir():
            words = done.stdout.decode(errors="replace")[-2000:]
            raise ServerError(f"Maven did not fetch Kafka {version}: {words}", INSTALL)
        try:
            jars.rename(place)
        except OSError:
            # Another program was first.
            if not place.is_dir():
                raise
    return place
