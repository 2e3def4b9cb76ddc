"""The control port, from a request to what the thermostat is pushed (protocol c, n)."""

import json
import threading
import time
from typing import Any

from twisted.trial.unittest import TestCase

from tests.live.support import serial_of, shared_daemon
from tests.live.wire import Wire, request

# As a thermostat reports itself, as far as the control side looks at it.
SHARED = {
    "current_temperature": 0.0,
    "target_temperature": 20.0,
    "target_temperature_low": 18.0,
    "target_temperature_high": 24.0,
    "target_temperature_type": "heat",
    "can_heat": True,
    "can_cool": True,
    "hvac_heater_state": True,
    "name": "Hall",
}
DEVICE = {
    "current_humidity": 41,
    "current_version": "5.9.4-5",
    "has_fan": True,
    "away_temperature_low": 15.0,
    "away_temperature_high": 28.0,
    "eco": {"mode": "schedule", "touched_by": 1},
    "fan_timer_timeout": 0,
    "fan_timer_duration": 900,
}


class ControlCase(TestCase):
    def setUp(self):
        self.daemon = shared_daemon()
        self.serial = serial_of(self)
        self.stamps = {
            kind: self.daemon.put(kind, values, self.serial)["object_timestamp"]
            for kind, values in (("shared", SHARED), ("device", DEVICE))
        }

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Ask the control port; returns status and content."""
        answer = self.daemon.control_ask(method, path, body, **options)
        return answer.status, answer.json

    def command(self, command: str, value: Any = None, *, query: str = "") -> Any:
        return self.ask(
            "POST", f"/command{query}", {"serial": self.serial, "command": command, "value": value}
        )

    def status(self) -> dict[str, Any]:
        code, status = self.ask("GET", f"/status?serial={self.serial}")
        self.assertEqual(code, 200)
        return status

    def poll(self) -> Wire:
        """Open a poll that is held."""
        wire = self.daemon.connect()
        self.addCleanup(wire.close)
        ids = {"structure": "default", "user": "default"}
        wire.subscribe(
            *((f"{kind}.{ids.get(kind, self.serial)}", stamp) for kind, stamp in self.stamps.items()),
            serial=self.serial,
        )
        return wire

    def pushed(self, wire: Wire) -> dict[str, dict[str, Any]]:
        """Read one push; gives the values by the kind of bucket."""
        objects = json.loads(wire.chunk())["objects"]
        return {each["object_key"].partition(".")[0]: each["value"] for each in objects}


class CommandTests(ControlCase):
    def test_each_command_reaches_a_held_poll(self):
        week = {
            "ver": 2,
            "schedule_mode": "HEAT",
            "days": {"0": [{"time": 21600, "type": "HEAT", "temp": 20}]},
        }
        hash_ = "t9ZJF3VgU1YlWB+M2jedjRXVu28="
        cases: list[tuple[str, Any, str, dict[str, Any]]] = [
            ("set_temperature", 21.25, "shared", {"target_temperature": 21.25}),
            ("set_temperature", {"low": 17, "high": 23}, "shared", {"target_temperature_low": 17.0}),
            ("set_mode", "heat_cool", "shared", {"target_temperature_type": "range"}),
            ("set_away", True, "structure", {"manual_eco_all": True}),
            ("set_fan", 600, "device", {"fan_timer_duration": 600}),
            ("set_eco_temperatures", {"low": 12}, "device", {"away_temperature_low": 12.0}),
            ("set_schedule", week, "schedule", {"schedule_mode": "HEAT"}),
            ("set_schedule_mode", "cool", "shared", {"schedule_mode": "COOL"}),
            ("set_device_setting", {"temperature_scale": "F"}, "device", {"temperature_scale": "F"}),
            (
                "set_lock",
                {"pin_hash": hash_, "temp_min": 18, "temp_max": 24},
                "device",
                {"temperature_lock": True},
            ),
            ("clear_lock", None, "device", {"temperature_lock": False, "temperature_lock_pin_hash": ""}),
        ]
        for command, value, kind, expected in cases:
            with self.subTest(command=command, value=value):
                # Each on a poll of its own, which claims what the last one was told.
                wire = self.poll()
                code, answer = self.command(command, value)
                self.assertEqual(code, 200, answer)
                written = answer["data"]
                self.assertEqual(written["object_key"].partition(".")[0], kind)
                self.assertEqual(written["delivery"], "queued")
                value_pushed = self.pushed(wire)[kind]
                self.assertEqual({**value_pushed, **expected}, value_pushed)
                for other in ("shared", "device", "schedule", "structure", "user"):
                    self.stamps[other] = max(self.stamps.get(other, 0), written["timestamp"])
                wire.close()

    def test_away_is_left_by_all_that_makes_a_thermostat_leave_it(self):
        self.command("set_away", value=True)
        self.assertTrue(self.status()["away"])
        self.assertEqual(self.status()["eco_mode"], "manual-eco")
        _, answer = self.command("set_away", value=False)
        self.assertEqual(answer["data"]["values"]["manual_eco_all"], False)
        status = self.status()
        self.assertEqual((status["away"], status["eco_mode"]), (False, "schedule"))
        self.assertIn(
            ["eco"], [each["fields"] for each in status["pending"] if each["key"].startswith("device")]
        )

    def test_wait_answers_as_soon_as_the_device_acknowledged(self):
        wire = self.poll()
        answers: list[Any] = []
        waiting = threading.Thread(
            target=lambda: answers.append(self.command("set_temperature", 22.5, query="?wait=20"))
        )
        waiting.start()
        self.addCleanup(waiting.join)
        pushed = json.loads(wire.chunk())["objects"][0]
        self.stamps["shared"] = pushed["object_timestamp"]
        self.poll()
        waiting.join(20)
        [(code, answer)] = answers
        self.assertEqual((code, answer["data"]["delivery"]), (200, "acknowledged"))
        self.assertEqual(self.status()["pending"], [])

    def test_wait_that_ends_in_vain_says_how_far_it_came(self):
        _, answer = self.command("set_temperature", 22.0, query="?wait=0.1")
        self.assertEqual(answer["data"]["delivery"], "queued")
        [pending] = self.status()["pending"]
        self.assertEqual((pending["key"], pending["delivery"]), (f"shared.{self.serial}", "queued"))
        self.assertIn("target_temperature", pending["fields"])

    def test_the_same_again_is_told_as_delivered_and_wakes_nobody(self):
        self.command("set_mode", "cool")
        self.daemon.put("shared", {"target_temperature_type": "cool"}, self.serial)
        code, answer = self.command("set_mode", "cool")
        self.assertEqual(
            (code, answer["data"]["revision"]), (200, self.command("set_mode", "cool")[1]["data"]["revision"])
        )

    def test_what_is_wrong_is_said_under_both_keys_and_nothing_is_written(self):
        before = self.status()
        cases = [
            ({}, 400, "Serial required"),
            ({"serial": self.serial}, 400, "Command required"),
            ({"serial": self.serial, "command": "fly"}, 400, "Unknown command: fly"),
            ({"serial": "02AA01AC00000000", "command": "set_mode", "value": "heat"}, 404, "Device not found"),
            (
                {"serial": self.serial, "command": "set_temperature", "value": 99},
                400,
                "value must be from 4.5 to 32.0 °C, it is 99.",
            ),
        ]
        for body, status, sentence in cases:
            with self.subTest(sentence=sentence):
                code, answer = self.ask("POST", "/command", body)
                self.assertEqual(
                    (code, answer), (status, {"success": False, "message": sentence, "error": sentence})
                )
        for value in ("22", True, None, [], {}, {"low": 25}, {"low": 20, "high": 19}, {"mid": 20}):
            with self.subTest(value=value):
                self.assertEqual(self.command("set_temperature", value)[0], 400)
        after = self.status()
        self.assertEqual({**before, "last_seen": 0}, {**after, "last_seen": 0})

    def test_a_body_in_chunks_with_somebody_elses_key(self):
        """As Homebridge sends it (protocol n.4)."""
        content = json.dumps(
            {"serial": self.serial.lower(), "command": "set_temperature", "value": 21}
        ).encode()
        head = (
            b"POST /command HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer undefined\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        with self.daemon.connect("control") as wire:
            wire.send(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))
            answer = wire.answer()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["data"]["object_key"], f"shared.{self.serial}")


class StatusTests(ControlCase):
    def test_zero_degrees_are_a_temperature(self):
        status = self.status()
        self.assertEqual(status["current_temperature"], 0.0)
        self.assertEqual((status["name"], status["humidity"], status["mode"]), ("Hall", 41, "heat"))
        self.assertTrue(status["is_available"])
        self.assertTrue(status["last_seen"].endswith("Z"))
        self.assertEqual(status["api_key"], "")

    def test_a_pins_hash_is_shown_nowhere(self):
        hash_ = "if711s3zuccneCQU57q+sOUXPWA="
        wire = self.poll()
        code, answer = self.command("set_lock", {"pin_hash": hash_, "temp_min": 18, "temp_max": 24})
        self.assertEqual(code, 200)
        self.assertEqual(self.pushed(wire)["device"]["temperature_lock_pin_hash"], hash_)
        key = self.daemon.make_key()
        seen = [
            json.dumps(answer),
            json.dumps(self.status()),
            json.dumps(self.ask("GET", f"/api/v1/thermostat/{self.serial}/status", key=key)),
            self.daemon.log,
        ]
        for text in seen:
            self.assertNotIn(hash_, text)
        self.assertTrue(self.status()["temperature_lock"])

    def test_lists_are_of_the_same_shape(self):
        _, listing = self.ask("GET", "/api/devices")
        self.assertEqual(listing["total"], len(listing["devices"]))
        [mine] = [each for each in listing["devices"] if each["serial"] == self.serial]
        self.assertEqual(mine.keys(), self.status().keys())

    def test_what_does_not_exist(self):
        for path in ("/status", "/api/schedule"):
            self.assertEqual(
                self.ask("GET", path),
                (
                    400,
                    {
                        "success": False,
                        "message": "Serial parameter required",
                        "error": "Serial parameter required",
                    },
                ),
            )
            self.assertEqual(self.ask("GET", f"{path}?serial=02AA01AC00000000")[0], 404)

    def test_schedule_and_counters(self):
        self.assertEqual(
            self.ask("GET", f"/api/schedule?serial={self.serial}"),
            (200, {"serial": self.serial, "schedule": None}),
        )
        self.command("set_schedule", {"ver": 2, "schedule_mode": "HEAT", "name": "Cleared", "days": {}})
        _, answer = self.ask("GET", f"/api/schedule?serial={self.serial}")
        self.assertEqual(answer["schedule"]["days"], {str(day): {} for day in range(7)})
        self.assertEqual(answer["object_revision"], 1)
        _, stats = self.ask("GET", "/api/stats")
        self.assertIn(self.serial, stats["devices"]["serials"])
        self.assertTrue(stats["availability"][self.serial]["is_available"])


class ExpiredTests(ControlCase):
    """Nothing was heard of an owned thermostat for longer than its state is kept."""

    def setUp(self):
        super().setUp()
        self.other = f"{self.serial[:-1]}X"
        self.daemon.put("shared", SHARED, self.other)
        self.user = f"user_{self.serial[-8:]}"
        for serial in (self.serial, self.other):
            self.daemon.pair(serial, self.user)
        names = ("facts", "buckets", f"bucket:shared.{self.serial}", f"bucket:device.{self.serial}")
        gone = " ".join(f"nled:{{{self.serial}}}:{name}" for name in names)
        # What the time would do.
        self.assertEqual(self.daemon.ask_store(f"DEL {gone}"), b":4\r\n")
        long_ago = int((time.time() - 100 * 86_400) * 1000)
        self.assertEqual(self.daemon.ask_store(f"ZADD nled:devices {long_ago} {self.serial}"), b":0\r\n")

    def listed(self) -> list[set[str]]:
        """Whom of the two the lists have."""
        key = self.daemon.make_key(userId=self.user)
        both = {self.serial, self.other}
        _, stats = self.ask("GET", "/api/stats")
        return [
            {each["serial"] for each in self.ask("GET", "/api/devices")[1]["devices"]} & both,
            {each["serial"] for each in self.ask("GET", "/api/devices", key=key)[1]["devices"]} & both,
            {each["serial"] for each in self.ask("GET", "/api/v1/devices", key=key)[1]["devices"]} & both,
            set(stats["devices"]["serials"]) & both,
            set(stats["availability"]) & both,
            set(self.ask("GET", "/api/stats", key=key)[1]["devices"]["serials"]) & both,
        ]

    def test_it_is_no_thermostat_in_mode_off(self):
        self.assertEqual(self.listed(), [{self.other}] * 6)
        for path in (f"/status?serial={self.serial}", f"/api/schedule?serial={self.serial}"):
            code, answer = self.ask("GET", path)
            self.assertEqual(code, 404)
            self.assertIn("retention.object_ttl_days", answer["error"])
        code, answer = self.command("set_temperature", 21)
        self.assertEqual(code, 404)
        self.assertIn("as soon as it comes", answer["error"])
        key = self.daemon.make_key(userId=self.user)
        for method, what in (("GET", "status"), ("GET", "schedule"), ("POST", "mode")):
            body = {"mode": "heat"} if method == "POST" else None
            path = f"/api/v1/thermostat/{self.serial}/{what}"
            self.assertEqual(self.ask(method, path, body, key=key)[0], 404, path)

    def test_what_does_not_expire_stays(self):
        _, registered = self.ask("GET", f"/api/registered-devices?userId={self.user}")
        self.assertEqual({each["serial"] for each in registered}, {self.serial, self.other})
        _, shares = self.ask("GET", f"/api/shares?serial={self.serial}")
        self.assertEqual(shares["owner"], self.user)
        code, past = self.ask("GET", f"/api/history?serial={self.serial}&fields=humidity")
        self.assertEqual(code, 200)
        self.assertEqual([value for _, value in past["points"]["humidity"]], [41])
        self.ask("POST", "/api/ensure-user", {"userId": "nosy"})
        nosy = self.daemon.make_key(userId="nosy")
        self.assertEqual(self.ask("GET", f"/status?serial={self.serial}", key=nosy)[0], 403)
        # It comes again.
        self.daemon.put("shared", SHARED, self.serial)
        self.assertEqual(self.listed(), [{self.serial, self.other}] * 6)
        self.assertEqual((self.status()["mode"], self.status()["owner"]), ("heat", self.user))

    def test_a_stranger_of_whom_nothing_is_left(self):
        stranger = f"{self.serial[:-1]}Y"
        self.daemon.put("shared", SHARED, stranger)
        self.daemon.ask_store(f"ZADD nled:devices 1000 {stranger}")
        for name in ("facts", "buckets", f"bucket:shared.{stranger}"):
            self.daemon.ask_store(f"DEL nled:{{{stranger}}}:{name}")
        self.assertEqual(self.ask("GET", f"/status?serial={stranger}")[0], 404)
        for path in ("/api/devices", "/api/stats"):
            self.assertNotIn(stranger, json.dumps(self.ask("GET", path)[1]), path)


class LettingGoTests(ControlCase):
    def test_pairing_and_what_it_leaves(self):
        self.daemon.pair(self.serial, "otto")
        _, listing = self.ask("GET", "/api/registered-devices?userId=otto")
        self.assertEqual([each["serial"] for each in listing], [self.serial])
        path = f"/api/registered-devices/{self.serial}"
        self.assertEqual(self.ask("DELETE", f"{path}?userId=emma")[1]["success"], False)
        self.assertEqual(self.ask("DELETE", f"{path}?userId=otto")[1]["success"], True)
        self.assertEqual(self.ask("GET", "/api/registered-devices?userId=otto"), (200, []))
        self.assertEqual(self.status()["owner"], None)
        # It shows a new code, and can be claimed again.
        self.daemon.pair(self.serial, "emma")
        self.assertEqual(self.status()["owner"], "emma")

    def test_unpairing_ends_its_polls(self):
        self.daemon.pair(self.serial, "otto")
        claims = {f"{kind}.{self.serial}": stamp for kind, stamp in self.stamps.items()}
        while True:
            wire = self.daemon.connect()
            self.addCleanup(wire.close)
            wire.subscribe(*claims.items(), serial=self.serial)
            if wire.silent(0.2):
                break
            told = json.loads(wire.chunk())["objects"]
            claims |= {each["object_key"]: each["object_timestamp"] for each in told}
        self.assertEqual(self.ask("DELETE", f"/api/registered-devices/{self.serial}?userId=otto")[0], 200)
        self.assertEqual(wire.chunk(), b"")

    def test_forgetting_leaves_nothing(self):
        self.daemon.pair(self.serial, "ida")
        body = {"serial": self.serial}
        code, answer = self.ask("DELETE", "/api/device", body)
        self.assertEqual((code, answer["serial"]), (200, self.serial))
        self.assertGreaterEqual(answer["objects_deleted"], 2)
        self.assertEqual(self.ask("GET", f"/status?serial={self.serial}")[0], 404)
        self.assertEqual(self.ask("DELETE", "/api/device", body)[0], 404)
        self.assertEqual(self.ask("GET", "/api/registered-devices?userId=ida"), (200, []))

    def test_notify_offers_again_what_was_set_here_and_nothing_else(self):
        wire = self.poll()
        self.command("set_mode", "cool")
        self.pushed(wire)
        wire.close()
        # The device has not taken it, and is told again; its own telemetry is never told it.
        wire = self.poll()
        told = self.pushed(wire)
        self.assertEqual(told, {"shared": {"target_temperature_type": "cool"}})
        wire.close()
        code, answer = self.ask("POST", "/notify-device", {"serial": self.serial})
        self.assertEqual((code, answer["success"]), (200, True))

    def test_dialog(self):
        code, answer = self.ask("POST", f"/api/dismiss-pairing/{self.serial}")
        self.assertEqual(
            (code, answer),
            (200, {"success": True, "message": f"No pairing dialog to dismiss for {self.serial}"}),
        )


class DoorTests(ControlCase):
    def head(self, path: str = "/api/devices", **headers: str) -> Any:
        with self.daemon.connect("control") as wire:
            wire.send(request("GET", path, serial=None, headers=headers))
            return wire.answer()

    def test_a_page_of_a_stranger_is_refused(self):
        self.assertEqual(self.head(Origin="https://evil.example").status, 403)
        self.assertEqual(self.head(Origin="null").status, 403)
        self.assertEqual(self.head(Host="evil.example").status, 403)
        answer = self.head()
        self.assertEqual(answer.status, 200)
        self.assertFalse([name for name in answer.headers if name.startswith("Access-Control")])

    def test_only_json_writes(self):
        body = json.dumps({"serial": self.serial, "command": "set_temperature", "value": 21}).encode()
        with self.daemon.connect("control") as wire:
            wire.send(request("POST", "/command", body, serial=None, headers={"Content-Type": "text/plain"}))
            self.assertEqual(wire.answer().status, 415)
        self.assertEqual(self.status()["pending"], [])

    def test_keys_are_for_the_administrator(self):
        self.assertEqual(self.ask("GET", "/api/keys")[0], 403)
        self.assertEqual(self.ask("GET", "/api/people")[0], 403)
