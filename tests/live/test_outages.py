"""What dies, hangs or fills up under nled: held polls stay held, nothing acknowledged is lost, all goes on by itself."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from nled.store.binary import find
from tests.live.support import LiveDaemon, Wire, serial_of, wait_until
from tests.store.support import Server

TERMINATOR = b"0\r\n\r\n"
SERIALS = [f"02AA01AB{number:08X}" for number in range(20)]
# Twisted, once all is down, ends by the signal that it was sent.
STOPPED = (0, -signal.SIGTERM)
UNAVAILABLE = {"error": "Entry key service unavailable"}


class OutageCase(TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = Path(tempfile.mkdtemp(prefix="nled-live-"))
        self.stack.callback(shutil.rmtree, self.folder)

    def start(self, state: Path | None = None, **sections: dict[str, object]) -> LiveDaemon:
        daemon = LiveDaemon(sections, state=state)
        self.stack.callback(daemon.stop)
        return daemon

    def homes(self, daemon: LiveDaemon) -> dict[str, int]:
        """Have all devices report something; gives the timestamps they then have."""
        return {serial: daemon.put("shared", {"a": serial}, serial)["object_timestamp"] for serial in SERIALS}

    def hold(self, daemon: LiveDaemon, claims: dict[str, int]) -> dict[str, Wire]:
        polls = {serial: self.stack.enter_context(daemon.connect()) for serial in claims}
        for serial, claim in claims.items():
            polls[serial].subscribe((f"shared.{serial}", claim), serial=serial)
        return polls

    def revisions(self, daemon: LiveDaemon, serial: str) -> dict[str, int]:
        answer = daemon.ask("GET", f"/nest/transport/device/{serial}", serial=serial)
        return {each["object_key"]: each["object_revision"] for each in answer.json["objects"]}

    def nothing_came(self, polls: dict[str, Wire]) -> None:
        self.assertTrue(all(poll.silent(0) for poll in polls.values()))

    def all_are_woken(self, daemon: LiveDaemon, polls: dict[str, Wire], value: float = 21.5) -> None:
        for serial in polls:
            self.assertEqual(daemon.command(value, serial).status, 200)
        self.all_get(polls, value)

    def all_get(self, polls: dict[str, Wire], value: float) -> None:
        for serial, poll in polls.items():
            self.assertIn(b'"target_temperature":%s,' % str(value).encode(), poll.chunk(), serial)

    def refuses(self, daemon: LiveDaemon, serial: str = SERIALS[0]) -> None:
        """While its store is away it says so, and to a thermostat in the words of the specification."""
        listed = {"objects": [{"object_key": f"shared.{serial}", "object_timestamp": 0, "value": {"a": 1}}]}
        asked = (
            ("control", "/command", {"serial": serial, "command": "set_temperature", "value": 30}),
            ("control", "/api/register", {"code": "ABC2345", "userId": "a"}),
            ("device", "/nest/transport", listed),
            ("device", "/nest/transport/put", listed),
            ("device", f"/nest/transport/device/{serial}", None),
            ("device", "/nest/passphrase", None),
            ("device", "/nest/passphrase/status", None),
        )
        with contextlib.ExitStack() as stack:
            # All at once, as each may have to wait for the deadline.
            wires = [stack.enter_context(daemon.connect(port)) for port, _, _ in asked]
            for wire, (_, path, body) in zip(wires, asked, strict=True):
                wire.send_request("GET" if body is None else "POST", path, body, serial=serial)
            for wire, (_, path, _) in zip(wires, asked, strict=True):
                answer = wire.answer()
                self.assertEqual((answer.status, "error" in answer.json), (503, True), path)
                if "passphrase" in path:
                    self.assertEqual(answer.json, UNAVAILABLE)
        self.answers_without_store(daemon)

    def answers_without_store(self, daemon: LiveDaemon) -> None:
        answer = daemon.ask("POST", "/nest/entry", b"reset=FALSE&mac=18B430ABCDEF")
        self.assertEqual((answer.status, len(answer.json)), (200, 11))
        self.assertEqual(daemon.ask("GET", "/nest/ping").status, 200)

    def works_again(self, daemon: LiveDaemon) -> None:
        wait_until(lambda: daemon.command(15, SERIALS[0]).status == 200, "commands work again")


class PrivateStoreTests(OutageCase):
    def store_that_waits(self) -> tuple[str, Path]:
        """A store program that does not start as long as a file exists."""
        barrier, program = self.folder / "barrier", self.folder / "store"
        program.write_text(f'#!/bin/sh\nwhile [ -e {barrier} ]; do sleep 0.02; done\nexec {find()} "$@"\n')
        program.chmod(0o755)
        return str(program), barrier

    def test_killed(self):
        program, barrier = self.store_that_waits()
        daemon = self.start(redis={"binary": program, "deadline": 0.2})
        claims = self.homes(daemon)
        self.assertEqual(daemon.ask("POST", "/nest/entry", b"reset=TRUE", serial=SERIALS[0]).status, 200)
        code = daemon.ask("GET", "/nest/passphrase", serial=SERIALS[1]).json["value"]
        polls = self.hold(daemon, claims)
        barrier.touch()
        daemon.kill_store()
        self.refuses(daemon)
        self.nothing_came(polls)
        barrier.unlink()
        self.works_again(daemon)
        self.all_are_woken(daemon, {serial: polls[serial] for serial in SERIALS[1:]})
        # What was written before is there, and of what was refused nothing.
        for serial in SERIALS:
            self.assertEqual(self.revisions(daemon, serial), {f"shared.{serial}": 2})
        self.assertEqual(daemon.ask("GET", "/nest/passphrase", serial=SERIALS[1]).json["value"], code)
        self.assertEqual(daemon.faults, [])

    def test_killed_again_and_again(self):
        daemon = self.start(redis={"deadline": 1.0})
        claims = self.homes(daemon)
        polls = self.hold(daemon, claims)
        for _ in range(3):
            daemon.kill_store()
            wait_until(
                lambda: daemon.try_put("shared", {"b": 1}, SERIALS[0]).status == 200, "PUTs work again"
            )
        self.nothing_came(polls)
        self.all_are_woken(daemon, polls)
        self.assertEqual(daemon.faults, [])

    def test_hangs(self):
        """Stopped in its tracks it is refused after the deadline, and goes on when it does."""
        daemon = self.start(redis={"deadline": 0.3})
        claims = self.homes(daemon)
        polls = self.hold(daemon, claims)
        store = daemon.store_pid
        os.kill(store, signal.SIGSTOP)
        try:
            start = time.monotonic()
            self.assertEqual(daemon.command(30, SERIALS[0]).status, 503)
            self.assertLess(time.monotonic() - start, 3)
            self.answers_without_store(daemon)
            self.nothing_came(polls)
        finally:
            os.kill(store, signal.SIGCONT)
        wait_until(lambda: daemon.command(16, SERIALS[1]).status == 200, "commands work again")
        self.all_are_woken(daemon, {serial: polls[serial] for serial in SERIALS[2:]})
        self.assertEqual(daemon.faults, [])

    def test_full_disk(self):
        """Writes are refused until there is room, what was acknowledged stays, and polls are held."""
        state = self.folder / "state"
        state.mkdir(mode=0o700)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(state)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            raise SkipTest("a small disk to fill needs the right to mount one")
        self.stack.callback(subprocess.run, ["umount", "-l", str(state)], check=True)
        filler = state / "filler"
        daemon = self.start(state)
        claims = self.homes(daemon)
        polls = self.hold(daemon, claims)
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        kept = 0
        for number in range(1, 400):
            body = {"objects": [{"object_key": f"device.{SERIALS[0]}", "value": {"log": f"{number:0>4000}"}}]}
            answer = daemon.ask("POST", "/nest/transport/put", body, serial=SERIALS[0])
            if answer.status == 503:
                break
            kept = answer.json["objects"][0]["object_revision"]
        self.assertEqual(answer.status, 503, "the disk did not fill up")
        self.answers_without_store(daemon)
        self.assertEqual(daemon.command(30, SERIALS[1]).status, 503)
        self.nothing_came(polls)
        filler.unlink()
        wait_until(lambda: daemon.command(16, SERIALS[1]).status == 200, "commands work again")
        self.assertEqual(self.revisions(daemon, SERIALS[0])[f"device.{SERIALS[0]}"], kept)
        self.all_are_woken(daemon, {serial: polls[serial] for serial in SERIALS[2:]})
        self.assertEqual(daemon.faults, [])


class DaemonTests(OutageCase):
    def test_killed(self):
        """Killed in the middle of writes it starts again at once, on all that it had acknowledged."""
        if shutil.which("setpriv") is None:
            raise SkipTest("without setpriv the store outlives a killed nled for a while")
        state = self.folder / "state"
        serial = serial_of(self)
        daemon = self.start(state)
        self.homes(daemon)
        with daemon.connect() as wire:
            for number in range(400):
                body = {"objects": [{"object_key": f"device.{serial}", "value": {"number": number}}]}
                wire.send_request("POST", "/nest/transport/put", body, serial=serial)
            acknowledged = [wire.answer().json["objects"][0]["object_revision"] for _ in range(150)]
            daemon.signal(signal.SIGKILL)
            daemon.wait()
        self.assertEqual(acknowledged, list(range(1, 151)))
        started = time.monotonic()
        daemon.start()
        self.assertLess(time.monotonic() - started, 8)
        self.assertGreaterEqual(self.revisions(daemon, serial)[f"device.{serial}"], 150)
        for each in SERIALS:
            self.assertEqual(daemon.put("shared", {"a": each}, each)["object_revision"], 1)
        self.assertEqual(daemon.faults, [])

    def test_stopped(self):
        """Every poll ends as after its hold, and the next start finds everything."""
        state = self.folder / "state"
        daemon = self.start(state)
        polls = self.hold(daemon, self.homes(daemon))
        half = self.stack.enter_context(daemon.connect())
        half.send(b"POST /nest/transport/put HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        started = time.monotonic()
        daemon.signal(signal.SIGTERM)
        for poll in polls.values():
            self.assertEqual(poll.exactly(len(TERMINATOR)), TERMINATOR)
        self.assertIn(daemon.wait(), STOPPED)
        self.assertLess(time.monotonic() - started, 5)
        self.assertEqual(daemon.faults, [])
        daemon.start()
        for serial in SERIALS:
            self.assertEqual(daemon.put("shared", {"a": serial}, serial)["object_revision"], 1)

    def test_stopped_while_the_store_hangs(self):
        daemon = self.start(redis={"deadline": 0.5})
        polls = self.hold(daemon, self.homes(daemon))
        store = daemon.store_pid
        os.kill(store, signal.SIGSTOP)
        with daemon.connect("control") as wire:
            body = {"serial": SERIALS[0], "command": "set_temperature", "value": 20}
            wire.send_request("POST", "/command", body)
            daemon.signal(signal.SIGTERM)
            for poll in polls.values():
                self.assertEqual(poll.exactly(len(TERMINATOR)), TERMINATOR)
            with contextlib.suppress(ProcessLookupError):
                os.kill(store, signal.SIGCONT)
            self.assertIn(daemon.wait(), STOPPED)
        self.assertEqual(daemon.faults, [])


class SharedStoreTests(OutageCase):
    def setUp(self):
        super().setUp()
        # With the default, once a second, a killed server may lose what it has acknowledged since.
        self.server = Server("appendfsync always", appendonly=True)
        self.stack.callback(self.server.stop)
        settings = {"redis": {"url": self.server.url, "deadline": 0.2}}
        self.one, self.two = self.start(**settings), self.start(**settings)

    def test_wakes_polls_of_the_other(self):
        polls = self.hold(self.one, self.homes(self.one))
        self.all_are_woken(self.two, polls)

    def test_stopped_and_started_again(self):
        polls = self.hold(self.one, self.homes(self.one))
        self.server.kill()
        for daemon in (self.one, self.two):
            self.refuses(daemon)
        # As long as the pauses between two tries are at their longest.
        end = time.monotonic() + 2
        while time.monotonic() < end:
            self.assertEqual(self.two.command(30, SERIALS[0]).status, 503)
        self.nothing_came(polls)
        self.server.start()
        # The other may write before the one that holds the polls is back.
        self.works_again(self.two)
        self.all_are_woken(self.two, {serial: polls[serial] for serial in SERIALS[1:]})
        self.all_get({SERIALS[0]: polls[SERIALS[0]]}, 15.0)
        for daemon in (self.one, self.two):
            self.assertEqual(daemon.faults, [])

    def test_changes_that_were_not_told(self):
        """What was written while nobody could be told is found when the polls are compared anew."""
        polls = self.hold(self.one, self.homes(self.one))
        for value in (17.5, 18.5, 19.5):
            self.server.ask("CLIENT", "KILL", "TYPE", "pubsub")
            for serial in SERIALS:
                self.assertEqual(self.two.command(value, serial).status, 200)
            for poll in polls.values():
                while b'"target_temperature":%s,' % str(value).encode() not in poll.chunk():
                    pass

    def test_killed_under_load(self):
        """Each command that was said to be done is done, whatever became of the others."""
        claims = self.homes(self.one)
        done: dict[str, float] = {}
        for attempt in range(3):
            for number, serial in enumerate(SERIALS[1:15]):
                value = 10.0 + attempt + number / 2
                if number == 12:
                    self.server.kill()
                if self.two.command(value, serial).status == 200:
                    done[serial] = value
            self.server.start()
            self.works_again(self.two)
        self.assertEqual(len(done), 12)
        self.works_again(self.one)
        for serial, value in done.items():
            with self.one.connect() as wire:
                wire.subscribe((f"shared.{serial}", claims[serial]), serial=serial)
                self.assertIn(b'"target_temperature":%s,' % str(value).encode(), wire.chunk(), serial)


class FailedStartTests(OutageCase):
    """Each ends with status 1 and one sentence that says what to do."""

    def refused(self, sentence: str, state: Path | None = None, **sections: dict[str, object]) -> None:
        self.pending.append((LiveDaemon(sections, state=state, ready=False), sentence))

    def test_refusals(self):
        self.pending: list[tuple[LiveDaemon, str]] = []
        running = self.start()
        taken = self.stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        self.refused(f"Cannot listen on 127.0.0.1 port {taken} .*device.port", device={"port": taken})
        self.refused(f"Cannot listen on 127.0.0.1 port {taken} .*control.port", control={"port": taken})
        self.refused("Another nled uses the state directory .*stop it", running.state)
        self.refused("The state directory .* cannot be made or used: .*create it", Path("/proc/nled"))
        file = self.folder / "file"
        file.touch()
        self.refused("The state directory .* cannot be made or used: .*create it", file)
        self.refused(
            "does not say that it is Redis or Valkey; correct redis.binary", redis={"binary": "/bin/echo"}
        )
        self.refused("redis.binary names .* cannot be executed; correct it", redis={"binary": "/nowhere"})
        newer = self.folder / "newer"
        (newer / "store").mkdir(parents=True)
        (newer / "store" / "server-version").write_text("valkey 99.0.0\n")
        self.refused("cannot read; install .* or newer", newer)
        if os.geteuid() == 0:
            theirs = self.folder / "theirs"
            (theirs / "store").mkdir(parents=True)
            os.chown(theirs / "store", 12345, 12345)
            self.refused("belongs to user 12345, but nled runs as root; start nled as its owner", theirs)
        for daemon, sentence in self.pending:
            with self.subTest(sentence):
                self.stack.callback(daemon.stop)
                try:
                    status = daemon.wait(15)
                except subprocess.TimeoutExpired:
                    self.fail(f"it goes on after: {daemon.log}")
                self.assertEqual(status, 1, sentence)
                told = [line for line in daemon.log.splitlines() if re.search(sentence, line)]
                self.assertEqual(len(told), 1, (sentence, daemon.log))
                self.assertEqual(daemon.faults, [])
        self.assertEqual(running.ask("GET", "/nest/ping").status, 200)
