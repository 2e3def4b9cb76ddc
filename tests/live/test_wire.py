"""A held poll, byte by byte (protocol a.7)."""

import re
import socket
import struct
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from tests.live.support import LiveDaemon, serial_of, shared_daemon
from tests.live.wire import Wire, request

TERMINATOR = b"0\r\n\r\n"
ESTABLISHED, KEEP_ALIVE = "01", "02"
# A machine that does other things too may take its time; a server that never answers is found all the same.
SOON = 2.0
_HEAD = re.compile(
    rb"HTTP/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)*"
    rb"Content-Type: application/json\r\n(?:[^\r\n]+\r\n)*"
    rb"X-nl-service-timestamp: \d{13}\r\n"
    rb"X-nl-suspend-time-max: (?P<suspend>\d+)\r\n"
    rb"X-nl-defer-device-window: 15(?P<disable>\r\nX-nl-disable-defer-window: 60)?(?P<more>\r\n[^\r\n]+)*"
)
_OBJECT = rb'\{"object_revision":\d+,"object_timestamp":\d{13},"object_key":"%s"%s\}'


def document(key: str, value: bytes) -> bytes:
    """The pattern of a document with one object, the keys in the order the firmware needs."""
    return rb'\{"objects":\[' + _OBJECT % (re.escape(key.encode()), value) + rb"\]\}"


def chunk(pattern: bytes) -> bytes:
    return rb"(?P<size>[0-9a-f]+)\r\n(?P<data>" + pattern + rb")\r\n"


class WireCase(TestCase):
    daemon: LiveDaemon

    def setUp(self):
        self.daemon = shared_daemon()
        self.serial = serial_of(self)
        self.key = f"shared.{self.serial}"
        self.receipt = self.daemon.put("shared", {"current_temperature": 20.1}, self.serial)

    def poll(self, *listed: tuple[str, int], claim: int | None = None) -> Wire:
        """Open a poll that is up to date, unless told what it claims, and read the head of its answer."""
        wire = self.daemon.connect()
        self.addCleanup(wire.close)
        own = self.key, self.receipt["object_timestamp"] if claim is None else claim
        wire.subscribe(own, *listed, serial=self.serial)
        return wire

    def command(self, value: float) -> None:
        self.assertEqual(self.daemon.command(value, self.serial).status, 200)

    def pushed(self, wire: Wire, temperature: float) -> int:
        """Read a push, which must be one chunk in one piece; gives its timestamp."""
        piece = wire.piece()
        fields = rb',"value":\{"target_change_pending":true,"target_temperature":%s,"touched_by":\{[^}]+\}\}'
        found = re.fullmatch(chunk(document(self.key, fields % str(temperature).encode())), piece)
        self.assertTrue(found, piece)
        self.assertEqual(int(found["size"], 16), len(found["data"]))
        return int(re.search(rb'"object_timestamp":(\d+)', piece)[1])


class HeldPollTests(WireCase):
    def test_head(self):
        times = []
        for _ in range(5):
            with self.daemon.connect() as wire:
                start = time.monotonic()
                answer = wire.subscribe((self.key, self.receipt["object_timestamp"]), serial=self.serial)
                times.append(time.monotonic() - start)
                found = _HEAD.fullmatch(answer.head)
                self.assertTrue(found, answer.head)
                self.assertEqual((found["suspend"], found["disable"]), (b"300", None))
                self.assertEqual(answer.headers["Transfer-Encoding"], "chunked")
                self.assertNotIn("Content-Length", answer.headers)
                self.assertTrue(wire.silent(0.05))
        self.assertLess(min(times), 0.1)

    def test_pushes(self):
        """One chunk each, the second within the window of the first, and the final one 3 s after the last."""
        wire = self.poll()
        self.command(21.5)
        self.pushed(wire, 21.5)
        self.assertTrue(wire.silent(0.5))
        self.command(22.0)
        self.pushed(wire, 22.0)
        start = time.monotonic()
        self.assertEqual(wire.piece(), TERMINATOR)
        self.assertApproximates(time.monotonic() - start, 3, 1)
        self.assertEqual(wire.ask("GET", "/nest/ping").status, 200)

    def test_answer_at_once(self):
        self.command(19.0)
        wire = self.daemon.connect()
        self.addCleanup(wire.close)
        claim = self.receipt["object_timestamp"]
        answer = wire.subscribe((self.key, claim), serial=self.serial)
        # The device is to acknowledge a temperature without its usual delay (protocol a.10).
        self.assertTrue(_HEAD.fullmatch(answer.head)["disable"])
        self.assertEqual(wire.chunk()[:30], b'{"objects":[{"object_revision"')
        self.assertEqual(wire.until(TERMINATOR), b"")
        answer = wire.subscribe((self.key, claim), serial=self.serial, chunked=False)
        self.assertNotIn("Transfer-Encoding", answer.headers)
        self.assertTrue(_HEAD.fullmatch(answer.head)["disable"])
        body = wire.exactly(int(answer.headers["Content-Length"]))
        self.assertRegex(body, rb"^" + document(self.key, rb',"value":\{.+\}') + rb"$")

    def test_nothing_new_not_chunked(self):
        with self.daemon.connect() as wire:
            answer = wire.subscribe(
                (self.key, self.receipt["object_timestamp"]), serial=self.serial, chunked=False
            )
            self.assertEqual(wire.exactly(int(answer.headers["Content-Length"])), b'{"objects":[]}')

    def test_receipt(self):
        body = {"objects": [{"object_key": self.key, "value": {"current_temperature": 20.2}}]}
        answer = self.daemon.ask("POST", "/nest/transport/put", body, serial=self.serial)
        self.assertTrue(_HEAD.fullmatch(answer.head), answer.head)
        self.assertRegex(answer.body, b"^" + document(self.key, b"") + b"$")
        again = self.daemon.ask("POST", "/nest/transport/put", body, serial=self.serial)
        self.assertEqual(again.body, answer.body)

    def test_own_reports_wake_nobody(self):
        wire = self.poll()
        for value in (20.3, 20.4):
            self.daemon.put("shared", {"current_temperature": value}, self.serial)
        self.assertTrue(wire.silent(0.3))

    def test_up_to_date_again_and_again(self):
        """No empty answer, no user, structure or placeholder: it is held each time."""
        for _ in range(5):
            wire = self.poll()
            self.assertTrue(wire.silent(0.05))
            wire.close()

    def test_a_claim_wakes_three_times_at_most(self):
        """A unit that lists neither its user nor its home; the second time the connection breaks."""
        wire = self.poll()
        self.daemon.pair(self.serial, "user_wire")
        objects = chunk(rb'\{"objects":\[\{[^\[]+"user\.user_wire".+"structure\.wire".+\]\}')
        self.assertRegex(wire.piece(), rb"^" + objects + rb"$")
        for _ in range(2):
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.close()
            wire = self.poll()
            self.assertIn(b'"user.user_wire"', wire.chunk())
            self.assertEqual(wire.chunk(), b"")
        for _ in range(3):
            self.assertTrue(self.poll().silent(0.1))

    def test_a_claim_after_each_of_several_resets(self):
        """By the same owner, each before the device has listed what the last one brought."""
        self.daemon.pair(self.serial, "user_wire")
        home = ("user.user_wire", 0), ("structure.wire", 0)
        for _ in range(4):
            answer = self.daemon.ask("POST", "/nest/entry", b"reset=TRUE", serial=self.serial)
            self.assertEqual(answer.status, 200)
            for _ in range(3):
                self.assertIn(b'"user.user_wire"', self.poll(*home).chunk())
            wire = self.poll(*home)
            self.assertTrue(wire.silent(0.1))
            self.daemon.pair(self.serial, "user_wire")
            self.assertRegex(wire.chunk(), rb'"user\.user_wire".+"structure\.wire"')

    def test_what_was_sent_is_not_sent_again_while_the_device_puts(self):
        wire = self.poll()
        self.command(21.5)
        self.pushed(wire, 21.5)
        start = time.monotonic()
        for number in range(5):
            body = {
                "object_key": self.key,
                "base_object_revision": 1,
                "value": {"current_temperature": number},
            }
            self.daemon.ask("POST", "/nest/transport/put", {"objects": [body]}, serial=self.serial)
            self.assertTrue(wire.silent(0.2))
        self.assertEqual(wire.piece(), TERMINATOR)
        self.assertApproximates(time.monotonic() - start, 3, 1)

    def test_bucket_unknown_to_us(self):
        with self.daemon.connect() as wire:
            wire.subscribe((f"schedule.{self.serial}", 0), ("tuneups.x", 0), serial=self.serial)
            self.assertTrue(wire.silent(0.2))

    def test_device_ahead_of_its_time(self):
        ahead = int(time.time() * 1000) + 3_600_000
        wire = self.poll(claim=ahead)
        self.command(18.5)
        self.assertGreater(self.pushed(wire, 18.5), ahead)

    def test_two_polls(self):
        """Both get what comes; one that is cut off does not take the other with it."""
        first, second, third = self.poll(), self.poll(), self.poll()
        first.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        self.command(23.0)
        for wire in (second, third):
            self.pushed(wire, 23.0)
        second.close()
        self.command(23.5)
        self.pushed(third, 23.5)

    def test_command_at_any_instant(self):
        """Wherever it falls between the opening of a poll and its being held, it is delivered."""
        claim = self.receipt["object_timestamp"]
        head = request(
            "POST",
            "/nest/transport",
            {"chunked": True, "objects": [{"object_key": self.key, "object_timestamp": claim}]},
            serial=self.serial,
        )
        with self.daemon.connect("control") as control:
            for number in range(40):
                with self.daemon.connect() as wire:
                    value = 10 + number / 2
                    body = {"serial": self.serial, "command": "set_temperature", "value": value}
                    order = request("POST", "/command", body, serial=None)
                    subscribe = head.replace(
                        str(self.receipt["object_timestamp"]).encode(), str(claim).encode()
                    )
                    for send in (control.send, wire.send) if number % 2 else (wire.send, control.send):
                        send(order if send == control.send else subscribe)
                    wire.socket.settimeout(SOON)
                    wire.head()
                    update = wire.chunk()
                    self.assertIn(b'"target_temperature":%s,' % str(value).encode(), update)
                    claim = int(re.search(rb'"object_timestamp":(\d+)', update)[1])
                    self.assertEqual(control.answer().status, 200)


class ConnectionTests(WireCase):
    def test_pipelined(self):
        """Answered one after the other, in their order."""
        with self.daemon.connect() as wire:
            paths = ("/nest/ping", "/nowhere", "/nest/transport/put", "/info")
            bodies = (b"", b"", b"[]", None)
            wire.send(
                b"".join(
                    request("POST" if body is not None else "GET", path, body)
                    for path, body in zip(paths, bodies, strict=True)
                )
            )
            self.assertEqual([wire.answer().status for _ in paths], [200, 404, 400, 200])

    def test_pipelined_behind_a_poll(self):
        """It waits for the end of the poll, and the poll is still whole."""
        wire = self.poll()
        wire.send(request("GET", "/nest/ping") + request("POST", "/nest/transport/put", b"x" * 20_000))
        self.assertTrue(wire.silent(0.2))
        self.command(24.5)
        self.pushed(wire, 24.5)
        self.assertEqual(wire.chunk(), b"")
        self.assertEqual([wire.answer().status for _ in range(2)], [200, 400])

    def test_closed_on_request(self):
        with self.daemon.connect() as wire:
            self.assertEqual(
                wire.ask("GET", "/nest/ping", headers={"Connection": "close"}).headers["Connection"], "close"
            )
            self.assertEqual(wire.rest(), b"")

    def test_in_single_bytes(self):
        body = {"objects": [{"object_key": self.key, "value": {"slow": 1}}]}
        with self.daemon.connect() as wire:
            for byte in request("POST", "/nest/transport/put", body, serial=self.serial):
                wire.send(bytes((byte,)))
            self.assertEqual(wire.answer().status, 200)

    def test_chunked_request(self):
        with self.daemon.connect() as wire:
            wire.send(
                f"POST /nest/transport/put HTTP/1.1\r\nX-nl-device-id: {self.serial}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
                + b'5;a=b\r\n{"x":\r\n2\r\n1}\r\n0\r\nTrailer: x\r\n\r\n'
            )
            self.assertEqual(wire.answer().json, {"objects": []})
            self.assertEqual(wire.ask("GET", "/nest/ping").status, 200)

    def test_keep_alive(self):
        """Off where thermostats sleep (protocol a.12 no. 1), on where people are."""
        with self.daemon.connect() as device, self.daemon.connect("control") as control:
            for wire in (device, control):
                wire.ask("GET", "/nowhere")
            timers = self.timers()
            if timers.get(control.socket.getsockname()[1]) != KEEP_ALIVE:
                raise SkipTest("this kernel does not show keep-alive timers in /proc/net/tcp")
            self.assertNotEqual(timers[device.socket.getsockname()[1]], KEEP_ALIVE)

    def timers(self) -> dict[int, str]:
        """The kind of timer that runs for each accepted connection of the daemon, by the client's port."""
        found = {}
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, state, _, timer, *_ = line.split()
            port, peer = (int(each.split(":")[1], 16) for each in (local, remote))
            if state == ESTABLISHED and port in (self.daemon.device, self.daemon.control):
                found[peer] = timer.split(":")[0]
        return found


class ShortHoldTests(WireCase):
    """With a hold of 3 s and at most three polls for a device."""

    def setUp(self):
        super().setUp()
        self.daemon = LiveDaemon({"transport": {"suspend_time_max": 6, "subscriptions_per_device": 3}})
        self.addCleanup(self.daemon.stop)
        self.receipt = self.daemon.put("shared", {"current_temperature": 20.1}, self.serial)

    def test_ends(self):
        """Of the hold, with the final chunk alone; of a poll too many, likewise. Both connections go on."""
        start = time.monotonic()
        oldest, *others = (self.poll() for _ in range(4))
        self.assertEqual(oldest.piece(), TERMINATOR)
        self.assertLess(time.monotonic() - start, SOON)
        for wire in others:
            self.assertEqual(wire.piece(), TERMINATOR)
        self.assertApproximates(time.monotonic() - start, 3, 1)
        for wire in (oldest, others[0]):
            answer = wire.subscribe((self.key, self.receipt["object_timestamp"]), serial=self.serial)
            self.assertEqual(answer.headers["X-nl-suspend-time-max"], "6")
        self.command(21)
        for wire in (oldest, others[0]):
            self.pushed(wire, 21.0)
        self.assertEqual(self.daemon.faults, [])
