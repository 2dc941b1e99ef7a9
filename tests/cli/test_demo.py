"""`outbox-worker demo` shows the whole way, and ends by itself."""

from __future__ import annotations

import subprocess

import pytest

from tests.harness.workers import COMMAND, environment

SUMMARY = "written 543  published 543  lost 0  duplicated 0  out of order 0"


def run_demo(settings: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "demo"],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
        env={**environment(settings), **more},
    )


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_demo_ends_with_nothing_lost_though_a_worker_is_killed(
    kafka_bootstrap_servers: str,
) -> None:
    done = run_demo({"local_kafka": kafka_bootstrap_servers})
    assert done.returncode == 0, done.stdout + done.stderr
    assert SUMMARY in done.stdout
    assert "is killed" in done.stdout
    assert "(tombstone)" in done.stdout
    assert "59 transactions rolled back: 0 of their events came out" in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_demo_without_a_broker_says_that_the_guarantee_is_not_shown() -> None:
    done = run_demo({}, PATH="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT the guarantee" in done.stdout
    assert "This was a mock cluster" in done.stdout
    assert SUMMARY in done.stdout
    assert done.stderr == ""
