"""Kafka's own tools, as an administrator runs them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

from outbox_worker.local import jars
from tests.harness.brokers import require_java

if TYPE_CHECKING:
    from pathlib import Path

GROUPS: Final = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
"""What `kafka-consumer-groups.sh` runs."""

ARTIFACT: Final = f"org.apache.kafka:kafka-tools:{jars.VERSION}"
RUN_S: Final = 300.0


def describe_group(bootstrap: str, group: str, folder: Path) -> list[dict[str, str]]:
    """The table of `kafka-consumer-groups.sh --describe`, each line by its column's name.

    The tool is kept in `folder`.
    """
    require_java()
    if not list(folder.glob("*.jar")):
        fetch = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}"]
        order = [*fetch, f"-DoutputDirectory={folder}"]
        subprocess.run(order, check=True, stdin=subprocess.DEVNULL, timeout=RUN_S)
    # The tools stand on the broker's own jars.
    path = os.pathsep.join([f"{folder}{os.sep}*", f"{jars.fetch()}{os.sep}*"])
    flags = ("-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", f"-Djava.io.tmpdir={folder}")
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
