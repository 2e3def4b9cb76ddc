"""The unix socket: who may connect, and what may stand in its place."""

import os
import socket
import stat
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from nled.local_socket import listen
from nled.store.errors import StartError


class Greeter(Protocol):
    def connectionMade(self) -> None:
        self.transport.write(b"hello")
        self.transport.loseConnection()


class Listener(Protocol):
    def __init__(self) -> None:
        self.heard: Deferred[bytes] = Deferred()
        self.received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.heard.callback(self.received)


class LocalSocketTests(TestCase):
    def setUp(self):
        # A relative path, as trial's directory may be too long for a socket otherwise.
        self.path = Path(self.mktemp()) / "folder" / "control.sock"

    async def listen(self):
        port = await listen(reactor, self.path, ServerFactory.forProtocol(Greeter))
        self.addCleanup(lambda: port.stopListening() if port.connected else None)
        return port

    async def heard(self):
        listener = await connectProtocol(UNIXClientEndpoint(reactor, str(self.path)), Listener())
        return await listener.heard

    async def refused(self, *words):
        error = await self.assertFailure(Deferred.fromCoroutine(self.listen()), StartError)
        for word in ("control.socket", str(self.path), *words):
            self.assertIn(word, str(error))

    async def test_it_serves_and_goes(self):
        port = await self.listen()
        self.assertEqual(await self.heard(), b"hello")
        await port.stopListening()
        self.assertFalse(self.path.exists())

    async def test_owner_and_group_may_whatever_the_umask(self):
        for mask in (0o000, 0o077):
            before = os.umask(mask)
            try:
                port = await self.listen()
            finally:
                os.umask(before)
            self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o660)
            await port.stopListening()

    async def test_in_place_of_a_dead_one(self):
        self.path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(self.path))
        await self.listen()
        self.assertEqual(await self.heard(), b"hello")

    async def test_not_in_place_of_a_living_one(self):
        await self.listen()
        await self.refused("another nled")
        self.assertEqual(await self.heard(), b"hello")

    async def test_one_that_is_too_busy_is_alive(self):
        self.path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
            busy.bind(str(self.path))
            busy.listen(0)
            waiting.connect(str(self.path))
            await self.refused("another nled")

    async def test_not_in_place_of_anything_else(self):
        self.path.parent.mkdir(parents=True)
        self.path.write_text("precious")
        await self.refused("Address already in use")
        self.assertEqual(self.path.read_text(), "precious")

    async def test_where_none_can_be(self):
        self.path = Path("/dev/null/folder/control.sock")
        await self.refused("Not a directory")
