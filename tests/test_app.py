"""The whole daemon in this process: what shows only when all parts are together."""

import fcntl
import json
import re
import socket
import stat
import struct
import tempfile
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from nled import app
from nled.app import Daemon
from nled.config import Config, Control, Device, Redis
from nled.store.errors import StartError
from tests.store.support import shared_server, until
from tests.store.test_tls import authority_with_certificate


class Asker(Protocol):
    """Sends one request and collects the answer until the end of the connection."""

    def __init__(self, path: bytes = b"/entry", host: bytes = b"x") -> None:
        self.answer: Deferred[bytes] = Deferred()
        self.received = b""
        self.path, self.host = path, host

    def connectionMade(self) -> None:
        self.transport.write(
            b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % (self.path, self.host)
        )

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.answer.callback(self.received)


class DaemonTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def daemon(self, **sections: object) -> Daemon:
        defaults = {
            "state_dir": self.folder,
            "device": Device(host="127.0.0.1", port=0),
            "control": Control(port=0),
            "redis": Redis(url=shared_server().url),
        }
        daemon = Daemon(reactor, Config(**(defaults | sections)))
        self.addCleanup(lambda: Deferred.fromCoroutine(daemon.stop()))
        return daemon

    def with_certificate(self) -> tuple[bytes, Device]:
        authority, certificate = authority_with_certificate("localhost")
        chain, begin, key = certificate.partition(b"-----BEGIN PRIVATE")
        (self.folder / "fullchain.pem").write_bytes(b"a comment\n" + chain + authority)
        (self.folder / "privkey.pem").write_bytes(begin + key)
        return authority, Device(host="127.0.0.1", port=0, cert_dir=self.folder)

    async def test_thousands_may_wait_at_a_port(self) -> None:
        """As many as the kernel allows, which is told where it is less."""
        allowed = app._longest_queue()
        self.patch(app, "_longest_queue", lambda: 128)
        daemon = self.daemon()
        with capturedLogs() as logs:
            await daemon.start()
        [line] = [formatEvent(each) for each in logs if each["log_level"] == LogLevel.warn]
        self.assertIn("sysctl -w net.core.somaxconn=4096", line)
        for port in (daemon.device_port, daemon.control_port):
            # The sixth number of a listening socket's TCP_INFO is the length of its queue.
            told = port.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
            self.assertEqual(struct.unpack("=8x6I", told)[5], min(4096, allowed))

    async def test_an_address_of_ipv6_is_told_as_in_a_url(self) -> None:
        daemon = self.daemon(device=Device(host="::1", port=0))
        with capturedLogs() as logs:
            await daemon.start()
        [line] = [told for told in map(formatEvent, logs) if "is ready" in told]
        self.assertIn(f"thermostats on [::1]:{daemon.device_port.getHost().port}, people on 127.0.0.1:", line)

    async def test_tls(self) -> None:
        authority, device = self.with_certificate()
        daemon = self.daemon(device=device)
        await daemon.start()
        port = daemon.device_port.getHost().port
        trust = optionsForClientTLS("localhost", trustRoot=Certificate.loadPEM(authority))
        endpoint = wrapClientTLS(trust, HostnameEndpoint(reactor, b"127.0.0.1", port))
        asker = await connectProtocol(endpoint, Asker())
        answer = await asker.answer
        self.assertIn(b'"transport_url":"https://127.0.0.1:%d/nest/transport"' % port, answer)

    async def test_a_key_of_another_certificate(self) -> None:
        _, device = self.with_certificate()
        key = (self.folder / "privkey.pem").read_bytes()
        self.with_certificate()
        for content in (key, b"nonsense"):
            (self.folder / "privkey.pem").write_bytes(content)
            with self.assertRaisesRegex(StartError, "device.cert_dir"):
                await self.daemon(device=device).start()

    async def test_the_kernel_probes_people_and_not_thermostats(self) -> None:
        daemon = self.daemon()
        await daemon.start()
        rows = ((daemon.device_port, 0), (daemon.control_port, 1))
        for port, probes in rows:
            self.assertEqual(port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), probes)

    async def test_the_control_socket_lets_its_group_in(self) -> None:
        daemon = self.daemon()
        await daemon.start()
        path = self.folder / "control.sock"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)
        # Keys are for administrators alone.
        asker = await connectProtocol(UNIXClientEndpoint(reactor, str(path)), Asker(b"/api/keys"))
        self.assertIn(b" 200 OK", await asker.answer)
        port = HostnameEndpoint(reactor, b"127.0.0.1", daemon.control_port.getHost().port)
        asker = await connectProtocol(port, Asker(b"/api/keys", b"localhost"))
        self.assertIn(b" 403 Forbidden", await asker.answer)
        with self.assertRaisesRegex(StartError, "another nled serves"):
            await self.daemon().start()
        await daemon.stop()
        self.assertFalse(path.exists())

    async def test_the_description_refers_to_nothing_that_it_lacks(self) -> None:
        daemon = self.daemon()
        await daemon.start()
        path = str(self.folder / "control.sock")
        asker = await connectProtocol(UNIXClientEndpoint(reactor, path), Asker(b"/openapi.json"))
        text = (await asker.answer).partition(b"\r\n\r\n")[2]
        document = json.loads(text)
        references = set(re.findall(r'"\$ref":"#/([^"]*)"', text.decode()))
        self.assertGreater(len(references), 50)
        for reference in references:
            place = document
            for name in reference.split("/"):
                self.assertIn(name, place, reference)
                place = place[name]

    async def test_a_port_that_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with self.assertRaisesRegex(StartError, f"127.0.0.1 port {port} .* control.port"):
                await self.daemon(control=Control(port=port)).start()

    async def test_an_address_of_the_store_that_is_none(self) -> None:
        with self.assertRaisesRegex(StartError, "redis.url"):
            await self.daemon(redis=Redis(url="redis://:secret@:port")).start()

    async def test_a_long_path_of_the_state(self) -> None:
        folder = Path(tempfile.mkdtemp()) / ("x" * 120)
        daemon = self.daemon(state_dir=folder, redis=Redis())
        await daemon.start()
        await daemon.stop()
        self.assertTrue((folder / "store" / "appendonlydir").is_dir())

    async def test_a_stop_during_the_start_leaves_nothing(self) -> None:
        lock = self.folder / "store" / "lock"
        daemon = self.daemon(redis=Redis())
        daemon.startService()
        await until(lock.exists)
        await daemon.stopService()
        with lock.open("a") as file:
            # The private store holds it too, for as long as it lives.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
