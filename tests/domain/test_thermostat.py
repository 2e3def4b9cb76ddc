"""The typed view of a thermostat: protocol c.3, n.1 to n.3, b.6."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.buckets import ObjectKey
from nled.domain.device import Bucket, Delivery, Device, Pending
from nled.domain.rooms import room
from nled.domain.thermostat import VIEW, Status, view

SERIAL = "02AA01AC33140F61"
NOW = 1_795_000_000_000
SECONDS = NOW // 1000
WINDOW = 300_000

SHARED = {
    "current_temperature": 20.5,
    "target_temperature": 21.0,
    "target_temperature_low": 18.0,
    "target_temperature_high": 24.0,
    "target_temperature_type": "heat",
    "schedule_mode": "HEAT",
    "can_heat": True,
    "can_cool": False,
    "hvac_heater_state": True,
    "hvac_alt_heat_x2_state": False,
    "name": "",
}
OWN = {
    "current_humidity": 41,
    "current_version": "5.9.4-5",
    "battery_level": 3.9,
    "away_temperature_high": 28.0,
    "away_temperature_low": 10.0,
    "where_id": "00000000-0000-0000-0000-00010000000c",
    "temperature_lock": True,
    "temperature_lock_low_temp": 18.0,
    "temperature_lock_high_temp": 24.0,
    "temperature_lock_pin_hash": "kFRc/skLylZUKACup2bPzjQDUII=",
}
# What RestThermostat must not find null (protocol n.1), and the types it wants.
NEVER_NULL = {
    "serial": str,
    "api_key": str,
    "is_available": bool,
    "is_online": bool,
    "last_seen": str,
    "current_temperature": float,
    "target_temperature": float,
    "humidity": int,
    "target_humidity": int,
    "target_humidity_enabled": bool,
    "mode": str,
    "fan_timer_active": bool,
    "fan_timer_timeout": int,
    "has_leaf": bool,
    "software_version": str,
    "temperature_scale": str,
    "time_to_target": int,
    "away": bool,
    "backplate_temperature": float,
    "subscription_count": int,
    "can_heat": bool,
    "can_cool": bool,
    "has_fan": bool,
}


def device(
    shared: Mapping[str, Any] | None = None,
    own: Mapping[str, Any] | None = None,
    home: Mapping[str, Any] | None = None,
    pending: tuple[Pending, ...] = (),
    **others: Any,
) -> Device:
    buckets = {}
    for kind, values in {"shared": shared, "device": own, "structure": home, **others}.items():
        if values is not None:
            key = ObjectKey(kind, "home" if kind in ("structure", "where") else SERIAL)
            buckets[str(key)] = Bucket(key, 1, NOW, values, pending if kind == "structure" else ())
    return Device(SERIAL, "user_ann", "home", NOW - 10_000, NOW - 10_000, buckets=buckets)


def seen(one: Device, now: int = NOW) -> Status:
    return view(one, now, WINDOW, 1)


class Views(SynchronousTestCase):
    def answer(self, one: Device) -> dict[str, Any]:
        """Give the answer as a client reads it, checked for what must never be null."""
        answer = json.loads(msgspec.json.encode(seen(one)))
        for name, kind in NEVER_NULL.items():
            self.assertIs(type(answer[name]), kind, name)
        self.assertEqual(len(answer["hvac"]), 14)
        self.assertEqual(len(answer["capabilities"]), 6)
        for name, flag in (answer["hvac"] | answer["capabilities"]).items():
            self.assertIs(type(flag), bool, name)
        if answer["eco_temperatures"] is not None:
            self.assertEqual([type(each) for each in answer["eco_temperatures"].values()], [float, float])
        # It reads back as what it is: the type is what it says.
        self.assertEqual(msgspec.json.decode(msgspec.json.encode(seen(one)), type=Status), seen(one))
        return answer

    def test_a_whole_device(self) -> None:
        answer = self.answer(device(SHARED, OWN))
        expected = {
            "serial": SERIAL,
            "api_key": "",
            "complete": True,
            "is_available": True,
            "is_online": True,
            "name": "Living Room",
            "owner": "user_ann",
            "structure_id": "home",
            "current_temperature": 20.5,
            "target_temperature": 21.0,
            "target_temperature_low": 18.0,
            "target_temperature_high": 24.0,
            "mode": "heat",
            "action": "heating",
            "humidity": 41,
            "eco_temperatures": {"high": 28.0, "low": 10.0},
            "eco_mode": "schedule",
            "away": False,
            "software_version": "5.9.4-5",
            "temperature_scale": "C",
            "can_heat": True,
            "can_cool": False,
            "schedule_mode": "HEAT",
            "battery_level": 3.9,
            "battery_percent": 80,
            "temperature_lock": True,
            "temperature_lock_low_temp": 18.0,
            "temperature_lock_high_temp": 24.0,
            "subscription_count": 1,
            "pending": [],
        }
        self.assertEqual({name: answer[name] for name in expected}, expected)
        self.assertTrue(answer["hvac"]["heater"])
        self.assertFalse(answer["capabilities"]["can_cool"])

    def test_the_pin_hash_is_in_no_answer(self) -> None:
        text = msgspec.json.encode(seen(device(SHARED, OWN)))
        self.assertNotIn(b"pin_hash", text)
        self.assertNotIn(b"kFRc", text)
        self.assertNotIn("temperature_lock_pin_hash", VIEW["device"])

    def test_parts_of_a_device_are_not_complete(self) -> None:
        rows = [
            (None, None),
            (SHARED, None),
            (None, OWN),
            ({"target_temperature": 21.0}, {"fan_timer_timeout": 0}),
            (SHARED, {"current_humidity": 41}),
            ({**SHARED, "current_temperature": None}, OWN),
        ]
        for shared, own in rows:
            self.assertFalse(self.answer(device(shared, own))["complete"], (shared, own))

    def test_one_that_never_came(self) -> None:
        answer = self.answer(Device(SERIAL, "user_ann", "home"))
        self.assertEqual(answer["last_seen"], "1970-01-01T00:00:00Z")
        self.assertFalse(answer["is_available"] or answer["is_online"])
        self.assertEqual(answer["name"], SERIAL)
        self.assertEqual((answer["can_heat"], answer["can_cool"], answer["has_fan"]), (True, True, False))

    def test_zero_is_a_temperature(self) -> None:
        answer = self.answer(
            device(
                {**SHARED, "current_temperature": 0, "target_temperature": 0.0},
                {**OWN, "current_temperature": 55.0, "target_temperature": 55.0, "away_temperature_low": 0},
            )
        )
        self.assertEqual(answer["current_temperature"], 0.0)
        self.assertEqual(answer["target_temperature"], 0.0)
        self.assertEqual(answer["eco_temperatures"]["low"], 0.0)

    def test_where_else_firmware_has_a_field(self) -> None:
        own = {**OWN, **SHARED, "current_schedule_mode": "COOL"}
        answer = self.answer(device({}, own))
        self.assertEqual((answer["current_temperature"], answer["mode"]), (20.5, "heat"))
        self.assertTrue(answer["hvac"]["heater"])
        self.assertEqual(answer["schedule_mode"], "COOL")
        self.assertEqual(
            self.answer(device({}, {}, schedule={"schedule_mode": "RANGE"}))["schedule_mode"], "RANGE"
        )

    def test_values_of_any_type(self) -> None:
        junk = [None, True, "21.5", "", [1], {"a": 1}, 10**30, -(10**400), 1e200, [[[]]]]
        fields = {kind: dict.fromkeys(names) for kind, names in VIEW.items()}
        for value in junk:
            odd = {kind: dict.fromkeys(names, value) for kind, names in fields.items()}
            answer = self.answer(
                device(
                    odd["shared"],
                    odd["device"],
                    odd["structure"],
                    schedule=odd["schedule"],
                    where=odd["where"],
                )
            )
            self.assertEqual(answer["current_temperature"], 0.0, value)
            self.assertEqual(answer["complete"], False, value)
            self.assertEqual(answer["mode"], "off")

    def test_modes(self) -> None:
        for stored, mode in {
            "RANGE": "range",
            "heat-cool": "range",
            "emergency": "emergency",
            "x": "off",
        }.items():
            self.assertEqual(seen(device({**SHARED, "target_temperature_type": stored})).mode, mode)

    def test_actions(self) -> None:
        idle = {**SHARED, "hvac_heater_state": False}
        on = {"fan_timer_timeout": SECONDS + 60}
        rows: list[tuple[dict[str, Any], dict[str, Any], str]] = [
            (idle, {}, "idle"),
            (idle, on, "fan"),
            (idle, {"fan_control_state": True}, "fan"),
            ({**idle, "hvac_ac_state": True}, on, "cooling"),
            ({**idle, "hvac_cool_x3_state": True}, {}, "cooling"),
            ({**idle, "hvac_alt_heat_x2_state": True}, {}, "heating"),
            ({**idle, "hvac_emer_heat_state": True, "target_temperature_type": "emergency"}, {}, "heating"),
            ({**SHARED, "target_temperature_type": "off"}, on, "off"),
        ]
        for shared, own, action in rows:
            self.assertEqual(seen(device(shared, own)).action, action, (shared, own))

    def test_the_fan_timer(self) -> None:
        for timeout, active in ((SECONDS + 1, True), (SECONDS, False), (0, False), ("soon", False)):
            status = seen(device(SHARED, {"fan_timer_timeout": timeout, "fan_timer_duration": 900}))
            self.assertIs(status.fan_timer_active, active, timeout)
            self.assertEqual(status.fan_timer_duration, 900)

    def test_names(self) -> None:
        place = "00000000-0000-0000-0000-000100000008"
        custom = {"wheres": [{"where_id": "x"}, 5, {"where_id": "mine", "name": "Sauna"}]}
        rows: list[tuple[Device, str]] = [
            (device({"label": "Up", "name": "Down"}, {"where_id": place}), "Up"),
            (device({"label": "", "name": "Down"}), "Down"),
            (device({"name": ["x"]}, {"where_id": place}), "Kids Room"),
            (device({}, {"where_id": "mine"}, where=custom), "Sauna"),
            (device({}, {"where_id": place}, where=custom), "Kids Room"),
            (device({}, {"where_id": "nowhere"}, where=custom), SERIAL),
            (device({}, {"where_id": 5}), SERIAL),
        ]
        for one, name in rows:
            self.assertEqual(seen(one).name, name)
        self.assertEqual(room("00000000-0000-0000-0000-00010000000D"), "Bedroom")
        self.assertIsNone(room("00000000-0000-0000-0000-000100000019"))

    def test_availability_and_last_contact(self) -> None:
        one = device(SHARED, OWN)
        self.assertTrue(seen(one, NOW - 10_000 + WINDOW - 1).is_online)
        late = seen(one, NOW + WINDOW)
        self.assertFalse(late.is_available or late.is_online)
        self.assertEqual(late.last_seen, datetime.fromtimestamp(SECONDS - 10, UTC))
        self.assertTrue(self.answer(one)["last_seen"].endswith("Z"))

    def test_battery(self) -> None:
        for volts, percent in ((3.75, 50), (3.2, 0), (4.2, 100), (None, None)):
            self.assertEqual(seen(device(SHARED, {"battery_level": volts})).battery_percent, percent)

    def test_pending(self) -> None:
        waiting = Pending("structure.home", ("manual_eco_all",), 3, NOW, NOW, "pushed")
        (only,) = self.answer(device(SHARED, OWN, {}, (waiting,)))["pending"]
        expected = {
            "key": "structure.home",
            "fields": ["manual_eco_all"],
            "revision": 3,
            "timestamp": NOW,
            "delivery": "pushed",
        }
        self.assertEqual(only, expected)

    def test_the_fields_it_names_are_those_it_reads(self) -> None:
        class Watched(dict[str, Any]):
            def get(self, name: str, default: Any = None) -> Any:
                read.add(name)
                return super().get(name, default)

            def __contains__(self, name: object) -> bool:
                read.add(str(name))
                return super().__contains__(name)

        for kind, names in VIEW.items():
            read: set[str] = set()
            watched = Watched(manual_eco_all=False) if kind == "structure" else Watched()
            buckets: dict[str, Any] = {"shared": {}, "own": {}, "home": {}, "schedule": {}, "where": {}}
            one = device(**buckets | {{"device": "own", "structure": "home"}.get(kind, kind): watched})
            seen(evolve(one, structure=None) if kind != "structure" else one)
            self.assertEqual(read, set(names), kind)
            self.assertEqual(len(names), len(set(names)), kind)


def eco(mode: str, at: int = 0) -> dict[str, Any]:
    return {"mode": mode, "touched_by": 1, "mode_update_timestamp": at}


def gone(at: int) -> dict[str, Any]:
    return {"manual_eco_all": True, "manual_eco_timestamp": at}


def home(at: int) -> dict[str, Any]:
    return {"manual_eco_all": False, "manual_eco_timestamp": at, "away": False}


def waiting(delivery: Delivery) -> tuple[Pending, ...]:
    return (Pending("structure.home", ("manual_eco_all", "manual_eco_timestamp"), 3, NOW, NOW, delivery),)


class Away(SynchronousTestCase):
    """Precedence as in `nled.domain.eco.away_of`."""

    def check(self, rows: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], bool, str]]) -> None:
        for own, shared, structure, away, mode in rows:
            status = seen(device(shared, own, structure))
            self.assertEqual((status.away, status.eco_mode), (away, mode), (own, shared, structure))

    def test_the_device_alone(self) -> None:
        self.check(
            [
                ({}, {}, {}, False, "schedule"),
                ({"eco": eco("schedule", 5)}, {}, {}, False, "schedule"),
                ({"eco": eco("manual-eco", 5)}, {}, {}, True, "manual-eco"),
                ({"eco": eco("auto-eco", 5)}, {}, {}, True, "auto-eco"),
                # b.6 no. 20: as a text, and as a text of JSON.
                ({"eco_mode": "manual-eco"}, {}, {}, True, "manual-eco"),
                ({"eco_mode": json.dumps(eco("auto-eco", 5))}, {}, {}, True, "auto-eco"),
                ({"eco": eco("schedule", 5), "eco_mode": "manual-eco"}, {}, {}, False, "schedule"),
                # b.6 no. 14 and 15: in shared, else in device; 1 or 2.
                ({}, {"auto_away": 1}, {}, True, "schedule"),
                ({"auto_away": 2}, {}, {}, True, "schedule"),
                ({"auto_away": 1}, {"auto_away": 0}, {}, False, "schedule"),
                # What is no eco mode is none.
                ({"eco": {"mode": 5}}, {}, {}, False, "schedule"),
                ({"eco": {"mode": "party"}}, {}, {}, False, "schedule"),
                ({"eco": [], "eco_mode": "{"}, {}, {}, False, "schedule"),
                ({"eco": [], "eco_mode": "[" * 5000}, {}, {}, False, "schedule"),
            ]
        )

    def test_set_away_reads_back(self) -> None:
        before = SECONDS - 1000
        self.check(
            [
                # At once, the device still reporting what was before.
                ({"eco": eco("schedule", before)}, {}, gone(SECONDS), True, "manual-eco"),
                ({"eco": eco("manual-eco", before)}, {}, home(SECONDS), False, "schedule"),
                ({"eco": eco("auto-eco", before)}, {"auto_away": 1}, home(SECONDS), False, "schedule"),
                ({}, {}, gone(SECONDS), True, "manual-eco"),
                # set_away false writes eco as well (protocol d.3), in the same second.
                ({"eco": eco("schedule", SECONDS)}, {}, gone(SECONDS), True, "manual-eco"),
                # After the device reported its own eco.
                ({"eco": eco("manual-eco", SECONDS + 2)}, {}, gone(SECONDS), True, "manual-eco"),
                ({"eco": eco("schedule", SECONDS + 2)}, {}, home(SECONDS), False, "schedule"),
                # The dial ended it, or the sensor began it.
                ({"eco": eco("schedule", SECONDS + 2)}, {}, gone(SECONDS), False, "schedule"),
                ({"eco": eco("auto-eco", SECONDS + 2)}, {}, home(SECONDS), True, "auto-eco"),
                # The sensor is believed again ten minutes after somebody said to be at home.
                ({}, {"auto_away": 1}, home(SECONDS - 599), False, "schedule"),
                ({}, {"auto_away": 1}, home(SECONDS - 600), True, "schedule"),
                # The home's own away holds until it is taken back.
                ({"eco": eco("schedule", SECONDS)}, {}, {"away": True}, True, "schedule"),
                ({"eco": eco("auto-eco", 5)}, {}, home(SECONDS), False, "schedule"),
                # A word that is none.
                ({"eco": eco("auto-eco", 5)}, {}, {"manual_eco_all": "yes"}, True, "auto-eco"),
            ]
        )

    def test_a_word_the_device_has_yet_to_hear(self) -> None:
        # The clock of the device runs ahead: its report looks later than our word.
        own = {"eco": eco("schedule", SECONDS + 100)}
        for delivery, away in (("queued", True), ("pushed", True), ("expired", False)):
            status = seen(device({}, own, gone(SECONDS), waiting(delivery)))
            self.assertIs(status.away, away, delivery)
        # What it never got it does not obey, however new it is.
        own = {"eco": eco("schedule", SECONDS - 100)}
        self.assertFalse(seen(device({}, own, gone(SECONDS), waiting("expired"))).away)
        late = home(SECONDS - 5000)
        self.assertTrue(seen(device({"auto_away": 1}, {}, late)).away)
        self.assertFalse(seen(device({"auto_away": 1}, {}, late, waiting("queued"))).away)
