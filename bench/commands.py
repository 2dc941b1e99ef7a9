"""Commands: how many a second, how soon their result is there, how many statements each takes."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from bench import statements
from bench.figures import Latency
from bench.scene import WAIT_S, wait_for
from outbox_school.stores import student
from outbox_school.stores.student import Person
from outbox_worker.commands.floors import Floors
from outbox_worker.commands.sessions import OPTIONS
from outbox_worker.postgres import database
from outbox_worker.stores import command, event
from outbox_worker.stores.event import Draft

if TYPE_CHECKING:
    from bench.scene import Place
    from outbox_worker.stores import Connection

KEYS: Final = 1_000
CALLERS: Final = 10
"""Callers that each wait for their result: enough for 100 commands a second."""

COUNT: Final = re.compile(r"^outbox_db_statement_seconds_count\{[^}]*\} (\S+)$", re.MULTILINE)
POLL_S: Final = 0.001

EVENT: Final = json.dumps({"text": "x" * 380}).encode()
RESULT: Final = json.dumps({"student_id": "x" * 36})
"""What a bare loop writes: as long as what the domain does."""


def measure_rate(place: Place, commands: int) -> float:
    """Commands a second of one process, from the first that is claimed until none is queued."""
    with place.connect() as link:
        link.execute(statements.load("fill_commands"), {"commands": commands, "keys": KEYS})
        with place.worker("commands", role="commands"):
            wait_for(lambda: _queued(link) < commands, "the first command")
            began, left = time.perf_counter(), _queued(link)
            wait_for(lambda: _queued(link) == 0, "all commands", WAIT_S)
            taken = time.perf_counter() - began
        rejected = _count(link, "count_rejected")
        if rejected:
            raise RuntimeError(f"{rejected} commands were rejected")
        return left / taken


def measure_bare(place: Place, commands: int) -> float:
    """The same statements by as many threads of psycopg, and nothing around them."""
    with place.connect() as link:
        link.execute(statements.load("fill_commands"), {"commands": commands, "keys": KEYS})
    threads = place.settings.command_threads
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(_repeat, [place] * threads))
    if done != commands:
        raise RuntimeError(f"{done} of {commands} commands were found")
    return commands / (time.perf_counter() - began)


def _repeat(place: Place) -> int:
    """Claim, insert, tell and finish until no command is left; how many those were."""
    done, after, floors = 0, "", Floors()
    with database.connect(place.url, application="bench", options=OPTIONS) as link:
        while True:
            with link.transaction():
                found = command.claim_commands(link, floors.way(after), 1)
                if not found:
                    return done
                (claimed,) = found
                name = str(claimed.command_id)
                person = Person("Student", name, f"Student {name}", f"{name}@school.example")
                student.insert_student(link, claimed.command_id, claimed.actor, person)
                event.insert_event(link, Draft("bench.bare", claimed.key, "bare.v1", EVENT, name))
                command.finish_command(link, claimed.command_id, "succeeded", RESULT)
                done, after = done + 1, claimed.key


def _queued(link: Connection) -> int:
    return _count(link, "count_queued")


def _count(link: Connection, name: str) -> int:
    row = link.execute(statements.load(name)).fetchone()
    return int(row[0]) if row else 0


def measure_latency(place: Place, rate: int, seconds: int) -> Latency:
    """Milliseconds from the call of submit() to the result, seen by the caller who asks for it."""
    with place.worker("latency", role="all") as worker:
        worker.wait_for_shards()
        with ThreadPoolExecutor(CALLERS) as pool:
            futures = [pool.submit(_call, place, n, rate, seconds) for n in range(CALLERS)]
            found = [each for future in futures for each in future.result()]
    return Latency.of(found)


def _call(place: Place, caller: int, rate: int, seconds: int) -> list[float]:
    """One command after the other, each at its moment."""
    taken, pause = [], threading.Event()
    interval = CALLERS / rate
    with place.connect() as link:
        first = time.perf_counter() + 1 + caller * interval / CALLERS
        for number in range(int(seconds / interval)):
            pause.wait(max(0.0, first + number * interval - time.perf_counter()))
            began = time.perf_counter()
            parameters = {"key": f"caller-{caller}-{number}", "name": f"n{number}"}
            row = link.execute(statements.load("submit"), parameters).fetchone()
            asked = {"command_id": row and row[0]}
            while link.execute(statements.load("find_result"), asked).fetchone() == ("queued",):
                pause.wait(POLL_S)
            taken.append((time.perf_counter() - began) * 1000)
    return taken


def count_statements(place: Place, commands: int, address: str) -> float:
    """Statements with a name for one command; beside them a transaction and a savepoint."""
    with place.connect() as link:
        link.execute(statements.load("fill_commands"), {"commands": commands, "keys": KEYS})
        with place.worker("statements", role="commands", http_address=address):
            wait_for(lambda: _queued(link) == 0, "all commands", WAIT_S)
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
                text = answer.read().decode()
    return sum(float(each) for each in COUNT.findall(text)) / commands
