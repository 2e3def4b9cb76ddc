"""The private store's supervisor: whatever keeps the server from starting, it goes on once that is over."""

import errno
import os
import signal
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import SkipTest

from nled.store import child
from nled.store.binary import find
from nled.store.child import PrivateServer
from tests.store.support import until
from tests.store.test_child import ChildTestCase, runs


class Failing:
    """The reactor, but for processes, which it starts only as long as `error` is None, and seconds that `passed`."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.tries = 0
        self.passed = 0.0

    def __getattr__(self, name):
        return getattr(reactor, name)

    def seconds(self):
        return reactor.seconds() + self.passed

    def spawnProcess(self, *arguments, **options):
        self.tries += 1
        if self.error is not None:
            raise self.error
        return reactor.spawnProcess(*arguments, **options)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class SupervisionTests(ChildTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(child, "_LAST_DELAY", 0.2)

    def program(self, when_broken: str) -> tuple[str, Path]:
        """A server that does something else instead as long as a file exists."""
        broken, binary = self.home / "broken", self.home / "binary"
        binary.write_text(
            f'#!/bin/sh\nif [ "$1" = - -a -e "{broken}" ]; then {when_broken}; fi\nexec "{find()}" "$@"\n'
        )
        binary.chmod(0o755)
        return str(binary), broken

    def told(self) -> list[str]:
        return [each.seen for each in self.troubles]

    async def test_no_process_can_be_made(self) -> None:
        flaky = Failing()
        server = PrivateServer(flaky, self.directory, troubles=self.troubles, on_end=self.fallen.append)
        self.addCleanup(server.stop)
        client = await self.connect(server)
        for error in (
            OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
            OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
            FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)),
            ValueError("a fault of somebody's"),
        ):
            tries, flaky.error = flaky.tries, error
            os.kill(server.pid, signal.SIGKILL)
            await until(lambda tries=tries: flaky.tries >= tries + 2)
            self.assertEqual(len(self.told()), 1)
            self.assertRegex(self.told()[0], r"The private store cannot be started: .")
            flaky.error = None
            self.assertEqual(await client.command("PING"), "PONG")
            await until(lambda: not self.told())
        self.flushLoggedErrors(ValueError)
        self.assertEqual(self.fallen, [])

    async def test_a_crash_long_after_one_that_took_several_tries(self) -> None:
        """It is started again at once, as after a first one."""
        flaky = Failing()
        server = PrivateServer(flaky, self.directory, troubles=self.troubles, on_end=self.fallen.append)
        self.addCleanup(server.stop)
        await server.start()

        def started() -> int:
            return sum("binary" in each for each in self.events)

        flaky.error, tries = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), flaky.tries
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: flaky.tries >= tries + 2)
        flaky.error = None
        for starts, passed in ((2, 0), (3, 5)):
            await until(lambda starts=starts: started() == starts)
            flaky.passed += passed
            os.kill(server.pid, signal.SIGKILL)
        await until(lambda: started() == 4)
        self.assertEqual([each["delay"] for each in self.events if "delay" in each], [0.1, 0.2, 0.1])

    async def test_the_program_is_missing_for_a_while(self) -> None:
        """As during an upgrade of its package."""
        binary, _ = self.program("exit 1")
        server = self.server(binary=binary)
        client = await self.connect(server)
        (self.home / "binary").rename(self.home / "away")
        os.kill(server.pid, signal.SIGKILL)
        await until(self.told)
        self.assertIn("which cannot be executed; correct it", self.told()[0])
        (self.home / "away").rename(binary)
        self.assertEqual(await client.command("PING"), "PONG")

    async def test_one_that_cannot_read_the_files_is_passed_over(self) -> None:
        """Such as a redis-server that is installed for something else while the bundled one wrote them."""
        server = self.server()
        client = await self.connect(server)
        await client.command("SET", "k", "v")
        await client.stop()
        await server.stop()
        other = self.home / "redis-server"
        other.write_text("#!/bin/sh\necho Redis server v=7.0.15 sha=00000000:0\n")
        other.chmod(0o755)
        own = find()
        if (self.directory / "server-version").read_text().startswith("redis"):
            raise SkipTest("any Redis reads what an older one wrote")
        self.patch(child, "candidates", lambda _: iter((other, own)))
        client = await self.connect(self.server())
        self.assertEqual(await client.command("GET", "k"), "v")

    async def test_a_server_that_never_answers_is_ended(self) -> None:
        self.patch(child, "_START_PATIENCE", 0.3)
        binary, broken = self.program(f'echo $$ >>"{self.home}/pids"; exec sleep 1000')
        server = self.server(binary=binary)
        client = await self.connect(server)
        broken.touch()
        os.kill(server.pid, signal.SIGKILL)
        await until(self.told)
        self.assertIn("does not answer", self.told()[0])
        broken.unlink()
        self.assertEqual(await client.command("PING"), "PONG")
        for pid in (self.home / "pids").read_text().split():
            self.assertFalse(runs(int(pid)))

    async def test_a_program_that_does_not_say_its_version(self) -> None:
        self.patch(child, "_VERSION_PATIENCE", 0.2)
        silent = self.home / "silent"
        silent.write_text("#!/bin/sh\nexec sleep 1000\n")
        silent.chmod(0o755)
        await self.assert_refused("does not say that it is Redis or Valkey", binary=str(silent))

    async def test_nothing_is_left_open(self) -> None:
        flaky = Failing()
        server = PrivateServer(flaky, self.directory, troubles=self.troubles, on_end=self.fallen.append)
        self.addCleanup(server.stop)
        await server.start()
        before = descriptors()
        flaky.error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        tries = flaky.tries
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: flaky.tries >= tries + 3)
        flaky.error = None
        await until(lambda: server.pid is not None and not self.told())
        # Those of the question whether it answers may still be closing.
        await until(lambda: descriptors() <= before)

    async def test_stopped_while_it_waits(self) -> None:
        binary, broken = self.program("exit 1")
        server = self.server(binary=binary)
        await server.start()
        broken.touch()
        os.kill(server.pid, signal.SIGKILL)
        await until(self.told)
        await server.stop()
        self.assertIsNone(server.pid)
        self.assertEqual(self.fallen, [])

    async def test_an_end_by_a_fault_is_told(self) -> None:
        binary, broken = self.program("exit 1")
        server = self.server(binary=binary)
        await server.start()

        def fault(*_) -> None:
            raise ZeroDivisionError

        self.patch(self.troubles, "report", fault)
        broken.touch()
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: self.fallen)
        self.fallen[0].trap(ZeroDivisionError)
