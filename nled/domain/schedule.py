"""The weekly schedule, in the one form that the firmware obeys (protocol c.2.3, d.4, h.4, n.7).

Day "0" is Monday. People send a day as a list or as a map, with gaps, in any order; the thermostat
wants all seven days, each a map of setpoints "0", "1", ... in the order of their times.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nled.domain.errors import BadRequest
from nled.domain.quantities import HIGHEST, LOWEST, number, text

MODES = ("HEAT", "COOL", "RANGE")
DAYS = tuple("0123456")
MOST_A_DAY = 96
NAME = "Current Schedule"
MOST_NAME = 64
_DAY = 86_400
_VERSION = 2
# Who made a setpoint, and when; the thermostat learns from it.
_PROVENANCE = ("touched_by", "touched_at", "touched_tzo", "touched_user_id", "touched_id")
_MOST_PROVENANCE = 80
_NUMERIC = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


def parse_mode(value: object) -> str:
    """Read HEAT, COOL or RANGE in any case; raises BadRequest."""
    mode = value.upper() if isinstance(value, str) else None
    if mode not in MODES:
        raise BadRequest(f"schedule_mode must be one of: {', '.join(MODES)}")
    return mode


def normalise(value: object) -> dict[str, object]:
    """Turn a schedule as people send it into one that the firmware obeys.

    What the firmware does not read is dropped, so that a schedule read from a thermostat can be sent
    back. So are the continuations: the device makes them itself, of the setpoint before midnight.

    Raises:
        BadRequest: it is no schedule; says which entry of which day, and why.
    """
    if not isinstance(value, dict):
        raise BadRequest("Schedule must be a JSON object")
    version = value.get("ver")
    if isinstance(version, bool) or version != _VERSION:
        raise BadRequest("Schedule ver must be 2")
    mode = parse_mode(value.get("schedule_mode") or value.get("mode"))
    days = value.get("days")
    if not isinstance(days, dict):
        raise BadRequest("Schedule must contain a 'days' object")
    for day in days:
        if day not in DAYS:
            raise BadRequest(f"Invalid day key '{str(day)[:20]}' (must be '0'-'6', Monday-Sunday)")
    name = value.get("name")
    return {
        "ver": _VERSION,
        "name": NAME if name in (None, "") else text("Schedule name", name, MOST_NAME),
        "schedule_mode": mode,
        "days": {day: _day(day, days.get(day, {}), mode) for day in DAYS},
    }


def temperatures(week: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Give each temperature (°C) of a normal schedule, with what a sentence calls it."""
    for day, entries in week["days"].items():
        for place, entry in entries.items():
            for name in ("temp", "temp-min", "temp-max"):
                if name in entry:
                    yield f"Day '{day}' entry {place}: {name}", entry[name]


def _day(day: str, entries: object, mode: str) -> dict[str, object]:
    if not isinstance(entries, list | dict):
        raise BadRequest(f"Day '{day}' must be a list or dict of setpoints")
    named: Iterable[tuple[object, object]] = (
        entries.items() if isinstance(entries, dict) else enumerate(entries)
    )
    setpoints: dict[int, dict[str, object]] = {}
    for name, entry in named:
        where = f"Day '{day}' entry {str(name)[:20]}"
        if not isinstance(entry, dict):
            raise BadRequest(f"{where}: must be an object")
        if entry.get("entry_type") == "continuation":
            continue
        time = _time(where, entry)
        if time in setpoints:
            raise BadRequest(f"{where}: another entry has the same time {time}")
        if len(setpoints) == MOST_A_DAY:
            raise BadRequest(f"Day '{day}' must have at most {MOST_A_DAY} setpoints, it has more")
        setpoints[time] = dict(_setpoint(where, entry, time, mode))
    return {str(place): setpoints[time] for place, time in enumerate(sorted(setpoints))}


def _time(where: str, entry: Mapping[str, object]) -> int:
    if entry.get("time") is None:
        raise BadRequest(f"{where}: missing 'time'")
    refusal = f"{where}: time must be 0-86399"
    time = _number(entry["time"], refusal)
    if not 0 <= time < _DAY or time != int(time):
        raise BadRequest(refusal)
    return int(time)


def _setpoint(where: str, entry: Mapping[str, object], time: int, mode: str) -> Iterator[tuple[str, object]]:
    kind = entry.get("type")
    if kind is None:
        raise BadRequest(f"{where}: missing 'type'")
    if not isinstance(kind, str) or kind.upper() != mode:
        # The firmware does not obey a schedule of mixed types (protocol n.7).
        raise BadRequest(f"{where}: invalid type, it must be {mode} like schedule_mode")
    if entry.get("entry_type") not in (None, "setpoint"):
        raise BadRequest(f"{where}: entry_type must be setpoint or continuation")
    yield "type", mode
    yield "time", time
    yield "entry_type", "setpoint"
    if mode == "RANGE":
        low, high = (_celsius(where, entry, side, mode) for side in ("temp-min", "temp-max"))
        if low >= high:
            raise BadRequest(f"{where}: temp-min must be under temp-max")
        yield "temp-min", low
        yield "temp-max", high
    else:
        yield "temp", _celsius(where, entry, "temp", mode)
    for name in _PROVENANCE:
        if (value := entry.get(name)) is not None:
            yield name, _provenance(f"{where}: {name}", value)


def _celsius(where: str, entry: Mapping[str, object], name: str, mode: str) -> float:
    value = entry.get(name)
    if value is None:
        raise BadRequest(f"{where}: {mode} requires '{name}'")
    degrees = _number(value, f"{where}: {name} must be a number of °C")
    if not LOWEST <= degrees <= HIGHEST:
        raise BadRequest(f"{where}: {name}={degrees:.12g} outside {LOWEST}-{HIGHEST}C")
    return degrees


def _number(value: object, refusal: str) -> float:
    # Clients that build a schedule from a form send what was typed.
    if isinstance(value, str) and _NUMERIC.fullmatch(value):
        value = float(value)
    return number(value, refusal)


def _provenance(where: str, value: object) -> object:
    if isinstance(value, str):
        return text(where, value, _MOST_PROVENANCE)
    exact = number(value, f"{where} must be a number or text")
    return int(exact) if exact == int(exact) else exact
