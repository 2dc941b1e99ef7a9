"""Kafka's own tools, as an administrator runs them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from outbox_worker.local import jars
from tests.harness.brokers import require_java

GROUPS: Final = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
"""What `kafka-consumer-groups.sh` runs."""

ARTIFACT: Final = f"org.apache.kafka:kafka-tools:{jars.VERSION}"
RUN_S: Final = 300.0


def describe_group(bootstrap: str, group: str) -> list[dict[str, str]]:
    """The table of `kafka-consumer-groups.sh --describe`, each line by its column's name."""
    require_java()
    # The tools stand on the broker's own jars.
    path = os.pathsep.join(f"{folder}{os.sep}*" for folder in (_fetch(), jars.fetch()))
    flags = ("-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
    question = ("--bootstrap-server", bootstrap, "--describe", "--group", group)
    done = subprocess.run(
        ["java", *flags, "-cp", path, GROUPS, *question],
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


def _fetch() -> Path:
    """The folder of the tools, kept beside the broker's."""
    place = jars.fetch().with_name(f"kafka-tools-{jars.VERSION}")
    if place.is_dir():
        return place
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="fetching-") as scratch:
        found = Path(scratch) / "tools"
        order = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}"]
        subprocess.run(
            [*order, f"-DoutputDirectory={found}"],
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=RUN_S,
        )
        try:
            found.rename(place)
        except OSError:
            # Another test process was first.
            if not place.is_dir():
                raise
    return place
