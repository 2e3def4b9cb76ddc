"""The people's side while its store hangs or dies, and over the end of the daemon itself."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from typing import Any

from twisted.trial.unittest import SkipTest

from tests.live.outage import SERIALS, OutageCase
from tests.live.support import wait_until
from tests.live.test_control_access import TRIES, VICTIM
from tests.live.test_events import Stream
from tests.live.wire import Answer, Wire

DEADLINE = 0.4
# Generous for a machine that does other things too.
PROMPT = 3.0
# These do without the store; a scan would look for thermostats on the networks of this machine.
WITHOUT_STORE = {
    "GET /openapi.json",
    "GET /health",
    "GET /api/config",
    "GET /api/troubles",
    "GET /api/scan-network",
    "POST /api/scan-network",
    "POST /api/configure-nest",
    "POST /api/restore-nest",
}


class ControlOutageCase(OutageCase):
    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.start(redis={"deadline": DEADLINE})
        self.daemon.put("shared", {"target_temperature": 20.0, "can_heat": True}, VICTIM)
        self.daemon.put("device", {"has_fan": True}, VICTIM)
        self.key = self.daemon.make_key()
        self.addCleanup(lambda: self.assertEqual(self.daemon.faults, []))

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        store = self.daemon.store_pid
        os.kill(store, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(store, signal.SIGCONT)

    def recovered(self) -> None:
        wait_until(lambda: self.daemon.command(15, SERIALS[0]).status in (200, 404), "the store is back")

    def state(self) -> Any:
        answer = self.daemon.control_ask("GET", f"/api/v1/thermostat/{VICTIM}/status", key=self.key)
        self.assertEqual(answer.status, 200, answer)
        return answer.json["state"]

    def all_at_once(self) -> dict[str, Answer]:
        """Call every endpoint that needs the store."""
        answers = {}
        with contextlib.ExitStack() as stack:
            wires: dict[str, Wire] = {}
            for name, how in TRIES.items():
                if name in WITHOUT_STORE:
                    continue
                method, template = name.split(" ")
                path = template.format(device_id=VICTIM, serial=VICTIM, user="somebody", identifier="0" * 16)
                hosted = "/v1/" in path
                wire = stack.enter_context(self.daemon.connect("control" if hosted else "socket"))
                headers = {"Authorization": f"Bearer {self.key}"} if hosted else {}
                wire.send_request(
                    method,
                    f"{path}?{how.query}" if how.query else path,
                    how.body,
                    serial=None,
                    headers=headers,
                )
                wires[name] = wire
            for name, wire in wires.items():
                answers[name] = wire.answer()
        return answers


class HangingTests(ControlOutageCase):
    def test_each_endpoint_says_so_in_time(self) -> None:
        with self.hanging():
            started = time.monotonic()
            answers = self.all_at_once()
            self.assertLess(time.monotonic() - started, PROMPT)
            for name in ("/health", "/api/config", "/api/troubles"):
                self.assertEqual(self.daemon.ask("GET", name, port="socket", serial=None).status, 200)
        sentence = "The store is not available now; try again later."
        for name, answer in answers.items():
            with self.subTest(name=name):
                self.assertEqual(answer.status, 503)
                hosted = "/v1/" in name
                expected = {"error": sentence} | ({} if hosted else {"success": False, "message": sentence})
                self.assertEqual(answer.json, expected)
        self.recovered()

    def test_waiting_meanwhile(self) -> None:
        with self.daemon.connect("control") as wire:
            body = {"serial": VICTIM, "command": "set_temperature", "value": 25}
            started = time.monotonic()
            wire.send_request("POST", "/command?wait=1", body, serial=None)
            wait_until(
                lambda: self.state()[f"shared.{VICTIM}"]["value"]["target_temperature"] == 25, "written"
            )
            with self.hanging():
                answer = wire.answer()
                self.assertLess(time.monotonic() - started, 1 + PROMPT)
        self.assertEqual((answer.status, answer.json["data"]["delivery"]), (200, "queued"))

    def test_streams_go_on(self) -> None:
        stream = Stream(self.daemon)
        self.stack.callback(stream.wire.close)
        with self.hanging():
            time.sleep(2 * DEADLINE)
            answer = self.daemon.control_ask("GET", "/api/events")
            self.assertEqual(answer.status, 503)
        self.recovered()
        self.daemon.put("shared", {"x": 7}, VICTIM)
        self.assertEqual(stream.next(VICTIM)["fields"], ["x"])


class KilledTests(ControlOutageCase):
    def test_streams_go_on(self) -> None:
        stream = Stream(self.daemon)
        self.stack.callback(stream.wire.close)
        self.daemon.put("shared", {"x": 1}, VICTIM)
        self.assertEqual(stream.next(VICTIM)["fields"], ["x"])
        self.daemon.kill_store()
        wait_until(lambda: self.daemon.try_put("shared", {"y": 1}, VICTIM).status == 200, "PUTs work again")
        seen = stream.next(VICTIM)
        self.assertEqual((seen["kind"], seen["fields"]), ("changed", ["y"]))
        # Another that comes with the same place is told no more and no less.
        self.daemon.put("shared", {"z": 1}, VICTIM)
        for each in (stream, self.resumed(stream.last)):
            self.assertEqual(each.next(VICTIM)["fields"], ["z"])

    def resumed(self, last: str | None) -> Stream:
        stream = Stream(self.daemon, last)
        self.stack.callback(stream.wire.close)
        return stream

    def test_what_is_one_is_never_half_done(self) -> None:
        """Back from away are fields of two buckets: both or none, whenever the store dies."""
        body = {"serial": VICTIM, "command": "set_away"}
        for attempt in range(2):
            with contextlib.ExitStack() as stack:
                wires = [stack.enter_context(self.daemon.connect("control")) for _ in range(40)]
                for number, wire in enumerate(wires):
                    wire.send_request("POST", "/command", {**body, "value": number % 2 == 0}, serial=None)
                    if number == 15 * (attempt + 1):
                        os.kill(self.daemon.store_pid, signal.SIGKILL)
                self.assertLessEqual({wire.answer().status for wire in wires}, {200, 503})
            self.recovered()
            state = self.state()
            home = state.get("structure.default", {"value": {}})["value"]
            if "away" in home:
                # This was written by a way back, and with it the other bucket, if not for the same second.
                eco = state[f"device.{VICTIM}"]["value"]["eco"]
                self.assertEqual(eco["mode"], "schedule")
            if home:
                self.assertIn("name", home)
                self.assertEqual(state["user.default"]["value"], {"name": "default"})


class RestartTests(ControlOutageCase):
    def test_waits_end_with_the_daemon(self) -> None:
        wires = []
        for serial in SERIALS[:10]:
            self.daemon.put("shared", {"target_temperature": 20.0}, serial)
            wire = self.stack.enter_context(self.daemon.connect("control"))
            body = {"serial": serial, "command": "set_temperature", "value": 25}
            wire.send_request("POST", "/command?wait=30", body, serial=None)
            wires.append(wire)
        for serial in SERIALS[:10]:
            wait_until(lambda s=serial: self.pending(s), "the command is stored")
        started = time.monotonic()
        self.daemon.signal(signal.SIGTERM)
        for wire in wires:
            answer = wire.answer()
            self.assertEqual((answer.status, answer.json["data"]["delivery"]), (200, "queued"))
        self.daemon.wait()
        self.assertLess(time.monotonic() - started, PROMPT)

    def pending(self, serial: str) -> Any:
        return self.daemon.control_ask("GET", f"/status?serial={serial}").json["pending"]

    def test_killed(self) -> None:
        """What was queued is queued and what was pushed is pushed; each is told once, and all says so."""
        if shutil.which("setpriv") is None:
            raise SkipTest("without setpriv the store outlives a killed nled for a while")
        asleep, awake = SERIALS[:2]
        stamps = {
            serial: self.daemon.put("shared", {"target_temperature": 20.0}, serial)["object_timestamp"]
            for serial in (asleep, awake)
        }
        with self.daemon.connect() as poll:
            poll.subscribe((f"shared.{awake}", stamps[awake]), serial=awake)
            for serial in (asleep, awake):
                self.assertEqual(self.daemon.command(25, serial).status, 200)
            self.assertIn(b'"target_temperature":25', poll.chunk())
        before = {serial: self.pending(serial) for serial in (asleep, awake)}
        self.assertEqual([each["delivery"] for [each] in before.values()], ["queued", "pushed"])
        wait_until(lambda: b"aof_buffer_length:0\r" in self.daemon.ask_store("INFO persistence"), "on disk")
        self.daemon.signal(signal.SIGKILL)
        self.daemon.wait()
        self.daemon.start()
        self.assertEqual({serial: self.pending(serial) for serial in (asleep, awake)}, before)
        # The one that slept has it with its next poll, and so has the one that was cut off in the middle.
        for serial in (asleep, awake):
            [waiting] = before[serial]
            for claim, told in ((stamps[serial], True), (waiting["timestamp"], False)):
                with self.daemon.connect() as poll:
                    poll.subscribe((f"shared.{serial}", claim), serial=serial)
                    if told:
                        self.assertIn(b'"target_temperature":25', poll.chunk())
                    else:
                        self.assertTrue(poll.silent(0.2))
            self.assertEqual(self.pending(serial), [])

    def test_nobody_is_online_for_having_been_so(self) -> None:
        """As last heard of, also by a daemon that has just started; and back by a word of the device."""
        status = self.daemon.control_ask("GET", f"/status?serial={VICTIM}").json
        self.assertTrue(status["is_available"])
        self.daemon.signal(signal.SIGTERM)
        self.daemon.wait()
        self.daemon.start()
        again = self.daemon.control_ask("GET", f"/status?serial={VICTIM}").json
        self.assertEqual((again["is_available"], again["last_seen"]), (True, status["last_seen"]))
        self.long_ago()
        self.daemon.signal(signal.SIGTERM)
        self.daemon.wait()
        self.daemon.start()
        gone = self.daemon.control_ask("GET", f"/status?serial={VICTIM}").json
        self.assertEqual((gone["is_available"], gone["is_online"]), (False, False))
        stats = self.daemon.control_ask("GET", "/api/stats").json
        self.assertFalse(stats["availability"][VICTIM]["is_available"])
        stream = Stream(self.daemon)
        self.stack.callback(stream.wire.close)
        self.daemon.put("shared", {"x": 3}, VICTIM)
        self.assertEqual(stream.next(VICTIM), {"serial": VICTIM, "kind": "availability", "available": True})
        self.assertTrue(self.daemon.control_ask("GET", f"/status?serial={VICTIM}").json["is_available"])

    def long_ago(self) -> None:
        """Let the last contact have been 301 s before now."""
        at = int((time.time() - 301) * 1000)
        for key in ("nled:devices", "nled:online"):
            self.daemon.ask_store(f"ZADD {key} {at} {VICTIM}")
