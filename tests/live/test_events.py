"""The event stream of a running daemon, on raw bytes."""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.support import LiveDaemon, serial_of, shared_daemon
from tests.live.wire import SERIAL, Wire


class Stream:
    """One client of the stream, behind the head of the answer."""

    def __init__(self, daemon: LiveDaemon, last: str | None = None) -> None:
        self.wire: Wire = daemon.connect("control")
        self.last = last
        more = f"Last-Event-ID: {last}\r\n" if last else ""
        self.wire.send(f"GET /api/events HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        self.head = self.wire.head()
        self.first = self.wire.chunk()
        self._take_id(self.first)

    def next(self, serial: str | None = None) -> dict[str, Any]:
        """Read on to the next event, of a device if one is named; or a gap."""
        while True:
            block = self.wire.chunk()
            self._take_id(block)
            for line in block.splitlines():
                event = json.loads(line[6:]) if line.startswith(b"data: ") else None
                if event is not None and (serial is None or event["serial"] in (serial, "")):
                    return event

    def _take_id(self, block: bytes) -> None:
        for line in block.splitlines():
            if line.startswith(b"id: "):
                self.last = line[4:].decode()


class Following(SynchronousTestCase):
    def setUp(self) -> None:
        self.daemon = shared_daemon()
        self.serial = serial_of(self)

    def follow(self, last: str | None = None) -> Stream:
        stream = Stream(self.daemon, last)
        self.addCleanup(stream.wire.close)
        return stream

    def test_head(self) -> None:
        stream = self.follow()
        self.assertIn(b"HTTP/1.1 200 OK\r\n", stream.head)
        for line in (
            b"Content-Type: text/event-stream",
            b"Cache-Control: no-cache",
            b"X-Accel-Buffering: no",
        ):
            self.assertIn(line, stream.head.split(b"\r\n"))
        self.assertTrue(stream.first.startswith(b":\n"))

    def test_the_way_of_a_command(self) -> None:
        serial, key = self.serial, f"shared.{self.serial}"
        stream = self.follow()
        self.daemon.put("shared", {"target_temperature": 20.0, "target_temperature_type": "heat"}, serial)
        self.assertEqual(stream.next(serial), {"serial": serial, "kind": "met"})
        self.assertEqual(stream.next(serial), {"serial": serial, "kind": "availability", "available": True})
        changed = stream.next(serial)
        self.assertEqual((changed["kind"], changed["origin"], changed["key"]), ("changed", "device", key))
        self.assertEqual(changed["fields"], ["target_temperature", "target_temperature_type"])
        with self.daemon.connect() as poll:
            poll.subscribe((key, changed["timestamp"]), serial=serial)
            self.assertEqual(self.daemon.command(21.5, serial).status, 200)
            written = stream.next(serial)
            self.assertEqual((written["kind"], written["origin"]), ("changed", "server"))
            self.assertIn("target_temperature", written["fields"])
            pushed = stream.next(serial)
            self.assertEqual((pushed["kind"], pushed["delivery"]), ("delivery", "pushed"))
            self.assertEqual(pushed["timestamp"], written["timestamp"])
        with self.daemon.connect() as poll:
            poll.subscribe((key, written["timestamp"]), serial=serial)
            has = stream.next(serial)
        self.assertEqual((has["delivery"], has["timestamp"]), ("acknowledged", written["timestamp"]))

    def test_nothing_of_what_did_not_change(self) -> None:
        for number in (1, 1, 2):
            self.daemon.put("shared", {"x": number}, self.serial)
        stream = self.follow()
        self.daemon.put("shared", {"x": 2}, self.serial)
        self.daemon.put("shared", {"x": 3}, self.serial)
        self.assertEqual(stream.next(self.serial)["revision"], 3)


class Resuming(SynchronousTestCase):
    def test_over_a_restart(self) -> None:
        daemon = LiveDaemon()
        self.addCleanup(daemon.stop)
        daemon.put("shared", {"x": 1})
        stream = Stream(daemon)
        daemon.put("shared", {"x": 2})
        self.assertEqual(stream.next(SERIAL)["revision"], 2)
        stream.wire.close()
        daemon.put("shared", {"x": 3})
        daemon.process.terminate()
        daemon.wait()
        daemon.start()
        daemon.put("shared", {"x": 4})
        again = Stream(daemon, stream.last)
        self.assertEqual([again.next(SERIAL)["revision"] for _ in range(2)], [3, 4])
        daemon.put("shared", {"x": 5})
        self.assertEqual(again.next(SERIAL)["revision"], 5)
        again.wire.close()

        lost = Stream(daemon, "1-0")
        self.assertEqual(lost.next(SERIAL), {"serial": "", "kind": "gap"})
        daemon.put("shared", {"x": 6})
        self.assertEqual(lost.next(SERIAL)["revision"], 6)
        # With a stream open, the end of the daemon is the end of the answer.
        daemon.process.terminate()
        self.assertEqual(lost.wire.rest(), b"0\r\n\r\n")
        daemon.wait()
        self.assertEqual(daemon.faults, [])
