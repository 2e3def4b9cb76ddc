"""Clients that are slow, many, or a thousand others than they say: what they cost is bounded, others are served."""

import contextlib
import socket
import struct
import time

from twisted.trial.unittest import TestCase

from tests.live.support import LiveDaemon, serial_of, shared_daemon, wait_until
from tests.live.wire import Answer, Wire, request

# Generous for a machine that does other things too; whoever waits for a slow client would wait for ever.
PROMPT = 2.0


class SlowTests(TestCase):
    def setUp(self):
        self.daemon = shared_daemon()
        self.serial = serial_of(self)
        self.key = f"shared.{self.serial}"
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def tearDown(self):
        self.assertEqual(self.daemon.faults, [])

    def crowd(self, count: int, begin: bytes) -> list[Wire]:
        wires = [self.stack.enter_context(self.daemon.connect()) for _ in range(count)]
        for wire in wires:
            wire.send(begin)
        return wires

    def others_are_served(self) -> None:
        receipt = self.daemon.put("shared", {"current_temperature": 20}, self.serial)
        start = time.monotonic()
        self.assertEqual(self.daemon.ask("GET", "/nest/ping").status, 200)
        with self.daemon.connect() as poll:
            poll.subscribe((self.key, receipt["object_timestamp"]), serial=self.serial)
            self.value = getattr(self, "value", 15) + 0.5
            self.assertEqual(self.daemon.command(self.value, self.serial).status, 200)
            self.assertIn(b"target_temperature", poll.chunk())
        self.assertLess(time.monotonic() - start, PROMPT)

    def test_slow_loris(self):
        """Byte by byte: request lines, headers, bodies with a length and bodies in chunks."""
        put = b"POST /nest/transport/put HTTP/1.1\r\n"
        slow = (
            (b"GE", b"T"),
            (b"GET /nest/ping", b"x"),
            (put + b"X-nl-device-id: ", b"A"),
            (put + b"Content-Length: 1000\r\n\r\n", b" "),
            (put + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
            (put + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n", b" "),
        )
        crowds = [(self.crowd(25, begin), more) for begin, more in slow]
        for _ in range(3):
            for wires, more in crowds:
                for wire in wires:
                    wire.send(more)
            self.others_are_served()
        for wires, _ in crowds:
            self.assertTrue(all(wire.silent(0) for wire in wires))

    def test_idle_crowd(self):
        self.crowd(300, b"")
        self.others_are_served()

    def test_half_a_body(self):
        """Whoever hangs up in the middle of a PUT, politely or not, has written nothing."""
        before = self.daemon.put("shared", {"x": 1}, self.serial)
        body = {"objects": [{"object_key": self.key, "value": {"x": 2}}]}
        whole = request("POST", "/nest/transport/put", body, serial=self.serial)
        for cut in (len(whole) - 1, len(whole) - 30, len(whole) // 2):
            for polite in (True, False):
                [wire] = self.crowd(1, whole[:cut])
                if not polite:
                    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                wire.close()
        # Said to be in chunks, of which the last never comes.
        [wire] = self.crowd(
            1, whole.replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nX") + b"5\r\n[]"
        )
        wire.close()
        self.assertEqual(self.daemon.put("shared", {"x": 1}, self.serial), before)

    def test_hanging_up_at_once(self):
        """Answers that nobody waits for, and polls that nobody holds."""
        listed = {"chunked": True, "objects": [{"object_key": self.key, "object_timestamp": 0}]}
        asked = (
            request("POST", "/nest/transport", listed, serial=self.serial),
            request("GET", "/nest/passphrase", serial=self.serial),
            request("POST", "/nest/transport/put", {}, serial=self.serial) * 20,
        )
        for number in range(60):
            [wire] = self.crowd(1, asked[number % 3])
            if number % 2:
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.close()
        self.others_are_served()

    def test_nobody_reads(self):
        """Answers that are not read are not piled up: the questions are not read either."""
        before = self.daemon.rss
        [wire] = self.crowd(1, b"")
        wire.socket.settimeout(1)
        flood = request("GET", "/nest/entry") * 500
        with self.assertRaises(TimeoutError):
            for _ in range(1000):
                wire.send(flood)
        self.others_are_served()
        self.assertLess(self.daemon.rss - before, 8 * 2**20)

    def test_many_headers(self):
        for count, status in ((100, 200), (150, 200), (170, 400), (1000, 400)):
            headers = {f"X-{number:03}": "y" * 90 for number in range(count)}
            self.assertEqual(self.daemon.ask("GET", "/nest/ping", headers=headers).status, status, count)
        self.assertEqual(self.daemon.ask("GET", "/nest/ping", headers={"X": "y" * 16_000}).status, 200)
        self.assertEqual(self.daemon.ask("GET", "/nest/ping", headers={"X": "y" * 17_000}).status, 400)
        self.assertEqual(self.daemon.ask("GET", "/nest/ping?" + "y" * 15_000).status, 200)

    def test_names_without_end(self):
        """No cache of ours grows with paths, serials and headers that nobody sends twice."""
        before = self.daemon.rss
        with self.daemon.connect() as wire:
            for start in range(0, 3000, 50):
                numbers = range(start, start + 50)
                wire.send(
                    b"".join(
                        request("GET", f"/nowhere/{number}/{'x' * 990}", headers={f"X-{number}": "y" * 2000})
                        for number in numbers
                    )
                )
                self.assertEqual({wire.answer().status for _ in numbers}, {404})
        self.assertLess(self.daemon.rss - before, 12 * 2**20)


class ConnectionLimitTests(TestCase):
    def test_too_many(self):
        """Beyond `limits.connections` they are closed at once; who is in goes on, and room is room again."""
        daemon = LiveDaemon({"limits": {"connections": 10}})
        self.addCleanup(daemon.stop)
        with contextlib.ExitStack() as stack:
            inside = [stack.enter_context(daemon.connect()) for _ in range(10)]
            for wire in inside:
                self.assertEqual(wire.ask("GET", "/nest/ping").status, 200)
            for _ in range(5):
                outside = stack.enter_context(daemon.connect())
                self.assertEqual(outside.rest(), b"")
            for wire in inside:
                self.assertEqual(wire.ask("GET", "/nest/ping").status, 200)
            # The port for people has room of its own.
            self.assertEqual(daemon.ask("GET", "/health", port="control").status, 200)
            inside[0].close()
            wait_until(lambda: self.serves(daemon), "there is room again")
        self.assertEqual(daemon.faults, [])

    def serves(self, daemon: LiveDaemon) -> bool:
        with daemon.connect() as wire, contextlib.suppress(ConnectionError):
            wire.send(request("GET", "/nest/ping"))
            return bool(wire.piece())
        return False


class SpoofTests(TestCase):
    def setUp(self):
        self.daemon = None

    def start(self, **sections: dict[str, object]) -> None:
        self.daemon = LiveDaemon(sections)
        self.addCleanup(self.daemon.stop)

    def flood(self, requests: list[bytes]) -> list[Answer]:
        """Send requests on one connection, as fast as they are answered."""
        answers = []
        with self.daemon.connect() as wire:
            for start in range(0, len(requests), 100):
                wire.send(b"".join(requests[start : start + 100]))
                answers += [wire.answer() for _ in requests[start : start + 100]]
        return answers

    def test_passwords_of_strangers(self):
        """A password is pinned for a device that is taken, and for no other."""
        self.start(limits={"devices": 5}, pairing={"pin_password": True})
        serials = [f"02AA01AB{number:08X}" for number in range(105)]
        self.flood([request("GET", "/nest/passphrase", serial=serial) for serial in serials[:5]])
        keys = self.daemon.store_size
        self.flood([request("POST", "/nest/transport/put", {}, serial=serial) for serial in serials])
        self.assertLess(self.daemon.store_size - keys, 20)

    def test_addresses_of_one_device(self):
        """A device has one MAC address, whatever it says from one day to the next."""
        self.start(limits={"devices": 5})
        self.flood(
            [request("POST", "/nest/entry", f"mac=18B430{number:06X}".encode()) for number in range(200)]
        )
        self.flood([request("GET", "/nest/passphrase")])
        self.assertLess(self.daemon.store_size, 20)

    def test_addresses_instead_of_serials(self):
        self.start(limits={"devices": 5})
        put = [
            request("POST", "/nest/transport/put", {"session": f"{mac}02AA01AB{mac[4:]}"}, serial=mac)
            for mac in (f"18B430{number:06X}" for number in range(200))
        ]
        self.flood(put)
        self.assertLess(self.daemon.store_size, 40)

    def test_too_much_of_one_device(self):
        """Buckets and bytes of a device are bounded; what it has stays readable, and it may go on changing it."""
        self.start(limits={"buckets_per_device": 16, "device_bytes": 65536})
        serial = "02AA01AB0000FFFF"
        for number in range(100):
            self.daemon.put(f"where{number}", {"a": 1}, serial)
        for number in range(100):
            listed = {"objects": [{"object_key": f"which.{number}", "object_timestamp": 7}]}
            self.assertEqual(self.daemon.ask("POST", "/nest/transport", listed, serial=serial).status, 200)
        for number in range(20):
            self.daemon.put("where0", {f"big{number}": "x" * 10_000}, serial)
        self.assertLess(self.daemon.store_size, 40)
        objects = self.daemon.ask("GET", f"/nest/transport/device/{serial}", serial=serial).json["objects"]
        self.assertEqual(len(objects), 16)
        before = self.daemon.put("where0", {}, serial)["object_revision"]
        self.assertEqual(before, 7)
        self.assertEqual(
            self.daemon.put("where0", {"big0": "y" * 10_000}, serial)["object_revision"], before + 1
        )
        self.assertEqual(self.daemon.faults, [])
