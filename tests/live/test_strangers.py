"""5,000 made-up serials from one address, while ten thermostats that nobody owns live here."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from twisted.trial.unittest import TestCase

from tests.live.support import LiveDaemon, wait_until
from tests.live.wire import Answer, Wire, request

FLOOD = "127.0.0.66"
MADE_UP = [f"02AA01AB{number:08X}" for number in range(5000)]


def thermostat(number: int) -> str:
    return f"02AA01AC{number:08X}"


def address(number: int) -> str:
    return f"127.0.0.{100 + number}"


class FloodTests(TestCase):
    made_up = MADE_UP

    def start(self, **sections: dict[str, Any]) -> None:
        self.daemon = LiveDaemon(
            {"pairing": {"claims_per_minute": 1000, **sections.pop("pairing", {})}, **sections}
        )
        self.addCleanup(self.daemon.stop)

    def ask_from(self, source: str, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        with self.daemon.connect(source=source) as wire:
            return wire.ask(method, path, body, **options)

    def flood(self, make: Callable[[str], bytes]) -> dict[int, int]:
        """Send a request for each made-up serial, as fast as they are answered; counts by status."""
        statuses: dict[int, int] = {}
        with self.daemon.connect(source=FLOOD) as wire:
            for start in range(0, len(self.made_up), 100):
                wire.send(b"".join(map(make, self.made_up[start : start + 100])))
                for _ in range(100):
                    status = wire.answer().status
                    statuses[status] = statuses.get(status, 0) + 1
        return statuses

    def code(self, number: int) -> str:
        answer = self.ask_from(address(number), "GET", "/nest/passphrase", serial=thermostat(number))
        self.assertEqual(answer.status, 200)
        return answer.json["value"]

    def put(self, number: int) -> list[Any]:
        body = {"objects": [{"object_key": f"shared.{thermostat(number)}", "value": {"x": number}}]}
        path, serial = "/nest/transport/put", thermostat(number)
        answer = self.ask_from(address(number), "POST", path, body, serial=serial)
        self.assertEqual(answer.status, 200)
        return answer.json["objects"]

    def hold(self, stack: ExitStack, number: int) -> Wire:
        wire = stack.enter_context(self.daemon.connect(source=address(number)))
        wire.subscribe(serial=thermostat(number))
        return wire

    def claims(self, code: str) -> bool:
        body = {"code": code, "userId": "ann"}
        return bool(self.daemon.control_ask("POST", "/api/register", body).json["success"])

    def attack(self) -> None:
        """By all that a serial can come with."""
        listed = {"chunked": False, "objects": [{"object_key": "where.x", "object_timestamp": 5}]}
        kinds = (
            lambda serial: request("GET", "/nest/passphrase", serial=serial),
            lambda serial: request("POST", "/nest/entry", b"model=x", serial=serial),
            lambda serial: request("POST", "/nest/transport/put", put_of(serial), serial=serial),
            lambda serial: request("POST", "/nest/transport", listed, serial=serial),
        )
        for kind in kinds:
            self.flood(kind)

    def stands(self, *, required: bool) -> None:
        with ExitStack() as stack:
            codes = [self.code(number) for number in range(10)]
            polls = [self.hold(stack, number) for number in range(10)]
            before = [self.put(number) for number in range(10)]
            self.attack()
            # The eleventh, and one whose neighbour is the flood.
            codes.append(self.code(10))
            self.flood(lambda serial: request("GET", "/nest/passphrase", serial=serial))
            self.assertEqual([self.code(number) for number in range(11)], codes)
            if not required:
                receipts = [self.put(number) for number in range(10)]
                self.assertEqual(receipts, before)
                for number in (3, 9):
                    self.assertEqual(self.daemon.command(20, thermostat(number)).status, 200)
                    self.assertIn(b"target_temperature", polls[number].chunk())
            for code in codes:
                self.assertTrue(self.claims(code), code)
            # All ten learn of their owner by the poll that they hold.
            for number in {*range(10)} - {3, 9}:
                self.assertIn(b'"user.ann"', polls[number].chunk())
            self.assertEqual(self.put(10)[0]["object_revision"], 1)
        one = wait_until(self.troubles, "doctor knows of it")
        self.assertEqual([each["what"] for each in one], ["strangers"])
        self.assertIn(FLOOD, one[0]["seen"])
        self.assertEqual(self.daemon.log.count("strangers: "), 1)
        # Nor is there a line for each.
        lines = [line for line in self.daemon.log.splitlines() if "02AA01AB" in line]
        self.assertLess(len(lines), 100)
        self.assertEqual(self.daemon.faults, [])

    def troubles(self) -> list[dict[str, Any]]:
        return self.daemon.ask("GET", "/api/troubles", port="socket", serial=None).json["troubles"]

    def test_in_open_mode(self) -> None:
        self.start()
        self.stands(required=False)
        some = self.daemon.ask("GET", "/api/unowned-devices", port="socket", serial=None).json["devices"]
        # Half of what limits.devices left beside the one that was kept by then at the least.
        self.assertLessEqual(len(some), 250)
        self.assertEqual({each["address"] for each in some}, {FLOOD})
        arrivals = self.daemon.ask("GET", "/api/arrivals", port="socket", serial=None).json["arrivals"]
        self.assertLessEqual(len(arrivals), 1000)
        answer = self.daemon.ask("DELETE", "/api/unowned-devices", {}, port="socket", serial=None)
        self.assertEqual(answer.json["forgotten"], len(some))
        devices = self.daemon.control_ask("GET", "/api/devices").json["devices"]
        self.assertEqual([each["serial"] for each in devices], [thermostat(n) for n in range(11)])

    def test_with_pairing_required(self) -> None:
        # Only so many get in: more would show nothing else.
        self.made_up = MADE_UP[:1500]
        self.start(pairing={"required": True})
        self.stands(required=True)

    def test_a_small_memory_is_not_filled(self) -> None:
        """Whatever made-up serials say, there is room for what a thermostat says that somebody owns."""
        self.start(redis={"maxmemory_mb": 32})
        self.assertEqual(self.put(1)[0]["object_revision"], 1)
        self.assertTrue(self.claims(self.code(1)))
        with self.daemon.connect(source=FLOOD) as wire:
            for serial in MADE_UP[:120]:
                for bucket in range(3):
                    value = {f"f{number}": "x" * 60_000 for number in range(3)}
                    body = {"objects": [{"object_key": f"where{bucket}.{serial}", "value": value}]}
                    self.assertEqual(wire.ask("POST", "/nest/transport/put", body, serial=serial).status, 200)
        self.assertLess(self.daemon.store_memory, 16 * 2**20)
        self.assertEqual(self.put(1)[0]["object_revision"], 1)
        self.assertEqual(self.daemon.command(20, thermostat(1)).status, 200)
        self.assertEqual(self.daemon.faults, [])

    def test_one_that_nobody_owns_takes_no_commands_where_pairing_is_required(self) -> None:
        self.start(pairing={"required": True})
        code = self.code(1)
        with ExitStack() as stack:
            self.hold(stack, 1)
            answer = self.daemon.command(20, thermostat(1))
            self.assertEqual(answer.status, 409)
            self.assertIn("belongs to nobody yet", answer.json["error"])
            self.assertTrue(self.claims(code))
            self.assertEqual(self.daemon.command(20, thermostat(1)).status, 200)

    def test_behind_a_proxy(self) -> None:
        self.start(device={"trusted_proxies": ["127.0.0.0/8"]}, limits={"strangers_per_address": 1})
        for number in (1, 2):
            for forwarded in ("10.0.0.1", "10.0.0.2"):
                serial = f"02AA01AD{forwarded[-1]:0>8}"
                answer = self.ask_from(
                    address(number),
                    "POST",
                    "/nest/transport/put",
                    put_of(serial),
                    serial=serial,
                    headers={"X-Forwarded-For": forwarded},
                )
                self.assertEqual(answer.status, 200)
        some = self.daemon.ask("GET", "/api/unowned-devices", port="socket", serial=None).json["devices"]
        self.assertEqual(sorted(each["address"] for each in some), ["10.0.0.1", "10.0.0.2"])

    def test_any_contact_counts(self) -> None:
        self.start()
        self.put(1)
        serial = thermostat(1)
        tries = (
            ("GET", "/nest/ping"),
            ("GET", "/nest/passphrase/status"),
            ("GET", f"/nest/transport/device/{serial}"),
            ("GET", "/nest/weather/v1?query=1"),
            ("GET", "/nest/pro_info/x"),
            ("POST", "/nest/upload"),
            # Also what is answered 400 or 404.
            ("POST", "/nest/transport/put"),
            ("POST", "/nest/transport/unheard_of"),
            ("GET", "/unheard_of"),
        )

        def last() -> int:
            [one] = self.daemon.ask("GET", "/api/unowned-devices", port="socket", serial=None).json["devices"]
            return int(one["last_seen"])

        for method, path in tries:
            before = last()
            self.ask_from(address(1), method, path, b"" if method == "POST" else None, serial=serial)
            wait_until(lambda before=before: last() > before, f"{path} counts")


def put_of(serial: str) -> dict[str, Any]:
    return {"objects": [{"object_key": f"shared.{serial}", "value": {"a": 1}}]}
