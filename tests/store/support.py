"""A real server for tests: found as nled finds one, started once for a whole run of trial."""

import atexit
import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import hiredis
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from nled.store.address import Address, parse
from nled.store.binary import find
from nled.store.client import Client, StoreUnavailable

DEADLINE = 0.3


class Server:
    """A server process in a temporary directory; `stop` removes both.

    Usable as soon as it is made: starting takes some 40 ms, for which the reactor is blocked.
    """

    def __init__(self, *directives: str, appendonly: bool = False, sentinel: bool = False) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="nled-test-"))
        self.socket = self.directory / "s"
        self.log = self.directory / "log"
        self._arguments = ["--sentinel"] if sentinel else []
        self._config = self.directory / "conf"
        common = ("port 0", f"unixsocket {self.socket}", f"dir {self.directory}", f"logfile {self.log}")
        storing = () if sentinel else (f"appendonly {'yes' if appendonly else 'no'}", 'save ""')
        lines = (*common, *storing, *directives)
        self._config.write_text("\n".join((*lines, "")))
        self.url = f"unix://{self.socket}"
        self.start()

    @property
    def address(self) -> Address:
        return parse(self.url)

    def start(self) -> None:
        """Start it (again) on the same directory."""
        self.process = subprocess.Popen(
            [find(), self._config, *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(1000):
            if self.process.poll() is not None:
                break
            try:
                self.ask("PING")
            except OSError:
                time.sleep(0.005)
            else:
                return
        raise AssertionError(f"the server did not start: {self.log.read_text() if self.log.exists() else ''}")

    def ask(self, *words: str) -> bytes:
        """Send one inline command by a blocking socket and return the first bytes of the reply."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.socket))
            client.sendall(" ".join(words).encode() + b"\r\n")
            return client.recv(65536)

    def kill(self) -> None:
        """Let it die at once, as by a crash; its directory stays."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it and remove its directory."""
        self.kill()
        shutil.rmtree(self.directory)

    def pause(self) -> None:
        """Let it hang without ending its connections."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        self.process.send_signal(signal.SIGCONT)


class Between:
    """A unix socket that leads to a server, and can let no connection through on which somebody waits for notices."""

    def __init__(self, server: Server) -> None:
        self._to = str(server.socket)
        self._deaf = False
        self._listeners: list[socket.socket] = []
        self.path = server.directory / "between"
        self.url = f"unix://{self.path}"
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(self.path))
        self._door.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def deafen(self) -> None:
        """End the connections on which somebody waits for notices, and all of that kind to come."""
        self._deaf = True
        for each in self._listeners:
            _end(each)

    def mend(self) -> None:
        """Let them through again."""
        self._deaf = False

    def stop(self) -> None:
        """Let nobody through any more."""
        _end(self._door)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._to)
            except OSError:
                _end(client)
                continue
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, to: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if b"XREAD" in data:
                    self._listeners.append(source)
                    if self._deaf:
                        break
                to.sendall(data)
        except OSError:
            pass
        _end(source)
        _end(to)


def _end(either: socket.socket) -> None:
    with contextlib.suppress(OSError):
        either.shutdown(socket.SHUT_RDWR)
    either.close()


class Conversation(Protocol):
    """One connection to a FakeServer."""

    def __init__(self, answer) -> None:
        self._answer = answer
        self.open = True
        self._reader = hiredis.Reader(encoding="utf-8")

    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        while (command := self._reader.gets()) is not False:
            if (reply := self._answer(command)) is not None:
                self.transport.write(reply)

    def connectionLost(self, reason=connectionDone) -> None:
        self.open = False


class FakeServer(Factory):
    """A TCP server on loopback that answers each command, a list of str, as `answer` says.

    For what a real server cannot be brought to do at will; it says nothing where `answer` gives None.
    """

    noisy = False

    def __init__(self, answer, context=None) -> None:
        self.answer = answer
        listen = {"interface": "127.0.0.1"}
        if context is None:
            self._port = reactor.listenTCP(0, self, **listen)
        else:
            self._port = reactor.listenSSL(0, self, context, **listen)
        self.port = self._port.getHost().port
        self.conversations = []

    def buildProtocol(self, addr):
        self.conversations.append(Conversation(self.answer))
        return self.conversations[-1]

    async def stop(self) -> None:
        for conversation in self.conversations:
            if conversation.open:
                conversation.transport.abortConnection()
        await self._port.stopListening()


def free_port() -> int:
    """Give a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def until(condition, seconds: float = 10.0) -> None:
    """Wait until `condition()` is true, and fail after that many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not true within {seconds} s: {condition}")
        await deferLater(reactor, 0.01)


_shared: list[Server] = []


async def written(client) -> None:
    """Wait until a server has handed all writes to the kernel, where a kill does not reach them."""
    while "aof_buffer_length:0\r" not in await client.command("INFO", "persistence"):
        pass


def shared_server() -> Server:
    """Give the one server of this run, emptied."""
    if not _shared:
        _shared.append(Server("databases 16"))
        atexit.register(_shared[0].stop)
    server = _shared[0]
    server.ask("FLUSHALL")
    return server


class StoreTestCase(TestCase):
    """A test with an empty store: `self.address` says where, `self.client` is connected to it."""

    async def setUp(self) -> None:
        self.address = shared_server().address
        self.client = Client(reactor, self.address)
        await self.client.start()
        self.addCleanup(self._stop_client)

    async def _stop_client(self) -> None:
        await self.client.stop()


class OwnServerTestCase(TestCase):
    """For tests that stop, pause or reconfigure a server; calls end after DEADLINE seconds."""

    def serve(self, *directives: str, appendonly: bool = False) -> Server:
        server = Server(*directives, appendonly=appendonly)
        self.addCleanup(server.stop)
        return server

    async def connect(self, url: str, *, deadline: float = DEADLINE, patience: float = 5.0) -> Client:
        client = Client(reactor, parse(url), deadline=deadline)
        self.addCleanup(client.stop)
        await client.start(patience)
        return client

    async def eventually(self, client: Client, *command: str) -> object:
        """Give the reply of a command as soon as the store is there again."""
        for _ in range(100):
            try:
                return await client.command(*command)
            except StoreUnavailable as error:
                trouble = error
        raise trouble

    async def assert_unavailable(self, client: Client, words: str, *, within: float, at_least=0.0) -> None:
        began = time.monotonic()
        with self.assertRaisesRegex(StoreUnavailable, words):
            await client.command("SET", "lost", "1")
        self.assertLess(time.monotonic() - began, within)
        self.assertGreaterEqual(time.monotonic() - began, at_least)
