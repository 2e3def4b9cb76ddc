"""Fan, humidity and hot water (PROTOCOL.md c.2, d.3, h.3)."""

from nled.domain.commands.change import Change, capabilities, lacks, reads
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.quantities import flag, whole
from nled.domain.settings import LONGEST_RUN, SETTINGS
from nled.domain.values import number as stored

# Seconds the fan runs where the thermostat does not say.
_FAN = 3600
_BOOSTS = {"on": 1800, "off": 0}
_HOT_WATER = {
    "mode": "hot_water_mode",
    "boost": "hot_water_boost_time_to_end",
    "temperature": "hot_water_temperature",
}


@reads(shared=("has_fan",), device=(*capabilities("has_fan")["device"], "fan_timer_duration"))
def set_fan(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Run the fan for a time, or leave it to the thermostat.

    Args:
        value: `"on"`, for as long as the thermostat's own timer is set; seconds, at most 12 h; `"auto"`,
            `"off"` or 0 to end it.
        device: its `has_fan` and `fan_timer_duration` count.
        moment: the timer starts now, not when the thermostat hears of it.
    """
    if lacks(device, "has_fan"):
        raise BadRequest("Device does not have a fan (has_fan=false)")
    if value in ("auto", "off"):
        return (Change("device", {"fan_timer_timeout": 0}),)
    if value == "on":
        usual = stored(device.device.values.get("fan_timer_duration"))
        duration = int(usual) if usual is not None and 1 <= usual <= LONGEST_RUN else _FAN
    elif isinstance(value, int | float) and not isinstance(value, bool):
        duration = whole("value", value, 0, LONGEST_RUN, "seconds")
    else:
        raise BadRequest(
            f'No values to update: value must be "on", "auto" or a number of seconds up to {LONGEST_RUN}.'
        )
    if duration == 0:
        return (Change("device", {"fan_timer_timeout": 0}),)
    timeout = moment.now // 1000 + duration
    return (Change("device", {"fan_timer_duration": duration, "fan_timer_timeout": timeout}),)


@reads(**capabilities("has_humidifier", "has_dehumidifier"))
def set_humidity(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Set the humidity to keep.

    Args:
        value: whole percent, 10 to 60; or `{"target": percent, "enabled": bool}` with either or both.
            A number alone leaves it as it is whether that humidity is kept.
        device: needs a humidifier or a dehumidifier.
        moment: not needed.
    """
    if lacks(device, "has_humidifier") and lacks(device, "has_dehumidifier"):
        raise BadRequest(
            "Device does not have a humidifier or dehumidifier (has_humidifier=false, has_dehumidifier=false)"
        )
    given = value if isinstance(value, dict) else {"target": value}
    if not given or not set(given) <= {"target", "enabled"}:
        raise BadRequest('value must be a percentage, or {"target": percentage, "enabled": true or false}.')
    fields: dict[str, object] = {}
    if "target" in given:
        where = "target" if given is value else "value"
        fields["target_humidity"] = SETTINGS["target_humidity"].read(where, given["target"], 0)
    if "enabled" in given:
        fields["target_humidity_enabled"] = flag("enabled", given["enabled"])
    return (Change("device", fields),)


@reads(**capabilities("has_hot_water_control", "has_hot_water_temperature"))
def set_hot_water(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Boost the hot water, or set how it is made.

    Args:
        value: `"on"` for a boost of 30 minutes; seconds for another one, at most 12 h; `"off"` or 0 to
            end it; or any of `{"mode": "schedule"|"off", "boost": seconds, "temperature": °C}`.
        device: needs hot water control, and for a temperature hot water temperature.
        moment: the boost starts now.
    """
    if lacks(device, "has_hot_water_control"):
        raise BadRequest("Device does not have hot water control (has_hot_water_control=false)")
    if isinstance(value, dict):
        given, where = value, "boost"
    else:
        given, where = {"boost": _BOOSTS.get(value, value) if isinstance(value, str) else value}, "value"
    if not given or not set(given) <= set(_HOT_WATER):
        raise BadRequest(
            'value must be "on", "off", a number of seconds, or {"mode", "boost", "temperature"}.'
        )
    if "temperature" in given and lacks(device, "has_hot_water_temperature"):
        raise BadRequest("Device cannot set the hot water's temperature (has_hot_water_temperature=false)")
    fields: dict[str, object] = {}
    for name, field in _HOT_WATER.items():
        if name in given and name != "boost":
            fields[field] = SETTINGS[field].read(name, given[name], 0)
    if "boost" in given:
        seconds = whole(where, given["boost"], 0, LONGEST_RUN, "seconds")
        fields[_HOT_WATER["boost"]] = moment.now // 1000 + seconds if seconds else 0
    return (Change("device", fields),)
