"""Worker processes: the installed command, its log in a file, signals, exit code."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.parser import text_string_to_metric_families

from outbox_worker.local.guard import Guard
from tests.harness.waiting import patient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
COMMAND: Final = str(Path(sys.executable).parent / "outbox-worker")

STOP_S: Final = 5.0
"""The contract's time from SIGTERM to exit; tests/cli/test_signals.py holds workers to it."""

END_S: Final = 60.0
HTTP_S: Final = patient(20)

ANSWERLESS: Final = 3
"""Exit code of a worker that Postgres or Kafka did not answer, or refused, when it started."""

RESTARTS: Final = 2


@cache
def guard() -> Guard:
    """Ends the workers that a test run leaves behind when it is killed."""
    found = Guard()
    atexit.register(found.close)
    return found


class Worker:
    """One process that was started for a test, and goes with the test run."""

    def __init__(self, name: str, log: Path, arguments: Sequence[str], **settings: str) -> None:
        """Start it. `settings` are the OUTBOX_ variables without their prefix, in lower case."""
        self.name = name
        self.log = log
        self.http_address = settings.get("http_address", "")
        self.database_url = settings.get("database_url", "")
        self.told: set[signal.Signals] = set()
        self._arguments = arguments
        self._settings = settings
        self._restarts = RESTARTS
        self.process = self._launch()

    def _launch(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as sink:
            process = subprocess.Popen(
                self._arguments,
                cwd=ROOT,
                env=environment(self._settings),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        # One that is stopped hears of no other signal.
        guard().watch(process.pid, signal.SIGKILL)
        return process

    def supervise(self) -> None:
        """Start it again, as a supervisor would, where no server answered it in time at its start.

        Nothing else is excused: neither another end nor one after it has said `started`. What
        the process said before is printed, and its log begins anew.
        """
        if self.process.poll() != ANSWERLESS or not self._restarts or self.said("started"):
            return
        self._restarts -= 1
        guard().forget(self.process.pid)
        said = self.log.read_text(encoding="utf-8", errors="replace")
        sys.stdout.write(f"--- {self.name} is started again; it had said:\n{said}\n")
        self.log.write_bytes(b"")
        self.process = self._launch()

    @property
    def alive(self) -> bool:
        """Whether the process is there (it may be stopped)."""
        return self.process.poll() is None

    @property
    def ended_as_asked(self) -> bool:
        """Whether it runs, or has ended in a way in which the test had it end."""
        match self.process.poll():
            case None:
                return True
            case 0:
                return bool(self.told & {signal.SIGTERM, signal.SIGINT})
            case code if code == -signal.SIGKILL:
                # At a kill point it is its own hand.
                return signal.SIGKILL in self.told or self.said("killed")
            case _:
                return False

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.told.add(number)
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.tell(signal.SIGKILL)
        self.await_end()

    def pause(self) -> None:
        """SIGSTOP."""
        self.tell(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.tell(signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM."""
        self.tell(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, and wait; returns the exit code."""
        self.terminate()
        return self.await_end()

    def end(self) -> None:
        """See that it is gone. Where it still runs, its log tells what its threads were doing."""
        if self.alive:
            self.resume()
            self.tell(signal.SIGABRT)
        self.await_end()

    def await_end(self) -> int:
        """Wait until it is gone, which may take long on a busy machine; returns the exit code."""
        code = self.process.wait(patient(END_S))
        guard().forget(self.process.pid)
        return code

    def lines(self) -> list[dict[str, Any]]:
        """What it logged so far, line by line; text that is not JSON as `{"event": text}`."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return [_line(line) for line in text.splitlines()]

    def said(self, event: str, **fields: object) -> bool:
        """Whether a log line has this event and these fields."""
        return any(
            line.get("event") == event
            and all(line.get(name) == value for name, value in fields.items())
            for line in self.lines()
        )

    @property
    def shards(self) -> frozenset[int]:
        """The shards that it last said are its own."""
        owned: frozenset[int] = frozenset()
        for line in self.lines():
            if line.get("event") == "shards_assigned":
                owned = frozenset(line["shards"])
            elif line.get("event") == "no_shards":
                owned = frozenset()
        return owned

    def ready(self) -> tuple[int, str]:
        """Status and body of `/readyz`; 0 where nobody answers."""
        return self._ask("/readyz")

    def live(self) -> tuple[int, str]:
        """Status and body of `/livez`; 0 where nobody answers."""
        return self._ask("/livez")

    def metrics(self) -> Metrics:
        """What `/metrics` shows now; nothing where nobody answers."""
        return Metrics(self._ask("/metrics")[1])

    def _ask(self, path: str) -> tuple[int, str]:
        request = f"http://{self.http_address}{path}"
        try:
            with urllib.request.urlopen(request, timeout=HTTP_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


class Metrics:
    """One scrape."""

    def __init__(self, text: str) -> None:
        """Take what `/metrics` said."""
        families = list(text_string_to_metric_families(text))
        self.names = {family.name for family in families}
        self.samples = [sample for family in families for sample in family.samples]

    def __bool__(self) -> bool:
        """Whether anything was shown."""
        return bool(self.samples)

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; 0 where there is none."""
        wanted = labels.items()
        return sum(
            each.value
            for each in self.samples
            if each.name == name and wanted <= each.labels.items()
        )


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Our environment with these settings, and no other settings of the worker."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OUTBOX_")}
    ours = {f"OUTBOX_{name.upper()}": value for name, value in settings.items()}
    return kept | ours | {"PYTHONFAULTHANDLER": "1"}


def _line(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {"event": text}
    return found if isinstance(found, dict) else {"event": text}
