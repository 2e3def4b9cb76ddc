"""What dies, hangs or fills up under nled: held polls stay held, nothing acknowledged is lost, all goes on by itself."""

import contextlib
import os
import random
import resource
import shutil
import signal
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest

from nled.store.binary import find
from tests.live.outage import SERIALS, OutageCase
from tests.live.support import LiveDaemon, serial_of, wait_until
from tests.live.wire import basic

TERMINATOR = b"0\r\n\r\n"
# Twisted, once all is down, ends by the signal that it was sent.
STOPPED = (0, -signal.SIGTERM)


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

    def test_factory_resets_said_meanwhile(self):
        """Kept until the store is back: the next owner can claim, and a later entry takes nothing back."""
        for pinned in (False, True):
            with self.subTest(pinned=pinned):
                program, barrier = self.store_that_waits()
                daemon = self.start(
                    redis={"binary": program, "deadline": 0.5},
                    pairing={"required": True, "pin_password": pinned},
                )
                for serial in SERIALS[:2]:
                    daemon.pair(serial, "first")
                    # Now that it is known its password is pinned.
                    daemon.ask("GET", "/nest/passphrase/status", serial=serial)
                barrier.touch()
                daemon.kill_store()
                wait_until(lambda d=daemon: d.command(15, SERIALS[0]).status == 503, "it is away")
                for serial, form, password in (
                    (SERIALS[0], b"reset=TRUE", "password"),
                    (SERIALS[1], b"reset=TRUE", "of somebody else"),
                    (SERIALS[0], b"reset=FALSE", "password"),
                ):
                    headers = {"Authorization": basic(serial, password)}
                    answer = daemon.ask("POST", "/nest/entry", form, serial=None, headers=headers)
                    self.assertEqual((answer.status, len(answer.json)), (200, 11))
                barrier.unlink()
                self.works_again(daemon)
                daemon.pair(SERIALS[0], "second")
                if pinned:
                    status = daemon.ask("GET", "/nest/passphrase/status", serial=SERIALS[1]).json
                    self.assertEqual((status["claimed"], status["claimedBy"]), (True, "first"))
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

    def test_killed_while_no_process_can_be_made(self):
        """Descriptors have run out just then; once there are some, all goes on by itself."""
        daemon = self.start(redis={"deadline": 0.3})
        claims = self.homes(daemon)
        polls = self.hold(daemon, claims)
        pid = daemon.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
        daemon.kill_store()
        wait_until(lambda: "cannot be started: [Errno 24]" in daemon.log, "no process can be made")
        # Nor is each try to connect a line.
        self.assertNotIn("Scheduling retry", daemon.log)
        self.nothing_came(polls)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        self.works_again(daemon)
        self.all_are_woken(daemon, {serial: polls[serial] for serial in SERIALS[1:]})
        self.assertEqual(daemon.faults, [])

    def test_nobody_looks_after_it(self):
        """A fault in nled itself: the end of the process, so that it is started anew."""
        daemon = LiveDaemon(first="from nled.store import child; child._LAST_DELAY = None\n")
        self.stack.callback(daemon.stop)
        daemon.kill_store()
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("nothing looks after the private store; nled ends", daemon.log)

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
        state = self.small_disk(4)
        filler = state / "filler"
        daemon = self.start(state, redis={"least_free_mb": 0})
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
        self.assertEqual(answer.json["error"], "The server's disk is full. Nothing was changed.")
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


class DamageTests(OutageCase):
    """The end of the append-only file as power cuts leave it."""

    def setUp(self):
        super().setUp()
        self.daemon = self.start(self.folder / "state")
        self.claims = self.homes(self.daemon)
        self.store = self.folder / "state" / "store"

    def stop_and_append(self, garbage: bytes) -> None:
        self.daemon.signal(signal.SIGTERM)
        self.daemon.wait()
        with self.file().open("ab") as file:
            file.write(garbage)

    def file(self) -> Path:
        return [*self.store.glob("appendonlydir/*.incr.aof"), self.store / "appendonly.aof"][0]

    def all_is_there(self) -> None:
        for serial in SERIALS:
            self.assertEqual(self.revisions(self.daemon, serial), {f"shared.{serial}": 1})
        lines = [line for line in self.daemon.log.splitlines() if "were cut off" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertEqual(self.daemon.faults, [])

    def test_zeros(self):
        self.stop_and_append(bytes(4096))
        self.daemon.start()
        self.all_is_there()
        self.assertEqual(len(list(self.store.glob("cut-off/*-4096.*"))), 1)

    def test_while_it_runs(self):
        """Killed with its file damaged, the store is started again without a person."""
        polls = self.hold(self.daemon, self.claims)
        self.daemon.wait_for_writes()
        store = self.daemon.store_pid
        os.kill(store, signal.SIGSTOP)
        with self.file().open("ab") as file:
            file.write(random.Random(2).randbytes(100) + b"\r\n")
        os.kill(store, signal.SIGKILL)
        wait_until(lambda: "were cut off" in self.daemon.log, "the file is mended")
        self.nothing_came(polls)
        self.works_again(self.daemon)
        self.all_are_woken(self.daemon, {serial: polls[serial] for serial in SERIALS[1:]})
        self.assertEqual(self.daemon.faults, [])

    def test_too_much(self):
        self.stop_and_append(bytes(2**20 + 1))
        size = self.file().stat().st_size
        self.daemon.start(ready=False)
        self.assertEqual(self.daemon.wait(), 1)
        told = [line for line in self.daemon.log.splitlines() if "nled cannot mend them" in line]
        self.assertEqual(len(told), 1, self.daemon.log)
        self.assertIn("`nledctl import --merge FILE`", told[0])
        self.assertEqual(self.file().stat().st_size, size)
        self.assertEqual(self.daemon.faults, [])
