"""The types that describe what people ask for, against what the rules take."""

from typing import Any, get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.commands import COMMANDS, hosted, modes, rule_of
from nled.domain.errors import BadRequest
from nled.web.described import commands, units
from nled.web.described.hosted import HOSTED
from tests.domain.test_commands_plan import JSON
from tests.domain.thermostats import EXAMPLES, HASH, MOMENT, thermostat


class Description(SynchronousTestCase):
    """What is described of commands and of the hosted API's bodies, against the rules."""

    def test_every_command_is_described(self) -> None:
        tags = [each.__struct_config__.tag for each in get_args(commands.Command)]
        self.assertEqual(sorted(tags), sorted(COMMANDS))
        self.assertEqual(set(get_args(units.Mode)), set(modes.MODES))

    def test_what_is_described_is_taken(self) -> None:
        schedule = {
            "ver": 2,
            "schedule_mode": "HEAT",
            "days": {"6": [{"type": "HEAT", "time": "21600", "temp": 20.5}], "0": {}},
        }
        for command, values in {
            "set_temperature": (21, 4.5, {"low": 18}, {"low": 18, "high": 24}),
            "set_mode": tuple(modes.MODES),
            "set_away": (True, False),
            "set_fan": ("on", "auto", "off", 0, 900, 43_200),
            "set_eco_temperatures": ({"high": 28},),
            "set_schedule": (schedule,),
            "set_schedule_mode": ("HEAT", "COOL", "RANGE"),
            "set_device_setting": (
                {"learning_mode": True, "target_humidity": 40, "click_sound": "off", "country_code": "US"},
                {"fan_timer_duration": 900, "temperature_lock_pin_hash": ""},
            ),
            "set_lock": ({"pin_hash": HASH, "temp_min": 18, "temp_max": 24},),
            "clear_lock": (None,),
            "set_humidity": (40, {"target": 40, "enabled": True}),
            "set_hot_water": ("on", 900, {"mode": "schedule", "boost": 900, "temperature": 55}),
        }.items():
            for value in values:
                body = msgspec.json.encode({"serial": "x", "command": command, "value": value})
                msgspec.json.decode(body, type=commands.Command)
                self.assertTrue(rule_of(command)(value, thermostat(), MOMENT), (command, value))

    def test_bodies_of_the_hosted_api_too(self) -> None:
        setpoint = {"type": "RANGE", "time": 0, "temp-min": 18, "temp-max": "24"}
        lock = {"enabled": True, "pin_hash": HASH, "temp_min": 18, "temp_max": 24}
        for kind, rule, bodies in (
            (
                hosted.Temperature,
                hosted.set_temperature,
                ({"value": 4.5}, {"value": 40.1, "scale": "F", "mode": "heat"}),
            ),
            (
                hosted.Range,
                hosted.set_range,
                ({"low": 18, "high": 24}, {"low": 65, "high": 75, "scale": "F"}),
            ),
            (hosted.Mode, hosted.set_mode, ({"mode": "off"},)),
            (
                hosted.Fan,
                hosted.set_fan,
                ({"mode": "auto"}, {"duration": 43_200}, {"mode": "on", "duration": 1}),
            ),
            (hosted.Lock, hosted.set_lock, (lock, {"enabled": False})),
            (
                hosted.Schedule,
                hosted.set_schedule,
                ({"schedule": {"ver": 2, "schedule_mode": "RANGE", "days": {"0": [setpoint]}}},),
            ),
        ):
            described = HOSTED[kind]
            for body in bodies:
                fitting = [each for each in get_args(described) or (described,) if _fits(body, each)]
                self.assertTrue(fitting, (kind, body))
                self.assertTrue(rule(msgspec.convert(body, kind), thermostat(), MOMENT), (kind, body))

    @EXAMPLES
    @given(st.sampled_from(sorted(COMMANDS)), JSON)
    def test_what_is_taken_is_described(self, command: str, value: object) -> None:
        try:
            rule_of(command)(value, thermostat(), MOMENT)
        except BadRequest:
            return
        body = msgspec.json.encode({"serial": "x", "command": command, "value": value})
        try:
            msgspec.json.decode(body, type=commands.Command)
        except msgspec.ValidationError as error:
            # Names in any case are taken, which no schema can say; and 900.0, which is an integer to a schema.
            self.assertRegex(str(error), "Invalid enum value|Expected `.*int.*`, got `float`")


def _fits(body: object, kind: Any) -> bool:
    try:
        msgspec.convert(body, kind)
    except msgspec.ValidationError:
        return False
    return True
