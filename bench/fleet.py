"""Thermostats that hold their polls, thousands of them on one epoll."""

import errno
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from bench import requests
from bench.endpoints import Device
from bench.load import HERE, BenchError, Loop, send_all

# Of the polls under way while a fleet is opened at leisure, and in one turn of a storm.
AT_ONCE = 64
_PATIENCE = 60.0


class Poll:
    """A thermostat on its poll; it asks again on the same connection when an answer has ended."""

    def __init__(self, fleet: "Fleet", device: Device) -> None:
        self.device = device
        self.held = False
        self._fleet = fleet
        self._data = b""
        self._sock: socket.socket

    def open(self) -> None:
        """Connect and ask."""
        self._sock = socket.socket()
        self._sock.settimeout(0)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.connect_ex((HERE, self._fleet.port))
        self._fleet.loop.watch(self._sock, self._ready)
        self._ask()

    def close(self) -> None:
        """Hang up."""
        self._fleet.loop.close(self._sock)
        self._leave()

    def _ask(self) -> None:
        self._data = b""
        try:
            send_all(self._sock, requests.subscribe(self.device.identity, self.device.stamps))
        except BlockingIOError:
            # Not connected yet.
            self._fleet.loop.change(self._sock, select.EPOLLOUT)

    def _leave(self) -> None:
        if self.held:
            self.held = False
            self._fleet.held -= 1

    def _ready(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._fleet.loop.change(self._sock, select.EPOLLIN)
            self._ask()
            return
        try:
            received = self._sock.recv(65536)
        except OSError as error:
            raise BenchError(f"A poll was lost: {errno.errorcode[error.errno or 0]}.") from None
        if not received:
            raise BenchError("The server hung up on a poll.")
        self._data += received
        if not self.held:
            head, end, self._data = self._data.partition(b"\r\n\r\n")
            if not end:
                self._data = head
                return
            if not head.startswith(b"HTTP/1.1 200 "):
                raise BenchError(f"A poll was answered {head!r}.")
            self.held = True
            self._fleet.held += 1
        self._take_chunks()

    def _take_chunks(self) -> None:
        while b"\r\n" in self._data:
            size, _, rest = self._data.partition(b"\r\n")
            length = int(size, 16)
            if len(rest) < length + 2:
                return
            chunk, self._data = rest[:length], rest[length + 2 :]
            if not length:
                self._leave()
                self._ask()
                return
            self.device.stamps.update(requests.stamps_of(chunk))
            self._fleet.pushed(self.device)


class Fleet:
    """All the polls of one server.

    Attributes:
        held: how many have the head of their answer.
        pushed: called for each chunk.
    """

    def __init__(self, port: int, devices: Sequence[Device]) -> None:
        self.port = port
        self.loop = Loop()
        self.held = 0
        self.pushed: Callable[[Device], None] = lambda _: None
        self.polls = [Poll(self, device) for device in devices]

    def fill(self, at_once: int) -> float:
        """Open all polls, so many at once; returns the seconds until all are held."""
        waiting = deque(self.polls)
        start = time.perf_counter()
        while self.held < len(self.polls):
            opened = 0
            # Even in a storm, what has come is looked at now and then.
            while waiting and opened < AT_ONCE and len(self.polls) - len(waiting) - self.held < at_once:
                waiting.popleft().open()
                opened += 1
            self.loop.turn(0 if waiting and opened == AT_ONCE else 0.1)
            if time.perf_counter() > start + _PATIENCE:
                raise BenchError(
                    f"After {_PATIENCE:g} s only {self.held} polls of {len(self.polls)} are held."
                )
        return time.perf_counter() - start

    def settle(self, seconds: float) -> None:
        """Go on for a while."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.loop.turn(left)
