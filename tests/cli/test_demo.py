"""`outbox-worker demo` shows the whole way, and ends by itself."""

from __future__ import annotations

import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from outbox_worker.application.demo import Story
from outbox_worker.demo.verdict import Verdict
from outbox_worker.kafka.subscribe import Event
from outbox_worker.reconcile.verify import Report
from outbox_worker.stores.verify import TopicVerdict
from tests.cli.conftest import run_command
from tests.harness.waiting import patient, wait_until
from tests.harness.workers import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Callable

SUMMARY = (
    "commands submitted 57  succeeded 55  rejected 2  rolled back 5 (0 of them came out)\n"
    "written 56  published 56  lost 0  duplicated 0  out of order 0\n"
)
OF_THE_BATCH = (
    *["els.essay.slot.assigned.v1"] * 5,
    "batch.content.provisioning.completed.v1",
    "els.batch.validation.errors.v1",
    "els.excess.content.provisioned.v1",
    "class.student.associations.confirmed.v1",
    "els.batch.essays.ready.v1",
)
MARK = "OF_THE_DEMONSTRATION"
RUN_S = 160


def run_demo(
    settings: dict[str, str], use: Callable[[dict[str, str]], None], **more: str
) -> subprocess.CompletedProcess[str]:
    """Run it with `--keep`, `use` the settings that it prints, and end it by Ctrl-C.

    Nothing that it started is there any more then.
    """
    mark = str(uuid4())
    with subprocess.Popen(
        [COMMAND, "demo", "--keep"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(settings), MARK: mark, **more},
    ) as demo:
        try:
            assert demo.stdout is not None
            output = read_until(demo.stdout, "export OUTBOX_KAFKA_BOOTSTRAP_SERVERS=")
            assert len(processes_with(f"{MARK}={mark}")) > 1
            shown = re.findall(r"^export OUTBOX_(\w+)='?([^'\n]*)'?$", output, re.MULTILINE)
            use({name.lower(): value for name, value in shown})
            demo.send_signal(signal.SIGINT)
            rest, errors = demo.communicate(timeout=patient(RUN_S))
        finally:
            demo.kill()
    assert processes_with(f"{MARK}={mark}") == []
    return subprocess.CompletedProcess(demo.args, demo.returncode, output + rest, errors)


def processes_with(variable: str) -> list[str]:
    """Processes that have the variable in their environment, as all have that the demo starts."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (place / "environ").read_bytes():
                found.append((place / "cmdline").read_bytes().decode())
        except OSError:  # gone meanwhile, or somebody else's
            continue
    return found


def rows(output: str, pattern: str) -> list[str]:
    """The lines of the tables that match, without the blanks between the columns."""
    lines = (re.sub(" {2,}", "  ", line).strip() for line in output.splitlines())
    return [line for line in lines if re.fullmatch(pattern, line)]


def assert_class(output: str) -> None:
    """The first result of a command stands, the bad ones are named, the roster is read."""
    (first,) = rows(output, r"CreateStudent \w+ \w+  succeeded  .+")
    (again,) = rows(output, r"again, same command_id  succeeded  .+")
    assert first.rpartition("  ")[2] == again.rpartition("  ")[2]
    assert rows(output, r"CreateStudent, e-mail taken  rejected  DUPLICATE_EMAIL: .+")
    assert rows(output, r"CreateClass 9Z, no such course  rejected  COURSE_NOT_FOUND: .+")
    assert "domain.roster, the first 3 of 43 rows" in output
    assert len(rows(output, r"\S+  class\.created\.v1  class_designation 5A, .+")) == 1
    assert len(rows(output, r"\S+  class\.student\.created\.v1  legal_full_name .+")) == 3
    assert len(rows(output, r"\S+  command\.rejected\.v1  .+")) == 2


def assert_batch(output: str) -> None:
    """It filled up, and its events came in order."""
    assert (
        len(rows(output, r"ProvisionContent essay-[12]\.docx  succeeded  status pending, .+")) == 2
    )
    once, twice = rows(output, r"ProvisionContent essay-4\.docx  succeeded  status assigned, .+")
    assert "created yes" in once
    assert twice == once.replace("created yes", "created no")
    assert rows(output, r"ProvisionContent essay-7\.docx  .+  status excess, .+NO_AVAILABLE_SLOT")
    assert rows(output, r"ConfirmAssociations  succeeded  decided 5, completed yes")
    assert len(rows(output, r"\d  \S+  essay-\d\.docx  assigned  \w+ \w+")) == 5
    assert rows(output, r"5  \S+  essay-5\.docx  failed EMPTY_CONTENT")
    events = rows(output.partition("Events of the batch")[2], r"[\d:.]{12}  .+")
    assert [event.split("  ")[1] for event in events] == [*OF_THE_BATCH]


@pytest.mark.slow
def test_demo_ends_with_nothing_lost_though_a_worker_is_killed(
    kafka_bootstrap_servers: str,
) -> None:
    def publish_on(shown: dict[str, str]) -> None:
        """A worker that is started by hand continues where the demonstration ended."""
        topic = f"{shown['group']}.orders"
        with psycopg.connect(shown["database_url"], autocommit=True) as link:
            link.execute("SELECT outbox.publish(%s, 'k', 't', '{}'::jsonb)", (topic,))
        started = {**shown, "create_topics": "1:1", "http_address": ""}
        with subprocess.Popen([COMMAND, "run"], env=environment(started)) as worker:
            try:
                tail = ("tail", topic, "--from-beginning", "--max", "1")
                wait_until(
                    lambda: run_command(*tail, **shown).returncode == 0, 60, "the event is read"
                )
            finally:
                worker.terminate()

    done = run_demo({"local_kafka": kafka_bootstrap_servers}, publish_on)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_class(done.stdout)
    assert_batch(done.stdout)
    assert re.search(r"worker \d+ is killed \(SIGKILL\)", done.stdout)
    assert "Another worker takes over" in done.stdout
    assert SUMMARY in done.stdout
    assert done.stderr == ""


def read_until(stream: IO[str], begin: str) -> str:
    """What comes, up to the line that begins so."""
    text = ""
    for line in stream:
        text += line
        if line.startswith(begin):
            return text
    raise AssertionError(f"no line begins with {begin}: {text}")


@pytest.mark.slow
def test_demo_without_a_broker_says_that_the_guarantee_is_not_shown() -> None:
    def look(shown: dict[str, str]) -> None:
        # Servers of its own: a worker that is started by hand needs nothing else to continue.
        assert shown.keys() == {"database_url", "kafka_bootstrap_servers"}
        with psycopg.connect(shown["database_url"]) as link:
            assert link.execute("SELECT count(*) > 50 FROM outbox.event").fetchone() == (True,)

    done = run_demo({}, look, PATH="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT the guarantee" in done.stdout
    assert "No worker is killed" in done.stdout
    assert_class(done.stdout)
    assert_batch(done.stdout)
    assert SUMMARY in done.stdout
    assert "This was a mock cluster: the flow was shown, the guarantee was not" in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
def test_demo_without_an_application_tells_of_events_alone() -> None:
    def look(shown: dict[str, str]) -> None:
        with psycopg.connect(shown["database_url"]) as link:
            assert link.execute("SELECT to_regnamespace('school')").fetchone() == (None,)

    done = run_demo({"application": ""}, look, PATH="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rows(done.stdout, r"\S+  order\.placed\.v1  order \d+, amount \d+")) == 5
    assert "written 180  published 180  lost 0  duplicated 0  out of order 0\n" in done.stdout
    assert "commands" not in done.stdout
    assert "school" not in done.stdout
    assert done.stderr == ""


EVENTS = 16
COMMANDS = {"succeeded": 14, "rejected": 2}
FAULTS = ("waiting", "gone", "lost", "duplicated", "out_of_order", "strangers")
EVENT = Event("t", 0, 0, "k", {}, None, is_json=False)
RIGHT = Verdict(
    story=Story(COMMANDS, EVENTS),
    report=Report([TopicVerdict("t", EVENTS, EVENTS, 0, 0, 0, 0, 0, 0)], EVENTS, 0),
    commands=COMMANDS,
    events=[EVENT] * EVENTS,
    came_out=0,
)


def report(field: str, count: int) -> Report:
    """A report that differs in one count from one in which everything is right."""
    counts = {**dict.fromkeys(FAULTS, 0), "events": EVENTS, "found": EVENTS, field: count}
    return Report([TopicVerdict("t", **counts)], EVENTS, 0)


def test_the_verdict_is_right_where_each_command_and_each_event_was_there_once() -> None:
    assert RIGHT.is_right


@pytest.mark.parametrize(
    "wrong",
    [
        replace(RIGHT, report=report("lost", 1)),
        replace(RIGHT, report=report("duplicated", 1)),
        replace(RIGHT, report=report("out_of_order", 1)),
        replace(RIGHT, report=report("strangers", 1)),
        replace(RIGHT, report=report("found", EVENTS - 1)),
        replace(RIGHT, events=RIGHT.events[1:]),
        replace(RIGHT, came_out=1),
        replace(RIGHT, commands={**RIGHT.commands, "queued": 1}),
        replace(RIGHT, commands={**RIGHT.commands, "rejected": 3}),
        # A command that was executed twice tells one event more.
        replace(
            RIGHT,
            report=Report([TopicVerdict("t", EVENTS + 1, EVENTS + 1, *[0] * 6)], EVENTS + 1, 0),
            events=[EVENT] * (EVENTS + 1),
        ),
    ],
)
def test_the_verdict_is_wrong_where(wrong: Verdict) -> None:
    assert not wrong.is_right
