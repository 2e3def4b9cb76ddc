"""What the texts in requests look like, for the description.

Nothing here refuses anything: whoever reads a text says what is wrong with it in a sentence of its own, and
msgspec would do that first. The patterns are those of ECMA 262, as JSON Schema has it.
"""

from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta

from nled.domain.history import SERIES
from nled.domain.people import MOST_NAME

_EXAMPLE: Final = "02AA01AB12345678"
# A character that Python calls printable, the space aside.
_PRINTABLE: Final = r"[^\p{C}\p{Z}]"
_OF_SERIAL: Final = "[^A-Za-z0-9]*([A-Za-z0-9][^A-Za-z0-9]*){10,32}"


def _shape(description: str, pattern: str, *, examples: list[str] | None = None, **more: Any) -> Meta:
    schema = {"pattern": f"^{pattern}$", **more}
    return Meta(description=description, extra_json_schema=schema, examples=examples)


Serial: TypeAlias = Annotated[
    str,
    _shape(
        "A thermostat's serial: 10 to 32 letters and digits, in any case.",
        _OF_SERIAL,
        examples=[_EXAMPLE],
    ),
]
PathSerial: TypeAlias = Annotated[
    str,
    _shape(
        "A thermostat's serial: 10 to 32 letters and digits, in any case.",
        "[_-]*([A-Za-z0-9][_-]*){10,32}",
        examples=[_EXAMPLE],
    ),
]
DeviceId: TypeAlias = Annotated[
    str,
    _shape(
        "The `id` of a thermostat, as `GET /api/v1/devices` lists it, or its serial.",
        "(dev_[a-z2-7]{16,52}|[A-Za-z0-9]{10,32})",
        examples=[_EXAMPLE],
    ),
]
UserId: TypeAlias = Annotated[
    str, _shape("Who: 1 to 64 letters, digits and `_ . @ + -`.", r"[A-Za-z0-9_.@+\-]{1,64}", examples=["ann"])
]
Identifier: TypeAlias = Annotated[str, _shape("The `id` that the list shows.", "[0-9a-f]{16}")]
EntryCode: TypeAlias = Annotated[
    str,
    _shape(
        "The seven letters and digits on the thermostat's screen, in any case, with or without hyphen.",
        r"[\s\-]*([A-Za-z0-9][\s\-]*){7}",
        examples=["ABC-D234"],
    ),
]
InviteToken: TypeAlias = Annotated[
    str, _shape("As the invite was shown: `nli_` and 64 hexadecimal digits.", "nli_[0-9a-f]{64}")
]
KeyName: TypeAlias = Annotated[
    str,
    _shape(
        f"What people call the key: 1 to {MOST_NAME} printable characters.",
        rf"\s*{_PRINTABLE}(( |{_PRINTABLE}){{0,{MOST_NAME - 2}}}{_PRINTABLE})?\s*",
        examples=["Home Assistant"],
    ),
]
Email: TypeAlias = Annotated[
    str,
    _shape(
        "An e-mail address; `USER@local` where there is none.",
        r"([^\p{C}\p{Z}@]+(@[^\p{C}\p{Z}@]+)+)?",
        maxLength=254,
        examples=["ann@example.org"],
    ),
]
Address: TypeAlias = Annotated[
    str,
    Meta(
        description="IPv4 address in a private network that this machine is attached to.",
        extra_json_schema={"format": "ipv4"},
        examples=["192.168.1.20"],
    ),
]
PageKey: TypeAlias = Annotated[
    str,
    _shape("Key of the thermostat's settings page; only where nled does not know it.", r"[!#-\[\]-~]{1,128}"),
]
Moment: TypeAlias = Annotated[
    str,
    Meta(
        description="ms since the epoch, or ISO 8601 (with `+` sent as `%2B`).",
        extra_json_schema={
            "anyOf": [{"pattern": "^[0-9]{0,14}$"}, {"format": "date"}, {"format": "date-time"}]
        },
        examples=["1795000000000", "2026-11-22T00:00:00Z"],
    ),
]
SeriesNames: TypeAlias = Annotated[
    str,
    _shape(
        f"Of {', '.join(SERIES)}; with commas between them. All of them where there are none.",
        f"[ ,]*(({'|'.join(SERIES)}) *(,[ ,]*|$))*",
        examples=["temperature,heating"],
    ),
]
PageMark: TypeAlias = Annotated[
    str,
    _shape(
        "The `next` of the page before.",
        r"((person|key|unit)( [\s\S]*)?|device( [^ ]*( (-?|[0-9]{1,15}-[0-9]{1,15}))?)?)?",
    ),
]

# The variables of paths, by the names that the endpoints give them.
VARIABLES: Final[dict[str, Any]] = {
    "serial": PathSerial,
    "device_id": DeviceId,
    "user": UserId,
    "identifier": Identifier,
}
