"""The Kafka broker's jars, fetched once by Maven and kept in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from outbox_worker.errors import UnreachableError

VERSION: Final = "4.1.0"
"""Apache Kafka as in docker-compose.yml: the broker that the guarantee was proven on."""

POM: Final = f"""<project>
<modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{VERSION}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
<version>2.17.2</version></dependency>
</dependencies></project>
"""

INSTALL: Final = (
    "Install Java 17 and Maven (Debian: apt-get install openjdk-17-jre-headless maven; "
    "macOS: brew install openjdk@17 maven), or Docker, or name a broker in OUTBOX_LOCAL_KAFKA"
)


def have_java() -> bool:
    """Whether Java and Maven are here."""
    return shutil.which("java") is not None and shutil.which("mvn") is not None


def need_java() -> None:
    """`UnreachableError` with what to install where Java or Maven is missing."""
    if not have_java():
        raise UnreachableError(
            "No local Kafka: neither Java with Maven nor Docker is here", INSTALL
        )


def fetch() -> Path:
    """The directory of the jars; fetched first where it is missing, which takes seconds.

    Two programs at once do no harm: each fetches into a directory of its own, and
    the first to end puts it in its place.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(home) / "outbox-worker" / f"kafka-{VERSION}"
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="fetching-") as scratch:
        jars = Path(scratch) / "jars"
        (Path(scratch) / "pom.xml").write_text(POM)
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
            raise UnreachableError(f"Maven did not fetch Kafka {VERSION}: {words}", INSTALL)
        try:
            jars.rename(place)
        except OSError:
            # Another program was first.
            if not place.is_dir():
                raise
    return place
