"""The garbage collector rests while a command starts, and runs again afterwards."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

SCRIPT: Final = """
import gc, importlib
from outbox_worker import cli
from outbox_worker.cli.collector import without_collector

looks = []
gc.collect()
gc.callbacks.append(lambda phase, _: looks.append(phase))
run = cli.group.get_command(None, "run")
with without_collector():
    wiring = importlib.import_module("outbox_worker.wiring")
print("looks", len(looks))
print("on", gc.isenabled())

class Daemon:
    def run(self):
        print("on in the daemon", gc.isenabled())
        print("left alone", gc.get_freeze_count() > len(gc.get_objects()))

wiring.build_daemon = lambda *_: Daemon()
run.main(["--role", "relay"], standalone_mode=False)
"""


def test_what_a_start_makes_is_not_looked_through_then_or_later() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "looks 0",
        "on True",
        "on in the daemon True",
        "left alone True",
    ]
