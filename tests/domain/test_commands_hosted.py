"""The hosted API's requests: protocol d.2, d.3, d.6."""

from collections.abc import Mapping
from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.commands import HOSTED
from nled.domain.errors import BadRequest
from tests.domain.thermostats import HASH, MOMENT, SECONDS, TOLD, TOUCHED, thermostat

REQUESTS = {each.path: each for each in HOSTED}
LOCK_PAGE = b"""{
  "enabled": true,
  "pin_hash": "/PiS0Kl52c8oNptmsL4Z7cxd9mg=",
  "temp_min": 18,
  "temp_max": 24
}"""


class Hosted(SynchronousTestCase):
    def plan(
        self,
        path: str,
        body: object,
        shared: Mapping[str, Any] | None = None,
        device: Mapping[str, Any] | None = None,
    ) -> dict[str, dict[str, Any]]:
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        changes = REQUESTS[path](msgspec.json.decode(raw), thermostat(shared, device), MOMENT)
        return {change.kind: dict(change.values) for change in changes}

    def refusal(self, path: str, body: object, *buckets: Mapping[str, Any] | None) -> str:
        return str(self.assertRaises(BadRequest, self.plan, path, body, *buckets))


class Temperature(Hosted):
    def test_in_the_mode_it_is_in(self) -> None:
        written = {
            "shared": {"target_temperature": 21.5, "target_change_pending": True, "touched_by": TOUCHED}
        }
        for body in (
            {"value": 21.5},
            {"value": 21.5, "mode": None},
            {"value": 21.5, "scale": "C"},
            {"value": 21.5, "scale": None},
        ):
            self.assertEqual(self.plan("temperature", body), written)
        # Clients repeat the mode as it is, whatever it is.
        for mode, current in (("heat", "heat"), ("Heat", "HEAT"), ("off", "off"), ("heat-cool", "range")):
            body = {"value": 21.5, "mode": mode}
            self.assertEqual(
                self.plan("temperature", body, {"target_temperature_type": current, "can_heat": False}),
                written,
            )

    def test_in_another_mode_in_one_write(self) -> None:
        for shared in ({"target_temperature_type": "cool"}, {}, None):
            changes = self.plan("temperature", {"value": 20, "mode": "heat"}, shared)
            self.assertEqual(list(changes), ["shared"])
            self.assertEqual(changes["shared"]["target_temperature_type"], "heat")
            self.assertEqual(changes["shared"]["target_temperature"], 20.0)

    def test_a_mode_it_has_not_got(self) -> None:
        body = {"value": 20, "mode": "cool"}
        self.assertIn("can_cool=false", self.refusal("temperature", body, {"can_cool": False}))
        for shared in (None, {}, {"target_temperature_type": "heat"}):
            said = self.refusal("temperature", {"value": 20, "mode": "warm"}, shared)
            self.assertIn("Unknown mode 'warm'", said)

    def test_fahrenheit(self) -> None:
        for value, celsius in ((68, 20.0), (72, 22.222), (71, 21.667), (40.1, 4.5), (89.6, 32.0)):
            fields = self.plan("temperature", {"value": value, "scale": "F"})["shared"]
            self.assertEqual(fields["target_temperature"], celsius)
        for value in (40, 90, 20):
            self.assertEqual(
                self.refusal("temperature", {"value": value, "scale": "F"}),
                f"value must be from 40.1 to 89.6 °F (4.5 to 32 °C), it is {value}.",
            )

    def test_no_number(self) -> None:
        for scale in ("C", "F"):
            for bad in ("21", None, True, [], {}):
                said = self.refusal("temperature", {"value": bad, "scale": scale})
                self.assertEqual(said, "Temperature value must be a number")
            self.refusal("temperature", b'{"value":1e999}'.replace(b"1e999", b"1e300"))

    def test_the_thermostats_own_bounds(self) -> None:
        lock = {"temperature_lock": True, "temperature_lock_high_temp": 22.222}
        self.plan("temperature", {"value": 72, "scale": "F"}, {}, lock)
        self.assertIn("lock", self.refusal("temperature", {"value": 73, "scale": "F"}, {}, lock))


class Range(Hosted):
    def test_puts_it_into_range(self) -> None:
        for shared in (None, {}, {"target_temperature_type": "heat"}):
            fields = self.plan("temperature/range", {"low": 68, "high": 75.2, "scale": "F"}, shared)["shared"]
            self.assertEqual(
                fields,
                {
                    "target_temperature_low": 20.0,
                    "target_temperature_high": 24.0,
                    "target_change_pending": True,
                    "touched_by": TOUCHED,
                    "target_temperature_type": "range",
                },
            )

    def test_leaves_it_in_range(self) -> None:
        fields = self.plan("temperature/range", {"low": 20, "high": 24}, {"target_temperature_type": "Range"})
        self.assertNotIn("target_temperature_type", fields["shared"])

    def test_refused(self) -> None:
        self.assertIn("low must be under high", self.refusal("temperature/range", {"low": 24, "high": 20}))
        self.assertIn("low", self.refusal("temperature/range", {"low": 2, "high": 20}))
        self.assertEqual(
            self.refusal("temperature/range", {"low": 20, "high": "x"}), "Temperature high must be a number"
        )
        said = self.refusal("temperature/range", {"low": 20, "high": 24}, {"can_cool": False})
        self.assertEqual(said, "Range mode requires both heating and cooling capability")


class Others(Hosted):
    def test_mode(self) -> None:
        for mode, wire in {"heat-cool": "range", "off": "off", "heat": "heat", "cool": "cool"}.items():
            changes = self.plan("mode", {"mode": mode})
            self.assertEqual(changes, {"shared": {"target_temperature_type": wire}})

    def test_away(self) -> None:
        self.assertEqual(list(self.plan("away", {"away": True})), ["structure"])
        self.assertEqual(list(self.plan("away", {"away": False})), ["structure", "device"])

    def test_fan(self) -> None:
        timed = {"device": {"fan_timer_duration": 900, "fan_timer_timeout": SECONDS + 900}}
        for body in ({"duration": 900}, {"mode": "on", "duration": 900}, {"mode": None, "duration": 900}):
            self.assertEqual(self.plan("fan", body), timed)
        for mode in ("auto", "off"):
            changes = self.plan("fan", {"mode": mode, "duration": None})
            self.assertEqual(changes, {"device": {"fan_timer_timeout": 0}})
        self.assertIn("fan_timer_duration", self.plan("fan", {"mode": "on"})["device"])

    def test_fan_refused(self) -> None:
        for bad in (0, -1, 43_201, 1.5, True, "900", []):
            self.assertIn("duration", self.refusal("fan", {"duration": bad}))
        self.assertIn("duration", self.refusal("fan", {"mode": "auto", "duration": 900}))
        self.assertEqual(self.refusal("fan", {}), "mode or duration is required.")
        self.assertIn("has_fan=false", self.refusal("fan", {"mode": "on"}, {}, TOLD))

    def test_schedule(self) -> None:
        schedule = {"ver": 2, "days": {}, "name": "Cleared", "schedule_mode": "HEAT"}
        changes = self.plan("schedule", {"schedule": schedule})
        self.assertEqual(list(changes), ["schedule", "shared"])
        self.assertEqual(self.refusal("schedule", {"schedule": {}}), "Schedule ver must be 2")


class Lock(Hosted):
    def test_the_example_of_the_page(self) -> None:
        self.assertEqual(
            self.plan("lock", LOCK_PAGE),
            {
                "device": {
                    "temperature_lock": True,
                    "temperature_lock_pin_hash": "/PiS0Kl52c8oNptmsL4Z7cxd9mg=",
                    "temperature_lock_low_temp": 18.0,
                    "temperature_lock_high_temp": 24.0,
                }
            },
        )

    def test_disabled(self) -> None:
        off = {"device": {"temperature_lock": False, "temperature_lock_pin_hash": ""}}
        self.assertEqual(self.plan("lock", {"enabled": False}), off)
        self.assertEqual(self.plan("lock", {"enabled": False, "temp_min": "x"}), off)

    def test_all_four(self) -> None:
        body = {"enabled": True, "pin_hash": HASH, "temp_min": 18, "temp_max": 24}
        for name in ("pin_hash", "temp_min", "temp_max"):
            less = {key: value for key, value in body.items() if key != name}
            self.assertEqual(self.refusal("lock", less), f"{name} must be given to enable the lock.")
        self.assertIn("Base64", self.refusal("lock", body | {"pin_hash": "1234"}))
        self.assertIn("under", self.refusal("lock", body | {"temp_max": 18}))
        self.assertIn("temp_min", self.refusal("lock", body | {"temp_min": "18"}))
