import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase

from nled.store import child
from nled.store.binary import find
from nled.store.child import PrivateServer
from nled.store.client import Client
from nled.store.errors import StartError
from nled.troubles import Troubles
from tests.store.support import until, written

# Run on its own, to be killed: starts a server, says its process id and then only waits.
PARENT = """
import sys
from pathlib import Path
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from nled.store.child import PrivateServer
from nled.troubles import Troubles

async def main():
    server = PrivateServer(reactor, Path(sys.argv[1]), troubles=Troubles(lambda: 0), on_end=print)
    await server.start()
    print(server.pid, flush=True)

reactor.callWhenRunning(lambda: Deferred.fromCoroutine(main()))
reactor.run()
"""


def runs(pid: int) -> bool:
    """Tell whether a process is there and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


class ChildTestCase(TestCase):
    def setUp(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="nled test "))
        self.addCleanup(shutil.rmtree, self.home)
        self.directory = self.home / "state of nled"
        self.troubles = Troubles(lambda: 0)
        self.fallen: list[object] = []
        self.events: list[dict] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def server(self, **options) -> PrivateServer:
        server = PrivateServer(
            reactor, self.directory, troubles=self.troubles, on_end=self.fallen.append, **options
        )
        self.addCleanup(server.stop)
        return server

    async def connect(self, server: PrivateServer) -> Client:
        client = Client(reactor, await server.start())
        self.addCleanup(client.stop)
        await client.start(5)
        return client

    async def assert_refused(self, words: str, **options) -> None:
        with self.assertRaisesRegex(StartError, words):
            await self.server(**options).start()


class RunTests(ChildTestCase):
    async def test_start_and_stop(self) -> None:
        server = self.server(maxmemory=50_000_000)
        client = await self.connect(server)
        self.assertEqual(stat.S_IMODE(self.directory.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE((self.directory / "store.sock").stat().st_mode), 0o700)
        for name, value in {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": "50000000",
            "maxmemory-policy": "noeviction",
        }.items():
            self.assertEqual(await client.command("CONFIG", "GET", name), [name, value])
        pid = server.pid
        await client.stop()
        await server.stop()
        self.assertFalse(runs(pid))
        self.assertFalse((self.directory / "store.sock").exists())
        self.assertIsNone(server.pid)

    async def test_state_survives_a_restart(self) -> None:
        server = self.server()
        client = await self.connect(server)
        await client.command("SET", "k", "v")
        await client.stop()
        await server.stop()
        client = await self.connect(self.server())
        self.assertEqual(await client.command("GET", "k"), "v")

    async def test_its_log_lines_are_passed_on(self) -> None:
        await self.connect(self.server())
        said = [
            event["text"]
            for event in self.events
            if event["log_namespace"] == "nled.store.process.ServerProcess"
        ]
        self.assertTrue(any("eady to accept connections" in text for text in said), said)
        version = str(find())
        self.assertTrue(any(event.get("binary") == version for event in self.events))

    async def test_killed(self) -> None:
        server = self.server()
        client = await self.connect(server)
        await client.command("SET", "k", "v")
        await written(client)
        pid = server.pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: client.trouble)
        self.assertEqual(await client.command("GET", "k"), "v")
        self.assertNotEqual(server.pid, pid)
        self.assertTrue(any(event.get("reason") == "SIGKILL" for event in self.events))

    async def test_killed_and_cannot_start_for_a_while(self) -> None:
        broken, attempts, binary = (self.home / name for name in ("broken", "attempts", "binary"))
        binary.write_text(
            f'#!/bin/sh\nif [ "$1" = - -a -e "{broken}" ]; then date +%s%N >>"{attempts}"; echo no luck; exit 3; fi\n'
            f'exec "{find()}" "$@"\n'
        )
        binary.chmod(0o755)
        server = self.server(binary=str(binary))
        client = await self.connect(server)
        broken.touch()
        os.kill(server.pid, signal.SIGKILL)

        def tries() -> list[int]:
            return [int(at) for at in attempts.read_text().split()] if attempts.exists() else []

        await until(lambda: len(tries()) >= 3)
        broken.unlink()
        first, second, third = tries()[:3]
        # It waits longer each time; how much longer than this, the machine decides.
        self.assertGreater(second - first, 0.2e9)
        self.assertGreater(third - second, 0.4e9)
        self.assertEqual(await client.command("PING"), "PONG")
        [told] = [event["seen"] for event in self.events if "seen" in event]
        self.assertIn("ended at its start (exit status 3): no luck.", told)
        self.assertEqual(list(self.troubles), [])
        broken.touch()
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: server.pid is None)
        await server.stop()

    async def test_stop_of_a_server_that_hangs(self) -> None:
        self.patch(child, "_STOP_PATIENCE", 0.1)
        server = self.server()
        await server.start()
        pid = server.pid
        os.kill(pid, signal.SIGSTOP)
        await server.stop()
        self.assertFalse(runs(pid))

    async def test_a_long_path(self) -> None:
        self.directory = self.home / ("x" * 100) / "state"
        server = self.server()
        address = await server.start()
        place = Path(address.path).parent
        self.assertLess(len(address.path), 100)
        self.assertEqual(stat.S_IMODE(place.stat().st_mode), 0o700)
        await server.stop()
        self.assertFalse(place.exists())

    async def test_a_killed_parent_leaves_no_server_behind(self) -> None:
        parent, pid = self.parent_with_server()
        self.assertTrue(runs(pid))
        parent.kill()
        parent.wait()
        # At once: the lock is waited for.
        await self.server().start()
        self.assertFalse(runs(pid))

    def parent_with_server(self) -> tuple[subprocess.Popen, int]:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, self.directory],
            cwd=Path(child.__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(parent.stdout.close)
        return parent, int(parent.stdout.readline())

    if shutil.which("setpriv") is None:
        test_a_killed_parent_leaves_no_server_behind.skip = "needs setpriv"


class RefusalTests(ChildTestCase):
    async def test_two_on_one_directory(self) -> None:
        self.patch(child, "_LOCK_PATIENCE", 0.2)
        await self.server().start()
        await self.assert_refused("Another nled uses the state directory")

    async def test_a_predecessor_that_is_about_to_end(self) -> None:
        self.directory.mkdir()
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            starting = Deferred.fromCoroutine(self.server().start())
            await deferLater(reactor, 0.2)
            self.assertFalse(starting.called)
        await starting

    async def test_an_older_server(self) -> None:
        self.directory.mkdir()
        (self.directory / "server-version").write_text("valkey 99.1.2\n")
        await self.assert_refused("written by valkey 99.1.2, which .* cannot read; install valkey 99.1.2")
        # Nothing is left behind that keeps the next one from starting.
        (self.directory / "server-version").unlink()
        await self.server().start()
        self.assertIn((self.directory / "server-version").read_text().split()[0], ("valkey", "redis"))

    async def test_no_such_binary(self) -> None:
        await self.assert_refused("names /nowhere/redis", binary="/nowhere/redis")

    async def test_another_binary(self) -> None:
        await self.assert_refused("does not say that it is Redis or Valkey", binary="/bin/echo")

    async def test_a_file_in_the_way(self) -> None:
        self.directory.touch()
        await self.assert_refused("cannot be made or used: File exists")

    async def test_a_directory_of_somebody_else(self) -> None:
        self.directory.mkdir()
        os.chown(self.directory, 12345, 12345)
        await self.assert_refused("belongs to user 12345, but nled runs as root")

    if os.geteuid() != 0:
        test_a_directory_of_somebody_else.skip = "needs root"
