"""Processes are killed at random: each command is executed once, through to a subscriber."""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.commands.inbox import SUBMIT, TEACHER
from tests.harness.cluster import Cluster, showing_logs
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from pathlib import Path

SEED: Final = 20_261_125
SUBMITTERS: Final = 3
KILLS: Final = 8
KILL_EVERY_S: Final = (1.0, 2.5)
STUDENTS: Final = 60
"""Of each submitter. A student is one key: created, then renamed in order."""

EVENTS: Final = ("class.student.created.v1", "class.student.updated.v1", "command.rejected.v1")
FINISH_S: Final = 90.0
WORK_S: Final = patient(60)

LEFT: Final = "SELECT count(*) FROM outbox.command WHERE status = 'queued'"
COMMANDS: Final = """
    SELECT command_id, key, type, status, result, error ->> 'code', failures
    FROM outbox.command ORDER BY seq"""
TOLD: Final = """
    SELECT type, headers ->> 'correlation-id', convert_from(payload, 'UTF8')::jsonb
    FROM outbox.event ORDER BY id"""
NAMES: Final = "SELECT student_id::text, last_name FROM school.student"


class Submitter:
    """Creates and renames students, repeats ids, and asks for what will be refused."""

    def __init__(self, url: str, number: int, over: threading.Event) -> None:
        self._url = url
        self._random = random.Random(SEED + number)
        self._over = over
        self._students = [str(self._uuid()) for _ in range(STUDENTS)]
        self._renames: Counter[str] = Counter()
        self._sent: list[dict[str, Any]] = []
        self.last_names: dict[str, str] = {}

    def run(self) -> list[dict[str, Any]]:
        """Submit until it is over; every command with its id, once each."""
        with psycopg.connect(self._url, autocommit=True) as link:
            for student in self._students:
                self._send(link, student, "CreateStudent", _named(student, "n0"))
                self.last_names[student] = "n0"
            while not self._over.wait(0.002):
                self._step(link)
        return self._sent

    def _step(self, link: psycopg.Connection[Any]) -> None:
        student = self._random.choice(self._students)
        match self._random.randrange(6):
            case 0:
                # A retry of a submitter that did not hear that it was heard.
                link.execute(SUBMIT, self._random.choice(self._sent))
            case 1:
                # There is a student of this id already.
                self._send(link, student, "CreateStudent", _named(student, "never"))
            case _:
                self._renames[student] += 1
                name = f"n{self._renames[student]}"
                change = {"student_id": student, "last_name": name}
                self._send(link, student, "UpdateStudent", change)
                self.last_names[student] = name

    def _send(self, link: psycopg.Connection[Any], key: str, kind: str, payload: object) -> None:
        order = {
            "type": kind,
            "key": key,
            "payload": json.dumps(payload),
            "actor": TEACHER,
            "command_id": self._uuid(),
            "correlation_id": None,
        }
        link.execute(SUBMIT, order)
        self._sent.append(order)
        if self._random.random() < 0.1:
            link.execute(SUBMIT, order)

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128), version=4)


def _named(student: str, name: str) -> dict[str, str]:
    return {"student_id": student, "first_name": "Ada", "last_name": name}


def read(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as link:
        return link.execute(statement.encode()).fetchall()


def kill_and_replace(cluster: Cluster, rng: random.Random) -> None:
    """One worker after the other dies, and another one takes its place."""
    pause = threading.Event()
    for _ in range(KILLS):
        pause.wait(rng.uniform(*KILL_EVERY_S))
        rng.choice(cluster.alive).kill()
        cluster.worker(command_threads="4")


@pytest.mark.slow
@pytest.mark.timeout(patient(600))
def test_each_command_is_executed_once_while_workers_are_killed(
    database: str, kafka_bootstrap_servers: str, tmp_path: Path
) -> None:
    print("seed", SEED)  # noqa: T201  pytest shows it with a failure
    over = threading.Event()
    submitters = [Submitter(database, number, over) for number in range(SUBMITTERS)]
    with (
        showing_logs(Cluster(database, kafka_bootstrap_servers, tmp_path)) as cluster,
        ThreadPoolExecutor(SUBMITTERS) as threads,
    ):
        prefix = f"{cluster.name}."
        cluster.settings["topic_prefix"] = prefix
        cluster.listen_to({f"{prefix}{event}": 3 for event in EVENTS})
        for _ in range(2):
            cluster.worker(command_threads="4")
        cluster.await_shards()
        futures = [threads.submit(each.run) for each in submitters]
        kill_and_replace(cluster, random.Random(SEED))
        over.set()
        sent = {order["command_id"]: order for each in futures for order in each.result(WORK_S)}
        wait_until(lambda: read(database, LEFT) == [(0,)], FINISH_S, "every command is finished")
        # Everything in the table went to the subscriber once, and in order per key.
        rows = cluster.assert_exactly_once(least=1_000)
    commands = read(database, COMMANDS)
    told = read(database, TOLD)
    assert len(rows) == len(told)
    judge_commands(sent, commands)
    judge_events(commands, told)
    names = {student: name for each in submitters for student, name in each.last_names.items()}
    assert dict(read(database, NAMES)) == names


def judge_commands(sent: dict[uuid.UUID, Any], commands: list[tuple[Any, ...]]) -> None:
    """Each was executed, and came out as it had to."""
    assert {row[0] for row in commands} == sent.keys()
    for command_id, key, kind, status, result, code, failures in commands:
        assert failures == 0
        if "never" in sent[command_id]["payload"]:
            assert (kind, status, code) == ("CreateStudent", "rejected", "VALIDATION_ERROR")
        else:
            assert (status, result) == ("succeeded", {"student_id": key})


def judge_events(commands: list[tuple[Any, ...]], told: list[tuple[Any, ...]]) -> None:
    """There is one event for each command, of its kind, and a key's are in its order."""
    kinds = {"CreateStudent": EVENTS[0], "UpdateStudent": EVENTS[1]}
    wanted = [
        (str(row[0]), kinds[row[2]] if row[3] == "succeeded" else EVENTS[2]) for row in commands
    ]
    assert sorted((correlation, kind) for kind, correlation, _ in told) == sorted(wanted)
    places = {correlation: number for number, (_, correlation, _) in enumerate(told)}
    by_key: dict[str, list[int]] = {}
    for command_id, key, *_ in commands:
        by_key.setdefault(key, []).append(places[str(command_id)])
    assert all(found == sorted(found) for found in by_key.values())
