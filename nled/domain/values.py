"""Reading stored values: under a name may be any JSON type, and what is of a wrong one counts as missing."""

# Numbers beyond this measure nothing, and some would not even fit into an answer.
_MOST = 1e12


def as_number(value: object) -> float | None:
    """Read a number; 0 is one, true is none."""
    if (type(value) is float or type(value) is int) and -_MOST < value < _MOST:
        return float(value)
    return None


def number(*values: object) -> float | None:
    """Return the first that is a number; 0 is one, true is none."""
    for value in values:
        if (found := as_number(value)) is not None:
            return found
    return None


def whole(*values: object) -> int:
    """Return the first that is a number, cut to a whole one; 0 if none is."""
    return int(number(*values) or 0)


def flag(*values: object, default: bool = False) -> bool:
    """Return the first that is true or false."""
    for value in values:
        if value is True or value is False:
            return value
    return default


def text(*values: object) -> str:
    """Return the first text that says something; an empty one if none does."""
    for value in values:
        if value and isinstance(value, str):
            return value
    return ""
