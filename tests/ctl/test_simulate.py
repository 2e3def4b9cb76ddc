"""`nledctl simulate` as a person starts it: another process, real sockets, an exit status."""

import re
import signal
import sys

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.trial.unittest import TestCase

from tests.simulator.fake import END, NOW, Line, Server, chunk, entry_urls, http, poll_head, pushed

SERIAL = "02AA01AC33140F61"


class Served(Protocol):
    """The server in memory, on a real connection."""

    def __init__(self, server, connections):
        self.server = server
        connections.append(self)
        self.buffer = b""
        self.gone = Deferred()

    def connectionMade(self):
        self.line = Line(self.server, self)

    def dataReceived(self, data):
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        length = int((re.search(rb"Content-Length: (\d+)", head) or [0, 0])[1])
        if end and len(body) >= length:
            self.buffer = b""
            reply = self.transport.write
            self.line.protocol = type("Client", (), {"dataReceived": staticmethod(reply)})
            self.line.write(head + end + body)

    def connectionLost(self, reason):
        if self.line.call is not None and self.line.call.active():
            self.line.call.cancel()
        self.gone.callback(None)


class Shell(ProcessProtocol):
    """A running nledctl; ``ended`` fires with its exit status and all it said."""

    def __init__(self, until=None):
        self.said = b""
        self.until = until
        self.ended = Deferred()

    def outReceived(self, data):
        self.said += data
        if self.until is not None and self.until in self.said:
            self.until = None
            self.transport.signalProcess(signal.SIGINT)

    errReceived = outReceived

    def processEnded(self, reason):
        self.ended.callback((reason.value.exitCode, self.said.decode()))


class SimulateTests(TestCase):
    async def simulate(self, *arguments, until=None):
        shell = Shell(until)
        command = [
            sys.executable,
            "-c",
            "from nled.ctl import main; main()",
            "simulate",
            "--seconds",
            "20",
            *arguments,
        ]
        reactor.spawnProcess(shell, command[0], command, env=None)
        return await shell.ended

    async def serve(self):
        server, connections = Server(reactor), []
        factory = Factory.forProtocol(lambda: Served(server, connections))
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
        self.addCleanup(lambda: DeferredList([each.gone for each in connections]))
        self.addCleanup(port.stopListening)
        url = f"http://127.0.0.1:{port.getHost().port}"
        server.answers["entry"] = http(entry_urls(url))
        return server, url

    async def test_until_interrupted(self):
        """All is well and Ctrl-C ends it: the summary comes and the status is 0."""
        server, url = await self.serve()
        server.answers["status"] = http(
            {"status": "claimed", "claimed": True, "claimedBy": "u", "claimedAt": 1}
        )
        server.answers["subscribe"] = lambda _request: [
            poll_head(b"Content-Type: application/json", b"Transfer-Encoding: chunked", *server.headers()),
            0.3,
            chunk(pushed((NOW + 5000) * 1000, f"shared.{SERIAL}", target_temperature=25.5)),
            3.0,
            END,
        ]
        twice = ("--serial", SERIAL.lower(), "--serial", SERIAL)
        status, said = await self.simulate("--url", url, *twice, until=b"(push")
        self.assertEqual(status, 0, said)
        self.assertIn("25.5 °C  1 pushes, 0 complaints", said)
        self.assertIn("1 device: 1 booted, 1 held, 1 pushes, 0 complaints", said.splitlines()[-1])

    async def test_complaints(self):
        server, url = await self.serve()
        server.answers["passphrase"] = http({"value": "A3XR7M2", "expires": "soon"})
        status, said = await self.simulate("--url", url, "--count", "20", until=b"complains about passphrase")
        self.assertEqual(status, 1, said)
        self.assertRegex(said.splitlines()[-1], r"\d+ x passphrase: expires is 'soon', not a JSON number")

    async def test_unreached(self):
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory())
        number = port.getHost().port
        await port.stopListening()
        status, said = await self.simulate("--url", f"http://127.0.0.1:{number}", "--seconds", "0.2")
        self.assertEqual(status, 3, said)
        self.assertIn("is nled running there?", said)
        self.assertNotIn("Traceback", said)

    async def test_wrong_values(self):
        for option, value in [
            ("--count", "0"),
            ("--count", "x"),
            ("--seconds", "-1"),
            ("--drop-rate", "2"),
            ("--serial", "short"),
            ("--url", "foo"),
            ("--url", "http://127.0.0.1:99999"),
        ]:
            status, said = await self.simulate(option, value)
            self.assertEqual(status, 2, said)
            self.assertIn(f"'{option}'", said)
