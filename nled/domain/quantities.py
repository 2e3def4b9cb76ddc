"""Numbers, temperatures and texts as people send them: read, bounded, refused with a sentence.

`where` is what the sentence calls the value. Every function raises BadRequest. JSON has no NaN, but
MQTT and Python callers do: it is refused like a number that is out of bounds (PROTOCOL.md j-17).
What is stored already is read by `nled.domain.values`.
"""

from nled.domain.errors import BadRequest

# °C that a thermostat may be set to (DESIGN.md 8).
LOWEST, HIGHEST = 4.5, 32.0
# Far beyond every bound below, and still exact as a float.
_MOST = 1e12


def number(value: object, otherwise: str) -> float:
    """Return a finite number; `otherwise` is the sentence for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MOST < value < _MOST:
        raise BadRequest(otherwise)
    return float(value)


def bounded(where: str, value: object, low: float, high: float, unit: str = "") -> float:
    """Return a number within bounds, both inclusive."""
    bounds = f"from {low} to {high}{f' {unit}' if unit else ''}"
    exact = number(value, f"{where} must be a number {bounds}.")
    if not low <= exact <= high:
        raise BadRequest(f"{where} must be {bounds}, it is {exact:.12g}.")
    return exact


def celsius(where: str, value: object) -> float:
    """Return a temperature that a thermostat may be set to, in °C."""
    return bounded(where, value, LOWEST, HIGHEST, "°C")


def whole(where: str, value: object, low: int, high: int, unit: str = "") -> int:
    """Return a whole number within bounds; 900.0 is one."""
    exact = bounded(where, value, low, high, unit)
    if exact != int(exact):
        raise BadRequest(
            f"{where} must be a whole number{f' of {unit}' if unit else ''}, it is {exact:.12g}."
        )
    return int(exact)


def end(where: str, value: object, now: int, last: int, unit: str) -> int:
    """Return when something that runs is to end, or 0 for nothing that does; raises if that is over."""
    found = whole(where, value, 0, last, unit)
    if 0 < found < now:
        raise BadRequest(f"{where} must be 0 or from {now} on ({unit}), it is {found}.")
    return found


def flag(where: str, value: object) -> bool:
    """Return true or false; the text "false" is neither (j-16)."""
    if not isinstance(value, bool):
        raise BadRequest(f"{where} must be true or false.")
    return value


def text(where: str, value: object, most: int) -> str:
    """Return a text of printable characters, at most so many."""
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise BadRequest(f"{where} must be a text of at most {most} printable characters.")
    return value
