"""All commands together: whatever comes, it is refused or can be stored."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.buckets import encode
from nled.domain.commands import COMMANDS, HOSTED, Rule, rule_of
from nled.domain.device import Device
from nled.domain.errors import BadRequest
from tests.domain.thermostats import EXAMPLES, HASH, MOMENT, thermostat

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from([10**400, 21, 900, "on", "off", "heat", "HEAT", "auto", HASH, "20.5"])
)
NAMES = st.sampled_from(
    [
        *("low", "high", "target", "enabled", "mode", "boost", "temperature", "pin", "pin_hash", "temp_min"),
        *("temp_max", "ver", "days", "schedule_mode", "name", "0", "6", "time", "temp", "type", "temp-min"),
        *("learning_mode", "temp_lock_on", "fan_timer_timeout", "upper_safety_temp", "where_id"),
        *("fan_timer_duration_minutes", "temperature_lock_pin_hash", "away_temperature_low"),
    ]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=4),
    max_leaves=12,
)
# A device may have stored anything under any of the names that rules look at.
FIELDS = st.sampled_from(
    sorted({name for rule in COMMANDS.values() for names in rule.reads.values() for name in names})
)
BUCKETS = st.none() | st.dictionaries(FIELDS, JSON, max_size=8)
SCHEDULES = st.fixed_dictionaries(
    {
        "ver": st.just(2),
        "schedule_mode": st.sampled_from(["HEAT", "RANGE"]),
        "days": st.dictionaries(
            st.sampled_from("0123456"),
            st.lists(
                st.fixed_dictionaries(
                    {"type": st.sampled_from(["HEAT", "RANGE"]) | SCALARS, "time": SCALARS, "temp": SCALARS},
                    optional={"temp-min": SCALARS, "temp-max": SCALARS, "touched_by": JSON},
                ),
                max_size=4,
            ),
        ),
    }
)


# Values that look at what the examples do not.
MORE: Mapping[str, tuple[Any, ...]] = {
    "set_device_setting": (
        *({"temperature_lock": True}, {"upper_safety_temp": 30}, {"away_temperature_low": 18}),
        *({"hot_water_temperature": 55}, {"hot_water_mode": "off"}, {"fan_mode": "auto"}),
    )
}
LOOSE = {
    "has_humidifier": False,
    "has_fan": True,
    "has_hot_water_control": True,
    "lower_safety_temp_enabled": True,
    "upper_safety_temp_enabled": True,
    "temperature_lock": True,
}


class Watched(dict[str, Any]):
    """The fields of a bucket, which only tell one at a time, and what they were asked for."""

    def __init__(self, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(fields or {})
        self.asked: set[str] = set()

    def get(self, name: str, default: object = None) -> Any:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name, default)

    def _refuse(self, *_: object) -> Any:
        raise AssertionError("A rule looks at one field at a time, by get.")

    __getitem__ = __iter__ = keys = _refuse


class Plan(SynchronousTestCase):
    def test_unknown(self) -> None:
        said = str(self.assertRaises(BadRequest, rule_of, "set_fire"))
        self.assertEqual(said, "Unknown command: set_fire")
        said = str(self.assertRaises(BadRequest, rule_of, "x" * 10_000))
        self.assertLess(len(said), 100)

    def check(self, command: str, value: object, device: Device) -> None:
        try:
            changes = rule_of(command)(value, device, MOMENT)
        except BadRequest as refused:
            self.assertTrue(str(refused))
            self.assertLess(len(str(refused)), 1000)
            encode(str(refused))
            return
        self.assertTrue(changes)
        for change in changes:
            self.assertTrue(change.values)
            self.assertLessEqual(set(change.values), set(COMMANDS[command].writes[change.kind]))
            text = encode(change.values)
            json.loads(text, parse_constant=self.fail)
            # msgspec writes NaN and infinities as null: that would be one, unseen.
            self.assertNotIn("null", text)
        kinds = [change.kind for change in changes]
        self.assertEqual(len(kinds), len(set(kinds)))

    @EXAMPLES
    @given(st.sampled_from(sorted(COMMANDS)), JSON, BUCKETS, BUCKETS)
    def test_anything(self, command: str, value: object, shared: Any, device: Any) -> None:
        self.check(command, value, thermostat(shared, device))

    @EXAMPLES
    @given(SCHEDULES)
    def test_any_schedule(self, value: object) -> None:
        self.check("set_schedule", value, thermostat())

    def looked_at(self, rule: Rule[Any], values: Iterable[object]) -> set[tuple[str, str]]:
        """The fields that a rule asks a device for, as (kind, name)."""
        looked = set()
        for value in values:
            for fields in ({}, LOOSE):
                shared, device = Watched(), Watched(fields)
                with contextlib.suppress(BadRequest):
                    rule(value, thermostat(shared, device), MOMENT)
                looked |= {("shared", name) for name in shared.asked}
                looked |= {("device", name) for name in device.asked}
        return looked

    def test_what_a_rule_reads_is_what_it_looks_at(self) -> None:
        """What it does not name it would never find."""
        all_named, all_looked = set(), set()
        for rule in (*COMMANDS.values(), *HOSTED):
            values = (*rule.examples, *MORE.get(getattr(rule, "name", ""), ()))
            named = {(kind, name) for kind, names in rule.reads.items() for name in names}
            looked = self.looked_at(rule, values)
            self.assertLessEqual(looked, named, rule)
            all_named |= named
            all_looked |= looked
        self.assertEqual(all_named, all_looked)
