"""Clients of the people's side that are slow, many, or do not read: what they cost is bounded, others are served."""

import contextlib
import socket
import struct
import time
from typing import Any

from twisted.trial.unittest import TestCase

from tests.live.support import LiveDaemon, serial_of, shared_daemon, wait_until
from tests.live.test_slow_clients import PROMPT
from tests.live.wire import Answer, Wire, request

MIB = 2**20
EVENTS = request("GET", "/api/events", serial=None)
DEVICES = request("GET", "/api/devices", serial=None)


class LoadCase(TestCase):
    daemon: LiveDaemon

    def setUp(self) -> None:
        self.serial = serial_of(self)
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def crowd(self, count: int, begin: bytes = b"") -> list[Wire]:
        wires = [self.stack.enter_context(self.daemon.connect("control")) for _ in range(count)]
        for wire in wires:
            wire.send(begin)
        return wires

    def lazy(self, count: int, begin: bytes) -> list[Wire]:
        """Connect clients that read nothing, and have room for little."""
        wires = self.crowd(count)
        for wire in wires:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.send(begin)
        return wires

    def others_are_served(self) -> None:
        self.daemon.put("shared", {"current_temperature": 20.0}, self.serial)
        start = time.monotonic()
        self.assertEqual(self.daemon.command(21.5, self.serial).status, 200)
        self.assertEqual(self.daemon.control_ask("GET", f"/status?serial={self.serial}").status, 200)
        self.assertLess(time.monotonic() - start, PROMPT)


class SlowTests(LoadCase):
    def setUp(self) -> None:
        super().setUp()
        self.daemon = shared_daemon()
        self.addCleanup(lambda: self.assertEqual(self.daemon.faults, []))

    def test_slow_loris(self) -> None:
        command = b"POST /command HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        slow = (
            (b"GE", b"T"),
            (b"GET /status?serial=", b"A"),
            (command + b"X: ", b"y"),
            (command + b"Content-Length: 1000\r\n\r\n{", b" "),
            (command + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
            (b"GET /api/events HTTP/1.1\r\nLast-Event-ID: ", b"1"),
        )
        crowds = [(self.crowd(25, begin), more) for begin, more in slow]
        for _ in range(3):
            for wires, more in crowds:
                for wire in wires:
                    wire.send(more)
            self.others_are_served()
        self.assertTrue(all(wire.silent(0) for wires, _ in crowds for wire in wires))

    def test_half_a_command(self) -> None:
        """Whoever hangs up in the middle has changed nothing."""
        self.daemon.put("shared", {"target_temperature": 20.0}, self.serial)

        def target() -> Any:
            status = self.daemon.control_ask("GET", f"/status?serial={self.serial}").json
            return status["target_temperature"]

        body = {"serial": self.serial, "command": "set_temperature", "value": 30}
        whole = request("POST", "/command?wait=5", body, serial=None)
        for cut in (len(whole) - 1, len(whole) // 2):
            for polite in (True, False):
                self.hang_up(self.crowd(1, whole[:cut])[0], polite=polite)
        self.others_are_served()
        self.assertEqual(target(), 21.5)

    def test_hanging_up_at_once(self) -> None:
        """Waits, streams and lists that nobody waits for any more leave nothing."""
        self.daemon.put("shared", {"target_temperature": 20.0}, self.serial)
        body = {"serial": self.serial, "command": "set_temperature", "value": 30}
        asked = (request("POST", "/command?wait=30", body, serial=None), EVENTS, DEVICES * 5)
        for number in range(240):
            self.hang_up(self.crowd(1, asked[number % 3])[0], polite=number % 2 == 0)
        self.others_are_served()
        # All of their places are free again.
        wait_until(lambda: self.streams(100) == [200] * 100, "there is room for all streams")

    def streams(self, count: int) -> list[int]:
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(self.daemon.connect("control")) for _ in range(count)]
            for wire in wires:
                wire.send(EVENTS)
            return [Answer(wire.head()).status for wire in wires]

    def hang_up(self, wire: Wire, *, polite: bool) -> None:
        if not polite:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()

    def test_more_streams_than_there_may_be(self) -> None:
        wires = self.crowd(150, EVENTS)
        answers = [Answer(wire.head()) for wire in wires]
        refused = [wire for wire, answer in zip(wires, answers, strict=True) if answer.status == 503]
        self.assertEqual(len(refused), 50)
        content = Answer(
            b"", refused[0].exactly(int(answers[wires.index(refused[0])].headers["Content-Length"]))
        )
        self.assertIn("event streams open", content.json["message"])
        self.others_are_served()
        served = [wire for wire in wires if wire not in refused]
        served[0].close()
        wait_until(lambda: self.streams(1) == [200], "there is room again")
        # And all of the others hear what happens.
        self.daemon.put("shared", {"number": 5}, self.serial)
        for wire in served[1:]:
            wire.until(b'"fields":["number"]')
        # Other clients are not shut out: each gets the place of one of these.
        while Answer(self.crowd(1, EVENTS)[0].head()).status == 200:
            pass
        key = {"Authorization": f"Bearer {self.daemon.make_key()}"}
        for port, headers in (("socket", {}), ("control", key)):
            with self.daemon.connect(port) as other:
                other.send_request("GET", "/api/events", serial=None, headers=headers)
                self.assertEqual(Answer(other.head()).status, 200)

    def test_many_who_wait(self) -> None:
        """Two hundred wait for one device: all are told at once when it has taken the last."""
        stamp = self.daemon.put("shared", {"target_temperature": 20.0}, self.serial)["object_timestamp"]
        wires = self.crowd(200)
        for number, wire in enumerate(wires):
            body = {"serial": self.serial, "command": "set_temperature", "value": 10 + number / 10}
            wire.send_request("POST", "/command?wait=20", body, serial=None)
        key = f"shared.{self.serial}"

        def stored() -> Any:
            status = self.daemon.control_ask("GET", f"/status?serial={self.serial}").json
            [waiting] = status["pending"] or [{"revision": 0}]
            return waiting if waiting["revision"] == 201 else None

        last = wait_until(stored, "all are written")
        with self.daemon.connect() as poll:
            poll.subscribe((key, stamp), serial=self.serial)
            self.assertIn(b'"target_temperature":', poll.chunk())
        started = time.monotonic()
        with self.daemon.connect() as poll:
            poll.subscribe((key, last["timestamp"]), serial=self.serial)
            answers = [wire.answer() for wire in wires]
        self.assertLess(time.monotonic() - started, PROMPT)
        self.assertEqual({answer.json["data"]["delivery"] for answer in answers}, {"acknowledged"})


class HeavyTests(LoadCase):
    def setUp(self) -> None:
        super().setUp()
        # All of them come from one address, and nobody owns them.
        self.daemon = LiveDaemon({"limits": {"devices": 1000, "strangers_per_address": 0}})
        self.addCleanup(self.daemon.stop)
        self.addCleanup(lambda: self.assertEqual(self.daemon.faults, []))

    def flood(self, requests: list[bytes]) -> None:
        with self.daemon.connect() as wire:
            for start in range(0, len(requests), 100):
                wire.send(b"".join(requests[start : start + 100]))
                for _ in requests[start : start + 100]:
                    self.assertEqual(wire.answer().status, 200)

    def put(self, serial: str, values: dict[str, Any]) -> bytes:
        body = {"objects": [{"object_key": f"shared.{serial}", "value": values}]}
        return request("POST", "/nest/transport/put", body, serial=serial)

    def test_nobody_reads_a_thousand_devices(self) -> None:
        serials = [self.serial, *(f"02AA01AC{number:08X}" for number in range(999))]
        self.flood([self.put(serial, {"target_temperature": 20.0, "name": "x"}) for serial in serials])
        answer = self.daemon.control_ask("GET", "/api/devices")
        self.assertEqual(answer.json["total"], 1000)
        before = self.daemon.rss
        # Many questions on each connection: the next is not looked at before the answer is on its way.
        self.lazy(10, DEVICES * 20)
        for _ in range(8):
            time.sleep(0.2)
            self.others_are_served()
        self.assertLess(self.daemon.rss - before, 10 * 3 * len(answer.body))

    def test_nobody_reads_what_is_free_for_all(self) -> None:
        """The largest answer that needs no key, asked for as often as fits into one packet."""
        size = len(self.daemon.control_ask("GET", "/openapi.json").body)
        before = self.daemon.rss
        count = 300
        self.lazy(10, b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * count)
        self.assertEqual(self.daemon.control_ask("GET", "/health").status, 200)
        self.assertLess(self.daemon.rss - before, 10 * 4 * size)

    def test_one_that_reads_late_gets_all(self) -> None:
        size = len(self.daemon.control_ask("GET", "/openapi.json").body)
        [wire] = self.crowd(1, request("GET", "/openapi.json", serial=None) * 200)
        time.sleep(0.3)
        self.assertEqual({len(wire.answer().body) for _ in range(200)}, {size})

    def test_nobody_reads_the_events(self) -> None:
        names = [f"{number:02}{'x' * 60}" for number in range(32)]
        self.flood([self.put(self.serial, dict.fromkeys(names, 0))])
        wires = self.lazy(4, EVENTS)
        before = self.daemon.rss
        # Some 7 MB of events for each of them.
        self.flood([self.put(self.serial, dict.fromkeys(names, number)) for number in range(1, 3000)])
        self.others_are_served()
        self.assertLess(self.daemon.rss - before, 8 * MIB)
        # Nor is anything read of who reads nothing.
        wires[0].socket.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            for _ in range(1000):
                wires[0].send(b"x" * 2**17)
        self.assertLess(self.daemon.rss - before, 8 * MIB)
        # One that reads on in time finds what was kept for it, and never half an event.
        wires[1].head()
        for number in range(10):
            block = wires[1].chunk()
            self.assertTrue(block.startswith(b"id: " if number else b":\nid: "), block)
            self.assertTrue(block.endswith(b"\n\n"))
