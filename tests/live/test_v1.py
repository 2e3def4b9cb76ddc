"""The API in the shape of the hosted service, as its apps use it (protocol d)."""

import re
from typing import Any

from tests.live.test_control import ControlCase
from tests.live.wire import Wire, request

LOCK = {"enabled": True, "pin_hash": "/PiS0Kl52c8oNptmsL4Z7cxd9mg=", "temp_min": 18, "temp_max": 24}
_RESET = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class HostedCase(ControlCase):
    def setUp(self):
        super().setUp()
        self.user = f"user_{self.serial[-8:]}"
        self.daemon.pair(self.serial, self.user)
        self.key = self.daemon.make_key(userId=self.user)
        [listed] = self.v1("GET", "devices")[1]["devices"]
        self.opaque = listed["id"]
        self.listed = listed

    def key_of(self, user: str) -> str:
        """Make a key of somebody else."""
        self.ask("POST", "/api/ensure-user", {"userId": user})
        return self.daemon.make_key(userId=user)

    def v1(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        answer = self.daemon.control_ask(method, f"/api/v1/{path}", body, key=key or self.key)
        self.headers = answer.headers
        return answer.status, answer.json

    def on(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        return self.v1(method, f"thermostat/{self.opaque}/{path}".rstrip("/"), body, **options)


class WriteTests(HostedCase):
    def test_every_write(self):
        week = {
            "ver": 2,
            "schedule_mode": "HEAT",
            "name": "Mine",
            "days": {"6": {"0": {"time": 0, "type": "HEAT", "temp": 19}}},
        }
        cases: list[tuple[str, str, Any, str, dict[str, Any]]] = [
            (
                "POST",
                "temperature",
                {"value": 70.7, "mode": "heat", "scale": "F"},
                "shared",
                {"target_temperature": 21.5},
            ),
            (
                "POST",
                "temperature",
                {"value": 24, "mode": "cool", "scale": "C"},
                "shared",
                {"target_temperature_type": "cool"},
            ),
            (
                "POST",
                "temperature/range",
                {"low": 18.5, "high": 24},
                "shared",
                {"target_temperature_type": "range"},
            ),
            ("POST", "mode", {"mode": "heat-cool"}, "shared", {}),
            ("POST", "mode", {"mode": "off"}, "shared", {"target_temperature_type": "off"}),
            ("POST", "away", {"away": True}, "structure", {"manual_eco_all": True}),
            ("POST", "away", {"away": False}, "structure", {"manual_eco_all": False, "away": False}),
            ("POST", "fan", {"mode": "on"}, "device", {"fan_timer_duration": 900}),
            ("POST", "fan", {"duration": 43200}, "device", {"fan_timer_duration": 43200}),
            ("POST", "fan", {"mode": "auto"}, "device", {"fan_timer_timeout": 0}),
            ("PUT", "schedule", {"schedule": week}, "schedule", {"name": "Mine"}),
            ("POST", "lock", LOCK, "device", {"temperature_lock": True, "temperature_lock_high_temp": 24.0}),
            ("POST", "lock", {"enabled": False}, "device", {"temperature_lock": False}),
        ]
        for method, path, body, kind, expected in cases:
            with self.subTest(path=path, body=body):
                code, answer = self.on(method, path, body)
                self.assertEqual(code, 200, answer)
                self.assertEqual(
                    (answer["success"], answer["message"], answer["device"]),
                    (True, "Command handled", self.serial),
                )
                self.assertEqual(answer["object"].partition(".")[0], kind)
                _, status = self.on("GET", "status")
                bucket = status["state"][answer["object"]]
                self.assertEqual(
                    (bucket["object_revision"], bucket["object_timestamp"]),
                    (answer["revision"], answer["timestamp"]),
                )
                self.assertEqual({**bucket["value"], **expected}, bucket["value"])

    def test_the_lock_is_pushed_to_a_held_poll_by_the_firmwares_names(self):
        wire = self.poll()
        # The home that the claim made is told first.
        self.assertEqual(set(self.pushed(wire)), {"user", "structure"})
        self.daemon.ask("GET", "/nest/passphrase/status", serial=self.serial)
        wire = self.poll()
        code, answer = self.on("POST", "lock", LOCK)
        self.assertEqual(code, 200, answer)
        self.assertEqual(
            self.pushed(wire)["device"],
            {
                "temperature_lock": True,
                "temperature_lock_high_temp": 24.0,
                "temperature_lock_low_temp": 18.0,
                "temperature_lock_pin_hash": LOCK["pin_hash"],
            },
        )

    def test_what_is_wrong(self):
        cases = [
            ("temperature", {"value": "21", "mode": "heat"}, "Temperature value must be a number"),
            ("temperature", {"value": 50, "mode": "heat"}, None),
            ("temperature/range", {"low": 24, "high": 20}, None),
            ("mode", {"mode": "sideways"}, None),
            ("away", {"away": "false"}, None),
            ("fan", {"duration": 43201}, None),
            ("lock", {**LOCK, "pin_hash": "0000"}, None),
            ("lock", {"enabled": True, "temp_min": 18, "temp_max": 24}, None),
            ("lock", {**LOCK, "temp_min": 25}, None),
            ("lock", {}, None),
        ]
        for path, body, sentence in cases:
            with self.subTest(path=path, body=body):
                code, answer = self.on("POST", path, body)
                self.assertEqual((code, set(answer)), (400, {"error"}))
                if sentence:
                    self.assertEqual(answer["error"], sentence)


class ReadTests(HostedCase):
    def test_list_and_schedule(self):
        self.assertEqual(
            self.listed, {"id": self.opaque, "serial": self.serial, "name": "Hall", "accessType": "owner"}
        )
        code, answer = self.on("GET", "schedule")
        self.assertEqual(
            (code, answer),
            (200, {"device": {"id": self.opaque, "serial": self.serial, "name": "Hall"}, "schedule": None}),
        )
        self.assertEqual(self.v1("GET", f"thermostat/{self.serial.lower()}/schedule"), (code, answer))

    def test_status_has_the_buckets(self):
        code, answer = self.on("GET", "status")
        self.assertEqual(code, 200)
        structure = self.user.removeprefix("user_")
        keys = {
            f"shared.{self.serial}",
            f"device.{self.serial}",
            f"user.{self.user}",
            f"structure.{structure}",
        }
        self.assertEqual(set(answer["state"]), keys)


class AccessTests(HostedCase):
    def test_without_a_key_not_even_from_here(self):
        for key in (None, "Bearer", "nle_" + "0" * 64):
            answer = self.daemon.control_ask("GET", "/api/v1/devices", key=key)
            self.assertEqual((answer.status, answer.json), (401, {"error": "Unauthorized"}))
            self.assertIn("X-RateLimit-Limit", answer.headers)

    def test_somebody_elses_device(self):
        key = self.key_of("stranger")
        denied = (403, {"error": "Access denied to this device"})
        self.assertEqual(self.on("GET", "status", key=key), denied)
        self.assertEqual(self.on("POST", "away", {"away": True}, key=key), denied)
        self.assertEqual(self.v1("GET", "devices", key=key), (200, {"devices": []}))
        self.assertEqual(
            self.v1("GET", "thermostat/dev_abc123xyz/status"), (404, {"error": "Device not found"})
        )

    def test_json_by_any_type(self):
        """Apps send it as they like; what lets them in is a key, which no page of a stranger can add."""
        path, key = f"/api/v1/thermostat/{self.opaque}/away", {"Authorization": f"Bearer {self.key}"}
        for kind in ("application/x-www-form-urlencoded", "text/plain", "application/vnd.api+json", ""):
            for headers, status in ((key, 200), ({}, 401)):
                sent = request(
                    "POST", path, b'{"away": true}', serial=None, headers={"Content-Type": kind, **headers}
                )
                with Wire(self.daemon.control) as wire:
                    wire.send(sent)
                    self.assertEqual(wire.answer().status, status, kind)

    def test_a_device_that_is_nobodys_may_be_deleted_once_more(self):
        everywhere = self.daemon.make_key()
        deleted = (200, {"success": True, "message": "Device deleted successfully"})
        self.assertEqual(self.on("DELETE", "", key=everywhere), deleted)
        self.assertEqual(self.on("DELETE", "", key=everywhere), deleted)
        self.assertEqual(self.v1("DELETE", "thermostat/09AA01AC0NOBODY0", key=everywhere)[0], 404)
        self.assertEqual(self.on("DELETE", "")[0], 403)

    def test_a_key_that_may_only_read(self):
        key = self.daemon.make_key(userId=self.user, scopes=["read"])
        self.assertEqual(self.on("GET", "status", key=key)[0], 200)
        self.assertEqual(self.on("POST", "away", {"away": True}, key=key)[0], 403)

    def test_sharing_by_an_invite(self):
        key = self.key_of("guest")
        _, invite = self.ask("POST", "/api/invites", {"serial": self.serial, "permission": "read"})
        code, answer = self.ask("POST", "/api/invites/accept", {"token": invite["token"], "userId": "guest"})
        self.assertEqual(code, 200, answer)
        [shared] = self.v1("GET", "devices", key=key)[1]["devices"]
        self.assertEqual((shared["serial"], shared["accessType"]), (self.serial, "shared"))
        self.assertEqual(self.on("GET", "status", key=key)[0], 200)
        self.assertEqual(self.on("POST", "away", {"away": True}, key=key)[0], 403)
        self.assertEqual(
            self.on("DELETE", "", key=key),
            (403, {"error": "Only device owners can delete devices"}),
        )
        self.assertEqual(
            self.on("DELETE", ""), (200, {"success": True, "message": "Device deleted successfully"})
        )
        # With the owner go the shares.
        self.assertEqual(self.v1("GET", "devices", key=key), (200, {"devices": []}))

    def test_the_limit_of_a_key(self):
        while (found := self.v1("GET", "devices"))[0] == 200:
            pass
        code, answer = found
        self.assertEqual((code, answer["error"]), (429, "Rate limit exceeded"))
        self.assertRegex(answer["retryAfter"], _RESET)
        self.assertEqual(
            (self.headers["X-RateLimit-Limit"], self.headers["X-RateLimit-Remaining"]), ("100", "0")
        )
        self.assertRegex(self.headers["X-RateLimit-Reset"], _RESET)
