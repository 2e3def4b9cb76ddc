"""A real server for tests: found as nled finds one, started once for a whole run of trial."""

import atexit
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from nled.store.address import Address, parse
from nled.store.binary import find
from nled.store.client import Client


class Server:
    """A server process in a temporary directory; `stop` removes both.

    Usable as soon as it is made: starting takes some 40 ms, for which the reactor is blocked.
    """

    def __init__(self, *directives: str, appendonly: bool = False, arguments: tuple[str, ...] = ()) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="nled-test-"))
        self.socket = self.directory / "s"
        self.log = self.directory / "log"
        self._arguments = arguments
        self._config = self.directory / "conf"
        lines = (
            "port 0",
            f"unixsocket {self.socket}",
            "unixsocketperm 700",
            f"dir {self.directory}",
            f"appendonly {'yes' if appendonly else 'no'}",
            "appendfsync everysec",
            'save ""',
            f"logfile {self.log}",
            *directives,
        )
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


_shared: list[Server] = []


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
