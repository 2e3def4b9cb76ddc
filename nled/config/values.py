"""One written value against the type and bounds of its setting."""

import json
import re
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec
from attrs import frozen
from msgspec import inspect

from nled.config.schema import Config, Secret, Section
from nled.domain.reading import wanted

# Only what every reader takes for the same number: YAML reads 010 as 8, 1_000 as 1000 and 1:30 as 90.
WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
DECIMAL: Final = re.compile(WHOLE.pattern + r"(\.[0-9]{1,17})?")

_BOOLEANS: Final = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(
    ("false", "no", "off", "0"), False
)
_MAX_SHOWN: Final = 60


@frozen
class Entry:
    """A setting that somebody wrote down.

    `path` is dotted (`device.port`); `place` says where it stands and how it is called there, in words that
    start a sentence.
    """

    path: str
    value: Any
    place: str


def _sections() -> dict[str, type[Section]]:
    hints = get_type_hints(Config)
    return {
        name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, Section)
    }


def _settings() -> dict[str, Any]:
    hints = {"state_dir": get_type_hints(Config, include_extras=True)["state_dir"]}
    for section, kind in SECTIONS.items():
        for name, hint in get_type_hints(kind, include_extras=True).items():
            hints[f"{section}.{name}"] = hint
    return hints


SECTIONS: Final = _sections()
SETTINGS: Final = _settings()
"""Annotated type of every setting, by its dotted path."""


def typed(entry: Entry) -> Any:
    """The value as its setting's type.

    Raises:
        ValueError: the value is not possible; the text is a whole sentence that starts with the place.
    """
    hint = SETTINGS[entry.path]
    try:
        return msgspec.convert(_printable(entry.value), hint, dec_hook=_from_text)
    except ValueError as error:  # msgspec's ValidationError is one
        is_what = "is not possible" if Secret in get_args(hint) else _what(entry.value, hint)
        raise ValueError(f"{entry.place} {is_what}; it must be {wanted(inspect.type_info(hint))}.") from error


def parsed(path: str, text: str) -> Any:
    """What `text` means for a setting, or the text itself where it means nothing: `typed` refuses that."""
    kind = inspect.type_info(SETTINGS[path])
    match kind.type if isinstance(kind, inspect.Metadata) else kind:
        case inspect.BoolType():
            return _BOOLEANS.get(text.lower(), text)
        case inspect.IntType() if WHOLE.fullmatch(text):
            return int(text)
        case inspect.FloatType() if DECIMAL.fullmatch(text):
            return float(text)
        case _:
            return text


def _printable(value: Any) -> Any:
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, str) and not (value and value.isprintable()):
        raise ValueError("empty, or with characters that cannot be printed")
    return value


def _what(value: Any, hint: Any) -> str:
    """What is wrong: the value, or the first wrong item of a list where a list is wanted."""
    if isinstance(value, list) and get_origin(hint) is tuple:
        wrong = next(item for item in value if not (isinstance(item, str) and item and item.isprintable()))
        return f"has {_shown(wrong)} in it"
    return f"is {_shown(value)}"


def _from_text(kind: type, value: Any) -> Any:
    if kind in (Path, Secret) and isinstance(value, str):
        return kind(value)
    raise ValueError("not text")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)  # as it is written in the file
    text = ascii(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
