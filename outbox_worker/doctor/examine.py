"""All checks made within a bounded time, whatever the servers do.

Three lanes run side by side: the checks of Postgres, those of Kafka, and those that need both,
which begin once both servers were reached. A lane is a daemon thread: one that hangs in a client
library is left behind, its check fails, and what it did not come to is skipped.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg
import structlog
from confluent_kafka import KafkaError, KafkaException

from outbox_worker.doctor import faults, reach
from outbox_worker.doctor.check import Check, Needs
from outbox_worker.doctor.checks import CHECKS, KAFKA, POSTGRES
from outbox_worker.doctor.finding import Finding, Level, failed, skipped
from outbox_worker.errors import OutboxError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from outbox_worker.doctor.servers import Servers

TOTAL_S: Final = 12.0
"""For all checks: with the start of the program the answer is there within 15 s."""

CLOSE_S: Final = 0.5
"""How long a lane may take to close its connection."""

PASSING: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
"""By these a broker says that it has just taken a group over, or is about to."""

LOOK_AGAIN_S: Final = 1.0

log = structlog.get_logger("doctor")


@dataclass(frozen=True, slots=True)
class Result:
    """A check, and what it found."""

    check: Check
    finding: Finding


@dataclass(slots=True)
class Board:
    """Where the lanes write down what they find. Safe in threads."""

    checks: Sequence[Check]
    findings: dict[str, Finding] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)
    reached: dict[Needs, Servers | None] = field(default_factory=dict)
    """By server what the lane of both may use; None where the server cannot be reached."""
    wrong: SettingsError | None = None
    over: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.wrong is not None or all(each.name in self.findings for each in self.checks)

    def begin(self, check: Check) -> bool:
        """Note that a check is under way; False where nobody waits for it any more."""
        with self.changed:
            self.begun[check.name] = time.monotonic()
            return not self.over

    def note(self, check: Check, finding: Finding) -> None:
        """Write down what a check found."""
        with self.changed:
            self.findings[check.name] = finding
            self.changed.notify_all()

    def skip(self, check: Check) -> None:
        """A check that cannot be made."""
        with self.changed:
            self.note(check, self._unmade(check))

    def open(self, needs: Needs, servers: Servers | None) -> None:
        """A server was reached, or not."""
        with self.changed:
            self.reached[needs] = servers
            self.changed.notify_all()

    def give_up(self, error: SettingsError) -> None:
        """The settings are wrong: there is nothing to look at."""
        with self.changed:
            self.wrong = error
            self.changed.notify_all()

    def wait(self, seconds: float, is_it: Callable[[], bool]) -> None:
        """Return when `is_it`, which may look at this board, or when the time is over."""
        with self.changed:
            self.changed.wait_for(is_it, seconds)

    def close(self) -> list[Result]:
        """What was found, with a word about each check that was not made; `SettingsError`."""
        with self.changed:
            if self.wrong is not None:
                raise self.wrong
            self.over = True
            return [
                Result(check, self.findings.get(check.name) or self._unmade(check))
                for check in self.checks
            ]

    def _unmade(self, check: Check) -> Finding:
        begun = self.begun.get(check.name)
        if begun is not None:
            return faults.silent(check.needs, time.monotonic() - begun)
        absent = [
            each.value
            for each in (Needs.POSTGRES, Needs.KAFKA)
            if check.needs in {each, Needs.BOTH} and self.reached.get(each) is None
        ]
        if check.needs is Needs.BOTH and not absent and Needs.BOTH not in self.reached:
            return skipped("not seen: the database gave no second connection")
        if absent:
            return skipped(f"not seen: {' and '.join(absent)} cannot be asked")
        return skipped("not seen: no time was left after the checks before it")


def examine(
    servers: Servers, checks: Sequence[Check] = CHECKS, seconds: float = TOTAL_S
) -> list[Result]:
    """What each check found, in this order, after `seconds` at the latest.

    Raises `SettingsError` where the settings lead nowhere, whatever the servers do.
    """
    board = Board(checks)
    lanes = [
        threading.Thread(target=lane, args=(board, servers), name="doctor", daemon=True)
        for needs, lane in LANES.items()
        if any(each.needs in {needs, Needs.BOTH} for each in checks)
    ]
    for lane in lanes:
        lane.start()
    board.wait(seconds, lambda: board.is_done)
    if board.is_done:
        for lane in lanes:
            lane.join(CLOSE_S)
    return board.close()


def _ask_postgres(board: Board, servers: Servers) -> None:
    _reach(board, POSTGRES, partial(reach.with_postgres, servers))
    _make(board, Needs.POSTGRES)
    _close(board.reached.get(Needs.POSTGRES))


def _ask_kafka(board: Board, servers: Servers) -> None:
    _reach(board, KAFKA, partial(reach.with_kafka, servers))
    _make(board, Needs.KAFKA)


def _ask_both(board: Board, servers: Servers) -> None:
    wanted = (Needs.POSTGRES, Needs.KAFKA)
    board.wait(TOTAL_S, lambda: all(each in board.reached for each in wanted))
    theirs = board.reached.get(Needs.KAFKA)
    if board.reached.get(Needs.POSTGRES) is not None and theirs is not None:
        # A connection of its own: calls on one wait for each other.
        with contextlib.suppress(OutboxError):
            own = reach.with_postgres(servers)
            board.open(Needs.BOTH, replace(own, kafka=theirs.kafka))
    _make(board, Needs.BOTH)
    _close(board.reached.get(Needs.BOTH))


def _close(servers: Servers | None) -> None:
    if servers is not None:
        servers.postgres.close()


LANES: Final[Mapping[Needs, Callable[[Board, Servers], None]]] = {
    Needs.POSTGRES: _ask_postgres,
    Needs.KAFKA: _ask_kafka,
    Needs.BOTH: _ask_both,
}


def _reach(board: Board, check: Check, reach_it: Callable[[], Servers]) -> None:
    """Find out whether a server answers, and have `board` know."""
    board.begin(check)
    try:
        found = reach_it()
    except SettingsError as error:
        board.give_up(error)
        return
    except OutboxError as error:
        board.note(check, faults.finding_of(error, check))
        board.open(check.needs, None)
        return
    finding = _look(check, found)
    board.note(check, finding)
    board.open(check.needs, None if finding.level is Level.FAIL else found)


def _make(board: Board, needs: Needs) -> None:
    """Make the checks of a lane, one after the other."""
    servers = board.reached.get(needs)
    for check in board.checks:
        if check.needs is not needs or check in {POSTGRES, KAFKA}:
            continue
        if servers is None:
            board.skip(check)
        elif board.begin(check):
            board.note(check, _look(check, servers))


def _look(check: Check, servers: Servers) -> Finding:
    try:
        try:
            return check.look(servers)
        except KafkaException as error:
            if error.args[0].code() not in PASSING:
                raise
            threading.Event().wait(LOOK_AGAIN_S)  # nobody tells when a coordinator is there
            return check.look(servers)
    except (OutboxError, psycopg.Error, KafkaException, TimeoutError) as error:
        return faults.finding_of(error, check)
    except Exception as error:  # a fault of ours must not keep the other checks from being seen
        log.exception("doctor_check_failed", check=check.name)
        return failed(
            f"the check itself ended with {type(error).__name__}",
            "Report it, with the lines of the log; all other checks stand",
        )
