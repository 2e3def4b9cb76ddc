"""`nledctl set`: everything that is set on a thermostat, but for its schedule and its lock.

The definitions of the commands say what there is to set, what kind of value each takes, and its bounds; this
says how people type such values.
"""

from collections.abc import Mapping
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from msgspec import inspect

from nled.ctl.command import Group, Session, command, pass_session
from nled.ctl.orders import send_order, wait_option
from nled.ctl.values import DURATION, TEMPERATURE

if TYPE_CHECKING:
    from nled.domain.commands import Command, Typed

_SERIAL: Final = "02AA01AC33140F61"
# More words than these are told below the usage.
_MOST_WORDS: Final = 4
# An object with more fields has them by their names.
_MOST_FIELDS: Final = 3
# What people call a number by its unit, and what else they may type.
_NUMBERS: Final = {"°C": ("DEGREES", ", or 70F for °F"), "seconds": ("DURATION", ", or 15m, or 2h")}
_NAMED: Final = "The names are those of DeviceSettings in docs/api.md; a VALUE is JSON, or else text."


class _Settings(Group):
    """The commands as they are defined; asked for only where one of them is."""

    @cached_property
    def _defined(self) -> Mapping[str, click.Command]:
        from nled.domain.commands import COMMANDS  # noqa: PLC0415 - nledctl is to start fast

        made = (_command(each, typed) for each in COMMANDS.values() for typed in each.typed)
        return {each.name or "": each for each in made}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name them, in the order of their definitions."""
        return list(self._defined)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Find one."""
        return self._defined.get(cmd_name)


@click.group(
    "set",
    cls=_Settings,
    short_help="Set a temperature, the mode, away, the fan, ...",
    examples=f"""
    nledctl set {_SERIAL} temperature 21.5
    nledctl set {_SERIAL} range 19 23 --wait
    nledctl set {_SERIAL} mode heat
    nledctl set {_SERIAL} away on
    nledctl set {_SERIAL} fan 15m""",
)
@click.argument("serial")
@click.pass_context
def set_(ctx: click.Context, serial: str) -> None:
    """Set something on a thermostat; it is kept for one that sleeps or is away."""
    ctx.meta["serial"] = serial


class _Word(click.ParamType[object]):
    """One word for a value: of some choices, or a number in its unit.

    Attributes:
        about: what it may be, in a sentence; empty where the name says it.
    """

    def __init__(self, kind: inspect.Type, called: str) -> None:
        self._words: dict[str, object] = {}
        self._unit: str | None = None
        self.name = self.about = ""
        for each in kind.types if isinstance(kind, inspect.UnionType) else (kind,):
            self._add(each)
        if len(self._words) > _MOST_WORDS:
            self.name = called.upper()
            self.about = f"{self.name} is one of {', '.join(self._words)}."
        else:
            self.name = "|".join([*self._words, *filter(None, [self.name])])

    def _add(self, kind: inspect.Type) -> None:
        match kind:
            case inspect.BoolType():
                self._words |= {"on": True, "off": False}
            case inspect.LiteralType(values=values):
                self._words |= {str(each): each for each in values}
            case inspect.Metadata(extra_json_schema={"enum": values}):
                self._words |= {each: each for each in values}
            case inspect.Metadata(type=inspect.FloatType(ge=low, le=high), extra={"unit": unit}):
                self._unit = unit
                self.name, also = _NUMBERS.get(unit, (unit.upper(), ""))
                self.about = f"From {low:g} to {high:g} {unit}{also}."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Return what a word means; fails where it means nothing."""
        for word, meant in self._words.items():
            if value.lower() == word.lower():
                return meant
        match self._unit:
            case None:
                self.fail(f"{value!r} is not one of {', '.join(map(repr, self._words))}.", param, ctx)
            case "°C":
                return TEMPERATURE.convert(value, param, ctx)
            case "seconds":
                return ceil(DURATION.convert(value, param, ctx))
        number = value.removesuffix("%")
        if not number.isdecimal():
            words = "".join(f" nor {word}" for word in self._words)
            self.fail(f"{value!r} is neither a whole percentage{words}.", param, ctx)
        return int(number)


def _command(definition: "Command[Any]", typed: "Typed") -> click.Command:
    """Make a command as people type it."""
    name = typed.name or definition.name.removeprefix("set_").replace("_", "-")
    kind = inspect.type_info(typed.kind or definition.described)
    if isinstance(kind, inspect.Metadata) and isinstance(kind.type, inspect.StructType | inspect.UnionType):
        kind = kind.type
    fields = kind.fields if isinstance(kind, inspect.StructType) else ()
    by_name = len(fields) > _MOST_FIELDS
    words = {each.encode_name: _Word(each.type, each.name) for each in fields if not by_name}
    if not fields:
        words["value"] = _Word(kind, name)

    @wait_option
    @pass_session
    def act(session: Session, /, wait: float | None, **given: Any) -> None:
        asked = dict(map(_pair, given["pairs"])) if by_name else given if fields else given["value"]
        serial = click.get_current_context().meta["serial"]
        send_order(session, serial, definition.name, typed.value(asked), wait)

    abouts = dict.fromkeys(word.about for word in words.values() if word.about)
    made = command(
        name,
        examples=f"nledctl set {_SERIAL} {name} {typed.example}",
        help="\n\n".join([typed.about or definition.about, *abouts, *([_NAMED] if by_name else [])]),
    )(act)
    made.params[:0] = [
        click.Argument([each], type=word, metavar=each.upper() if fields else word.name)
        for each, word in words.items()
    ] or [click.Argument(["pairs"], metavar="NAME=VALUE...", nargs=-1, required=True)]
    return made


def _pair(pair: str) -> tuple[str, object]:
    name, equals, text = pair.partition("=")
    if not (name and equals):
        raise click.UsageError(f"{pair!r} is not NAME=VALUE.")
    try:
        return name, msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return name, text
