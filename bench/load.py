"""The load: raw sockets and one epoll, cheap enough that the server is what is measured."""

import resource
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = "127.0.0.1"
_LENGTH = b"Content-Length: "


class BenchError(Exception):
    """The run cannot go on; the text says why."""


class Loop:
    """Watches sockets; a watched socket has one handler, called with the epoll events."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, tuple[socket.socket, Callable[[int], None]]] = {}

    def watch(
        self, sock: socket.socket, handler: Callable[[int], None], events: int = select.EPOLLIN
    ) -> None:
        """Call a handler whenever the socket has one of the events."""
        self._watched[sock.fileno()] = sock, handler
        self._epoll.register(sock.fileno(), events)

    def change(self, sock: socket.socket, events: int) -> None:
        """Wait for other events of a watched socket."""
        self._epoll.modify(sock.fileno(), events)

    def close(self, sock: socket.socket) -> None:
        """Close a watched socket."""
        # The epoll forgets it by itself.
        del self._watched[sock.fileno()]
        sock.close()

    def turn(self, timeout: float) -> None:
        """Handle what is there, or wait for it so many seconds."""
        for descriptor, events in self._epoll.poll(timeout, 256):
            if watched := self._watched.get(descriptor):
                watched[1](events)

    def end(self) -> None:
        """Close everything."""
        for sock, _ in self._watched.values():
            sock.close()
        self._watched.clear()
        self._epoll.close()


class Client:
    """A connection that asks one thing at a time."""

    def __init__(self, loop: Loop, where: int | Path) -> None:
        """Connect to a port, or to a unix socket."""
        self._loop = loop
        self._sock = connect(where)
        self._sock.settimeout(0)
        self._data = bytearray()
        self._answered: Callable[[bytes], None] | None = None
        self._whole: Callable[[bytearray], bool] = is_whole
        loop.watch(self._sock, self._readable)

    def ask(
        self,
        request: bytes,
        answered: Callable[[bytes], None],
        whole: Callable[[bytearray], bool] | None = None,
    ) -> None:
        """Send a request; `answered` gets the bytes of its answer once they are `whole`."""
        self._data, self._answered, self._whole = bytearray(), answered, whole or is_whole
        send_all(self._sock, request)

    def close(self) -> None:
        """Hang up."""
        self._loop.close(self._sock)

    def _readable(self, _events: int) -> None:
        received = self._sock.recv(65536)
        if not received:
            raise BenchError(f"The server hung up after {bytes(self._data[:200])!r}.")
        self._data += received
        if self._whole(self._data):
            if not self._data.startswith(b"HTTP/1.1 200 "):
                raise BenchError(f"The server answered {bytes(self._data[:400])!r}.")
            assert self._answered is not None
            self._answered(bytes(self._data))


class Pinger:
    """Asks for the same over and over.

    Attributes:
        times: how long each answer took, in seconds.
    """

    def __init__(self, loop: Loop, port: int, request: bytes) -> None:
        self.times: list[float] = []
        self._client = Client(loop, port)
        self._request = request
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._client.ask(self._request, self._answered)

    def _answered(self, _answer: bytes) -> None:
        self.times.append(time.perf_counter() - self._asked)
        self._ask()


def connect(where: int | Path) -> socket.socket:
    """Connect to a port here, or to a unix socket."""
    if isinstance(where, int):
        sock = socket.create_connection((HERE, where), timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    else:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(where))
    return sock


def send_all(sock: socket.socket, request: bytes) -> None:
    """Send a request that is smaller than any socket's buffer."""
    if sock.send(request) != len(request):
        raise BenchError(f"A request of {len(request)} bytes did not fit into the socket.")


def is_whole(data: bytearray) -> bool:
    """Tell whether an answer with a Content-Length is complete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    start = data.find(_LENGTH, 0, end) + len(_LENGTH)
    return len(data) >= end + 4 + int(data[start : data.index(b"\r\n", start)])


def has_head(data: bytearray) -> bool:
    """Tell whether the head of an answer is complete."""
    return b"\r\n\r\n" in data


@dataclass
class Run:
    """What one run of a load did.

    Attributes:
        busy: the share of a core that this side took.
        answers: all answers by stream, if they were wanted.
    """

    count: int
    seconds: float
    busy: float
    answers: list[list[bytes]]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.count / self.seconds


def drive(
    where: int | Path,
    streams: Sequence[Iterator[bytes]],
    seconds: float,
    *,
    held: bool = False,
    keep: bool = False,
) -> Run:
    """Send the requests of each stream one after the other, all streams at once.

    Ends with the streams, or after so many seconds; what was asked by then is waited for.

    Args:
        where: a port, or a unix socket.
        streams: endless, or not.
        seconds: how long.
        held: open a connection for each request, and close it when the head of the answer has come.
        keep: keep the answers.
    """
    loop = Loop()
    answers: list[list[bytes]] = [[] for _ in streams]
    count = 0
    open_streams = len(streams)
    clients = [Client(loop, where) for _ in streams]
    cpu, start = time.process_time(), time.perf_counter()
    end = start + seconds

    def answered(index: int, answer: bytes) -> None:
        nonlocal count
        count += 1
        if keep:
            answers[index].append(answer)
        if held:
            clients[index].close()
            clients[index] = Client(loop, where)
        step(index)

    def step(index: int) -> None:
        nonlocal open_streams
        request = next(streams[index], None) if time.perf_counter() < end else None
        if request is None:
            open_streams -= 1
        else:
            clients[index].ask(request, lambda each: answered(index, each), has_head if held else None)

    try:
        for index in range(len(streams)):
            step(index)
        while open_streams:
            loop.turn(10)
            if time.perf_counter() > end + 30:
                raise BenchError(f"{open_streams} requests got no answer for 30 s.")
        taken = time.perf_counter() - start
        return Run(count, taken, (time.process_time() - cpu) / taken, answers)
    finally:
        loop.end()


def exchange(where: int | Path, requests: Sequence[bytes], connections: int = 32) -> list[bytes]:
    """Send requests over a few connections; returns the answers, in the order of the requests."""
    streams = [iter(requests[start::connections]) for start in range(min(connections, len(requests)))]
    answers = drive(where, streams, 600, keep=True).answers
    return [answers[index % connections][index // connections] for index in range(len(requests))]


def round_trip(port: int, request: bytes, count: int, pause: float = 0) -> float:
    """Ask the same so many times, one after the other; returns the median in microseconds."""
    loop = Loop()
    client = Client(loop, port)
    times: list[float] = []
    start = 0.0

    def answered(_answer: bytes) -> None:
        times.append(time.perf_counter() - start)

    try:
        while len(times) < count:
            start = time.perf_counter()
            client.ask(request, answered)
            asked = len(times)
            while len(times) == asked:
                loop.turn(1)
            time.sleep(pause)
    finally:
        loop.end()
    return 1e6 * median(times)


def raise_file_limit(needed: int) -> None:
    """Allow as many sockets as the system does.

    Raises:
        BenchError: it does not allow so many.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < needed:
        raise BenchError(f"This needs {needed} open files, the system allows {most} (ulimit -Hn).")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
