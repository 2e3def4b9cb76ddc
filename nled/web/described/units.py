"""The values that commands and bodies have in common, with their bounds."""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from nled.domain.quantities import HIGHEST, LOWEST
from nled.domain.settings import LONGEST_RUN


def _degrees(low: float, high: float, unit: str, example: float) -> Meta:
    return Meta(ge=low, le=high, description=unit, examples=[example])


_FREEZING, _STEPS = 32, 9 / 5
_IN_FAHRENHEIT = (LOWEST * _STEPS + _FREEZING, HIGHEST * _STEPS + _FREEZING, "°F")
Celsius: TypeAlias = Annotated[float, _degrees(LOWEST, HIGHEST, "°C", 21.5)]
Low: TypeAlias = Annotated[float, _degrees(LOWEST, HIGHEST, "°C", 18)]
High: TypeAlias = Annotated[float, _degrees(LOWEST, HIGHEST, "°C", 24)]
Fahrenheit: TypeAlias = Annotated[float, _degrees(*_IN_FAHRENHEIT, 70.7)]
LowFahrenheit: TypeAlias = Annotated[float, _degrees(*_IN_FAHRENHEIT, 65)]
HighFahrenheit: TypeAlias = Annotated[float, _degrees(*_IN_FAHRENHEIT, 75)]
Run: TypeAlias = Annotated[int, Meta(ge=0, le=LONGEST_RUN, description="Seconds; 0 ends it.")]
Percent: TypeAlias = Annotated[int, Meta(ge=10, le=60)]
# Of PIN 0000 and this serial; the hash that the hosted service's own page shows for them is wrong.
SAMPLE_SERIAL: Final = "02AA01AB01234567"
SAMPLE_HASH: Final = "kFRc/skLylZUKACup2bPzjQDUII="
PinHash: TypeAlias = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=$",
        description="Base64(SHA1(PIN + SERIAL)), SERIAL in capitals. That of PIN 0000 for "
        f"{SAMPLE_SERIAL}: `printf %s 0000{SAMPLE_SERIAL} | openssl sha1 -binary | base64`",
        examples=[SAMPLE_HASH],
    ),
]
Mode: TypeAlias = Literal["off", "heat", "cool", "heat-cool", "heat_cool", "range", "auto", "emergency"]
ScheduleMode: TypeAlias = Literal["HEAT", "COOL", "RANGE"]
# What was typed into a form: 4.5 to 32, and 0 to 86399.
TypedCelsius: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^0{0,4}(4\.[5-9][0-9]{0,8}|([5-9]|[12][0-9]|3[01])(\.[0-9]{1,9})?|32(\.0{1,9})?)$",
        description="°C",
    ),
]
TypedTime: TypeAlias = Annotated[
    str, Meta(pattern=r"^0{0,4}([0-9]{1,4}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2})(\.0{1,9})?$")
]


class Temperatures(Struct, forbid_unknown_fields=True):
    """Either or both ends of a range; low is under high."""

    low: Low | UnsetType = UNSET
    high: High | UnsetType = UNSET


Time: TypeAlias = (
    Annotated[int, Meta(ge=0, lt=86_400, description="Seconds after local midnight.")] | TypedTime
)
