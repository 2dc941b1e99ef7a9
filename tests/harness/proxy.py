"""A TCP proxy that does to connections what networks do: cuts, delays, silence.

One thread and a selector serve all connections. A cut is a reset, in the middle
of whatever was being sent; one side may hear of it seconds before the other.
"""

from __future__ import annotations

import random
import selectors
import socket
import struct
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from tests.harness.throttle import BURST_S, Throttle

if TYPE_CHECKING:
    from types import TracebackType

Address = tuple[str, int]

CHUNK: Final = 65_536
MOST_PENDING: Final = 1_000_000
"""Bytes held for a side that does not take them; beyond, the other side has to wait."""

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with time 0: closing sends a reset."""

CONNECT_S: Final = 2.0
HALF_DEAD_S: Final = 1.5
"""How much later the second side hears of a cut."""

TICK_S: Final = 0.5
JOIN_S: Final = 60.0


class _Link:
    """One connection through the proxy: two sockets, and what is on its way to each."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.sides = (client, server)
        self.pending: dict[socket.socket, deque[tuple[float, bytes]]] = {
            client: deque(),
            server: deque(),
        }
        self.budget: int | None = None
        self.ending = False
        self.dead_at: float | None = None

    def other(self, side: socket.socket) -> socket.socket:
        client, server = self.sides
        return server if side is client else client

    def waiting(self, side: socket.socket) -> int:
        return sum(len(data) for _, data in self.pending[side])


class Proxy:
    """Forwards to `upstream`. A context manager; faults are switched on and off inside."""

    def __init__(self, upstream: Address, seed: int = 0, port: int = 0) -> None:
        """Listen on `port` of 127.0.0.1 (0: any)."""
        self._upstream = upstream
        self._rng = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(0)
        self._wake_in, self._wake_out = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._links: list[_Link] = []
        self._lock = threading.Lock()
        self._closing = False
        self._silent = False
        self._cut_all = False
        self._delay_s = 0.0
        self._throttle = Throttle()
        self._budget: tuple[int, int] | None = None
        self._rewritten: tuple[bytes, bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self.cuts = 0
        """Connections cut so far."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing = True
        self._wake()
        self._thread.join(JOIN_S)
        for sock in (self._listener, self._wake_in, self._wake_out):
            sock.close()

    def redirect(self, upstream: Address) -> None:
        """Lead new connections to another server."""
        self._upstream = upstream

    def cut(self) -> None:
        """Cut every connection now."""
        self._cut_all = True
        self._wake()

    def cut_after(self, least: int, most: int) -> None:
        """From now on cut each connection after so many bytes, drawn anew for each."""
        with self._lock:
            self._budget = (least, most)
            for link in self._links:
                link.budget = self._rng.randint(least, most)

    def delay(self, seconds: float) -> None:
        """Hold everything back for so long."""
        self._delay_s = seconds

    def throttle(self, rate: float) -> None:
        """Send the upstream so many bytes a second at most, all connections together."""
        self._throttle.turn(rate)
        self._wake()

    def rewrite(self, said: bytes, heard: bytes) -> None:
        """Have clients hear something else, as long, than the server said in one piece."""
        assert len(said) == len(heard)
        self._rewritten = said, heard

    def fall_silent(self) -> None:
        """Forward nothing and close nothing: neither side can tell."""
        self._silent = True
        self._wake()

    def heal(self) -> None:
        """Only forward again."""
        with self._lock:
            self._budget = None
            for link in self._links:
                link.budget = None
        self._delay_s = 0.0
        self._throttle.turn(None)
        self._rewritten = None
        self._silent = False
        self._wake()

    def _wake(self) -> None:
        self._wake_in.send(b".")

    def _run(self) -> None:
        while not self._closing:
            ready = self._selector.select(self._pause())
            for key, _ in ready:
                if key.fileobj is self._wake_out:
                    self._wake_out.recv(CHUNK)
                elif not self._silent:
                    self._serve(key)
            self._listen_for_new(wanted=not self._silent)
            if not self._silent:
                self._tend()
            else:
                self._be_deaf()
        for link in list(self._links):
            self._drop(link)
        self._selector.close()

    def _pause(self) -> float:
        """Until the next thing is due."""
        now = time.monotonic()
        dues = [flow[0][0] for link in self._links for flow in link.pending.values() if flow]
        dues += [link.dead_at for link in self._links if link.dead_at is not None]
        future = [due - now for due in dues if due > now]
        return min([BURST_S if self._throttle.is_on else TICK_S, *future])

    def _serve(self, key: selectors.SelectorKey) -> None:
        sock = key.fileobj
        if sock is self._listener:
            self._accept()
        elif isinstance(sock, socket.socket) and key.data in self._links:
            # What can be written is written by `_tend`.
            self._read(key.data, sock)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._upstream, CONNECT_S)
        except OSError:
            _reset(client)
            return
        link = _Link(client, server)
        for side in link.sides:
            side.settimeout(0)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(side, selectors.EVENT_READ, link)
        with self._lock:
            if self._budget is not None:
                link.budget = self._rng.randint(*self._budget)
            self._links.append(link)

    def _read(self, link: _Link, source: socket.socket) -> None:
        try:
            data = source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._drop(link)
            return
        if link.dead_at is not None:
            # One side is cut; the other talks to nobody.
            if not data:
                self._drop(link)
            return
        if not data:
            link.ending = True
            return
        target = link.other(source)
        if self._rewritten is not None and source is link.sides[1]:
            data = data.replace(*self._rewritten)
        with self._lock:
            budget = link.budget
            if budget is not None:
                link.budget = budget - len(data)
        if budget is None or len(data) < budget:
            link.pending[target].append((time.monotonic() + self._delay_s, data))
            return
        # In the middle of a message: a part of it arrives.
        link.pending[target].append((0.0, data[: max(budget - 1, 0)]))
        self._flush(link, target)
        self._cut_one(link)

    def _cut_one(self, link: _Link) -> None:
        """Reset one side or both; a side that is left finds out later."""
        self.cuts += 1
        victim = self._rng.choice([*link.sides, None])
        if victim is None:
            self._drop(link)
            return
        self._selector.unregister(victim)
        _reset(victim)
        link.dead_at = time.monotonic() + HALF_DEAD_S

    def _tend(self) -> None:
        """Send what is due, end what is over."""
        if self._cut_all:
            self._cut_all = False
            for link in list(self._links):
                if link.dead_at is None:
                    self._cut_one(link)
        now = time.monotonic()
        # None of them has the whole of a thin link: each is the first in its turn.
        self._links = self._links[1:] + self._links[:1]
        for link in list(self._links):
            if link.dead_at is not None:
                if link.dead_at <= now:
                    self._drop(link)
                continue
            gone = not all(self._flush(link, side) for side in link.sides)
            if gone or (link.ending and not any(link.pending.values())):
                self._drop(link)
            else:
                self._listen(link)

    def _flush(self, link: _Link, target: socket.socket) -> bool:
        """Send what is due to `target`; False where it is gone."""
        flow = link.pending[target]
        now = time.monotonic()
        while flow and flow[0][0] <= now:
            due, data = flow[0]
            thin = target is link.sides[1]
            room = self._throttle.room(len(data)) if thin else len(data)
            if data and not room:
                return True
            try:
                sent = target.send(data[:room]) if data else 0
            except BlockingIOError:
                return True
            except OSError:
                return False
            if thin:
                self._throttle.passed(sent)
            if sent < len(data):
                flow[0] = (due, data[sent:])
                return True
            flow.popleft()
        return True

    def _listen(self, link: _Link) -> None:
        """Read from who may send, and hear when somebody takes more."""
        now = time.monotonic()
        for side in link.sides:
            mask = 0
            if not link.ending and link.waiting(link.other(side)) < MOST_PENDING:
                mask |= selectors.EVENT_READ
            shut = side is link.sides[1] and not self._throttle.room(1)
            if link.pending[side] and link.pending[side][0][0] <= now and not shut:
                mask |= selectors.EVENT_WRITE
            self._register(link, side, mask)

    def _register(self, link: _Link, side: socket.socket, mask: int) -> None:
        if side.fileno() < 0:
            return
        known = self._selector.get_map().get(side)
        if known is None and mask:
            self._selector.register(side, mask, link)
        elif known is not None and not mask:
            self._selector.unregister(side)
        elif known is not None and known.events != mask:
            self._selector.modify(side, mask, link)

    def _be_deaf(self) -> None:
        """Wait only for the end of the silence."""
        for link in self._links:
            for side in link.sides:
                self._register(link, side, 0)

    def _listen_for_new(self, *, wanted: bool) -> None:
        listens = self._listener in self._selector.get_map()
        if wanted and not listens:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif listens and not wanted:
            self._selector.unregister(self._listener)

    def _drop(self, link: _Link) -> None:
        with self._lock:
            self._links.remove(link)
        for side in (each for each in link.sides if each.fileno() >= 0):
            self._register(link, side, 0)
            if link.ending:
                side.close()
            else:
                _reset(side)


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()
