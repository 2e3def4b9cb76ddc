"""How a command is defined: once, by a function that turns a typed value into changes.

    @command(needs={"has_fan": "a fan"}, writes={"device": ("fan_timer_timeout",)}, examples=(900,))
    def set_fan(value: Run, device: Device, moment: Moment) -> tuple[Change, ...]:
        "Run the fan for a time."

Its name is the function's, its value is what the type of the first argument says: that decodes it, words the
refusals, and stands in the description of the API and the help of `nledctl set`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, Literal, TypeVar

from attrs import field, frozen

from nled.domain.commands.change import Change, Rule, capabilities, lacks, together
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.reading import Reader

_Value = TypeVar("_Value")
_Fields = Mapping[str, tuple[str, ...]]
_Decide = Callable[[_Value, Device, Moment], tuple[Change, ...]]
_NONE: Final[Mapping[str, Any]] = {}


@frozen
class Typed:
    """How people say a command to `nledctl set`, which is not how programs do.

    Attributes:
        example: what they type after the name.
        name: what they call the command; its own name if empty.
        kind: type of what is typed, if it is not the value itself: the value may have shapes that nobody
            types, or one that is two commands to people.
        value: turns that into the value.
        about: what it does, if it is more special than the command.
    """

    example: str
    name: str = ""
    kind: Any = None
    value: Callable[[Any], object] = lambda typed: typed
    about: str = ""


@frozen
class Command(Rule[object], Generic[_Value]):
    """A command: called with a value as JSON has it, it checks that, and everything else.

    Attributes:
        name: as clients send it.
        kind: type of the value; `object` where the value counts for nothing.
        about: what it does, in one sentence.
        writes: the fields it may change, by kind of bucket.
        needs: what the device must have, any of these, with what a person calls it.
        examples: values that a thermostat which can do everything takes.
        described: type of the value in the description, where the rule reads it itself.
        typed: how `nledctl set` offers it; not at all if nledctl has a command of its own for it.
    """

    name: str
    kind: Any
    about: str
    writes: _Fields
    needs: Mapping[str, str]
    examples: tuple[Any, ...]
    described: Any
    typed: tuple[Typed, ...]
    _reader: Reader | None = field(init=False)

    @_reader.default
    def _for_the_value(self) -> Reader | None:
        return None if self.kind is object else Reader(self.kind)

    def __call__(self, value: object, device: Device, moment: Moment) -> tuple[Change, ...]:
        """Return the changes, the main one first; raises BadRequest, and nothing is written then."""
        self._demand(device)
        return self._decide(self._reader.read("value", value) if self._reader else value, device, moment)

    def of(self, value: _Value, device: Device, moment: Moment) -> tuple[Change, ...]:
        """Do the same with a value that has its type already."""
        self._demand(device)
        return self._decide(value, device, moment)

    def _demand(self, device: Device) -> None:
        if self.needs and all(lacks(device, name) for name in self.needs):
            said = ", ".join(f"{name}=false" for name in self.needs)
            raise BadRequest(f"Device does not have {' or '.join(self.needs.values())} ({said})")


def command(
    *,
    writes: _Fields,
    examples: tuple[Any, ...],
    reads: _Fields = _NONE,
    needs: Mapping[str, str] = _NONE,
    described: Any = None,
    typed: Typed | tuple[Typed, ...] = (),
) -> Callable[[_Decide[_Value]], Command[_Value]]:
    """Make a function a Command; what it needs, it also reads."""

    def make(decide: Any) -> Command[_Value]:
        kind = decide.__annotations__["value"]
        return Command(
            together(reads, capabilities(*needs) if needs else _NONE),
            decide,
            decide.__name__,
            kind,
            _about(decide),
            writes,
            needs,
            examples,
            described or kind,
            typed if isinstance(typed, tuple) else (typed,),
        )

    return make


@frozen
class Hosted(Rule[object]):
    """A request of the hosted API: called with its body as JSON has it.

    Attributes:
        path: below the thermostat's.
        described: type of the body, or several of which it is one.
        about: what it does, in one sentence.
        summary: the same in a few words.
        examples: bodies that a thermostat which can do everything takes.
    """

    path: str
    method: Literal["POST", "PUT"]
    described: Any
    about: str
    summary: str
    examples: tuple[Any, ...]
    _reader: Reader

    def __call__(self, value: object, device: Device, moment: Moment) -> tuple[Change, ...]:
        """Return the changes, the main one first; raises BadRequest, and nothing is written then."""
        return self._decide(self._reader.read("The body", value), device, moment)


def hosted(
    path: str,
    summary: str,
    *,
    reads: _Fields,
    examples: tuple[Any, ...],
    method: Literal["POST", "PUT"] = "POST",
    missing: Mapping[str, str] = _NONE,
    pick: Callable[[Mapping[str, Any]], Any] | None = None,
    described: Any = None,
) -> Callable[[_Decide[_Value]], Hosted]:
    """Make a function of a body a request of the hosted API; `pick` tells apart bodies that are a union."""

    def make(decide: Any) -> Hosted:
        body = decide.__annotations__["body"]
        reader = Reader(body, missing, pick)
        return Hosted(
            reads, decide, path, method, described or body, _about(decide), summary, examples, reader
        )

    return make


def _about(decide: Any) -> str:
    first: str = (decide.__doc__ or "").partition("\n\n")[0]
    return " ".join(first.split())
