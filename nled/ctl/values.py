"""Values as people type them: temperatures, lengths of time, serials."""

import re
from typing import Any

import click

from nled.ctl.client import check_url
from nled.domain.serials import sanitize

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class _Temperature(click.ParamType[float]):
    """A temperature in °C, or in °F when it says so: 21.5, 21.5C, 70F."""

    name = "temperature"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(-?\d{1,3}(?:\.\d{1,6})?) ?°?([CF]?)", str(value).strip(), re.IGNORECASE)
        if found is None:
            self.fail(f"{value!r} is no temperature; write 21.5 (°C) or 70F.", param, ctx)
        number = float(found[1])
        return round((number - 32) / 1.8, 3) if found[2].upper() == "F" else number


class _Duration(click.ParamType[float]):
    """A length of time in seconds: 90, 90s, 15m, 2h, 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return value
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?) ?(min|[smhd]?)", str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is no length of time; write 90s, 15m, 2h or 7d.", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


class _Url(click.ParamType[str]):
    """Where the control port answers."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return check_url(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class _Serial(click.ParamType[str]):
    """A thermostat's serial, in the one spelling that nled knows."""

    name = "serial"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        serial = sanitize(value)
        if serial is None:
            self.fail(f"{value!r} is no serial: those have 10 to 32 letters and digits.", param, ctx)
        return serial


TEMPERATURE, DURATION, URL, SERIAL = _Temperature(), _Duration(), _Url(), _Serial()
