"""Commands: what a person asks for, turned into the bucket fields that say so (PROTOCOL.md c.2, d.3)."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from nled.domain.errors import BadRequest

LOWEST, HIGHEST = 4.5, 32.0
# Who touched the setpoint: somebody remote (PROTOCOL.md h.2).
REMOTE = 3
_SIDES = {"low": "target_temperature_low", "high": "target_temperature_high"}


@frozen
class Change:
    """The fields one command writes into the bucket of one kind, in °C where they are temperatures."""

    kind: str
    values: Mapping[str, object]


def set_temperature(value: object, shared: dict[str, Any], now: int, offset: int) -> Change:
    """Set the setpoint, or one or both ends of the range.

    Args:
        value: °C, or `{"low": °C, "high": °C}` with either or both.
        shared: the fields of the shared bucket as they stand.
        now: ms since the epoch.
        offset: seconds the home's clock is ahead of UTC.

    Raises:
        BadRequest: not a finite number, outside of 4.5 to 32 °C, or low not under high.
    """
    if isinstance(value, dict):
        targets = _range(value, shared)
    else:
        targets = {"target_temperature": _celsius("value", value)}
    touched = {
        "touched_by": REMOTE,
        "touched_at": now // 1000,
        "touched_tzo": offset,
        "touched_user_id": "",
    }
    return Change("shared", {**targets, "target_change_pending": True, "touched_by": touched})


def _range(value: dict[object, object], shared: dict[str, Any]) -> dict[str, object]:
    if not value or not set(value) <= set(_SIDES):
        raise BadRequest('value must be a temperature in °C, or {"low": °C, "high": °C}.')
    given = {_SIDES[str(side)]: _celsius(f"value.{side}", value[side]) for side in value}
    low, high = ((shared | given).get(name) for name in _SIDES.values())
    # The device may have stored anything under these names.
    if isinstance(low, int | float) and isinstance(high, int | float) and low >= high:
        raise BadRequest(f"low must be under high; they would be {low} and {high} °C.")
    return dict(given)


def _celsius(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"{where} must be a number of °C.")
    if not LOWEST <= value <= HIGHEST:
        raise BadRequest(f"{where} must be from {LOWEST} to {HIGHEST} °C, it is {value}.")
    return float(value)
