"""What people send by the number: types with their bounds and units, and how the rest of a text is read.

What is stored already is read by `nled.domain.values`.
"""

from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta

from nled.domain.errors import BadRequest

# °C that a thermostat may be set to (protocol b.6 no. 29).
LOWEST, HIGHEST = 4.5, 32.0
# Seconds that a fan or the hot water may be asked to run (protocol d.2).
LONGEST_RUN = 43_200
_FREEZING, _STEPS = 32, 9 / 5
# Far beyond every bound, and still exact as a float.
_MOST = 1e12


def within(low: float, high: float, unit: str = "", **more: Any) -> Meta:
    """Bound a number, inclusively."""
    about = {"description": unit or None, "extra": {"unit": unit}}
    return Meta(ge=low, le=high, **{**about, **more})


def whole(low: int, high: int, unit: str = "", **more: Any) -> Meta:
    """Bound a whole number, inclusively, of a type that takes 900.0 for one."""
    return within(low, high, unit, multiple_of=1, **more)


def _degrees(example: float) -> Meta:
    return within(LOWEST, HIGHEST, "°C", examples=[example])


def _fahrenheit(example: float) -> Meta:
    low, high = (celsius * _STEPS + _FREEZING for celsius in (LOWEST, HIGHEST))
    told = {"unit": f"°F ({LOWEST:g} to {HIGHEST:g} °C)"}
    return within(low, high, "°F", examples=[example], extra=told)


Celsius: TypeAlias = Annotated[float, _degrees(21.5)]
Low: TypeAlias = Annotated[float, _degrees(18)]
High: TypeAlias = Annotated[float, _degrees(24)]
Fahrenheit: TypeAlias = Annotated[float, _fahrenheit(70.7)]
LowFahrenheit: TypeAlias = Annotated[float, _fahrenheit(65)]
HighFahrenheit: TypeAlias = Annotated[float, _fahrenheit(75)]
Run: TypeAlias = Annotated[float, whole(0, LONGEST_RUN, "seconds", description="Seconds; 0 ends it.")]
Percent: TypeAlias = Annotated[float, whole(10, 60, "percent")]
# Any of an object's fields may be left out, but not all.
SOME: Final = Meta(extra_json_schema={"minProperties": 1})


def celsius(fahrenheit: float) -> float:
    """Convert °F; not to half a degree, since the thermostat keeps hundredths (protocol d.3)."""
    return round((fahrenheit - _FREEZING) / _STEPS, 3)


def number(value: object, otherwise: str) -> float:
    """Return a finite number; raises BadRequest with the sentence for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MOST < value < _MOST:
        raise BadRequest(otherwise)
    return float(value)


def text(where: str, value: object, most: int) -> str:
    """Return a text of printable characters, at most so many; raises BadRequest."""
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise BadRequest(f"{where} must be text of at most {most} printable characters.")
    return value
