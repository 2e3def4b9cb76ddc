"""How the fields of a view are declared: of what each is made, and how. So what is read is what is used.

A declaration stands in the annotation of a field, behind its type:

    leaf: Annotated[bool, flag("device.leaf")]
    charge: Annotated[int | None, made(percent, number("device.battery_level"))]

A source is the type of a bucket and the name of a field of it. A device may have stored any JSON type there:
of several sources the first that has one of the right type counts, and the default where none has.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, Generic, TypeAlias, TypeVar, get_type_hints

from attrs import frozen
from msgspec import Struct

from nled.domain.device import Device
from nled.domain.values import as_number

Reads: TypeAlias = Mapping[str, tuple[str, ...]]
_Sources: TypeAlias = tuple[tuple[str, str], ...]
_S = TypeVar("_S", bound=Struct)
_NOTHING: Final[Reads] = {}


class Facts(dict[str, Mapping[str, Any]]):
    """What a view is made of: values of the device's buckets by type, each looked up once it is asked for.

    Attributes:
        now, window: ms; a device counts as available for so long after its last contact.
        subscriptions: the polls that the device holds.
    """

    __slots__ = ("device", "now", "subscriptions", "window")

    def __init__(self, device: Device, now: int, window: int, subscriptions: int) -> None:
        self.device = device
        self.now = now
        self.window = window
        self.subscriptions = subscriptions

    def __missing__(self, kind: str) -> Mapping[str, Any]:
        found = self[kind] = self.device.bucket(kind).values
        return found


@frozen(eq=False)
class _First:
    """The first value of which `read` makes something; without a `read`, that is true or false."""

    read: Callable[[object], Any] | None
    sources: _Sources
    default: Any


@frozen(eq=False)
class _Fact:
    """What a function makes of all that there is."""

    function: Callable[[Facts], Any]
    sources: _Sources


@frozen(eq=False)
class _Made:
    """What a function makes of other fields."""

    function: Callable[..., Any]
    parts: "tuple[Field | str, ...]"


Field: TypeAlias = _First | _Fact | _Made


def both(name: str) -> tuple[str, str]:
    """Where firmware may have a field: in `shared`, or else in `device` (protocol b.6 no. 14)."""
    return f"shared.{name}", f"device.{name}"


def first(read: Callable[[object], Any] | None, *sources: str, default: Any = None) -> Field:
    """Take the first value of which `read` makes something that is not None."""
    return _First(
        read, tuple((kind, name) for kind, _, name in (each.partition(".") for each in sources)), default
    )


def flag(*sources: str, default: bool = False) -> Field:
    """Take the first that is true or false."""
    return first(None, *sources, default=default)


def number(*sources: str, default: float | None = None) -> Field:
    """Take the first number."""
    return first(as_number, *sources, default=default)


def whole(*sources: str) -> Field:
    """Take the first number, cut to a whole one; 0 where there is none."""
    return first(_whole, *sources, default=0)


def text(*sources: str) -> Field:
    """Take the first text that says something; an empty one where there is none."""
    return first(_text, *sources, default="")


def _whole(value: object) -> int | None:
    found = as_number(value)
    return None if found is None else int(found)


def _text(value: object) -> str | None:
    return value if value and isinstance(value, str) else None


def fact(function: Callable[[Facts], Any], reads: Reads = _NOTHING) -> Field:
    """Make it of all that there is; what the function reads is said beside it."""
    return _Fact(function, tuple((kind, name) for kind, names in reads.items() for name in names))


def made(function: Callable[..., Any], *parts: Field | str) -> Field:
    """Call a function with parts: what other declarations give, or other fields of the view, by name.

    A declaration that is a part of several is made once.
    """
    return _Made(function, parts)


def group(struct: type[Struct]) -> Field:
    """Make a Struct of fields that are declared in it."""
    return _Made(struct, tuple(_declared(struct).values()))


def _declared(struct: type[Struct]) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for name, hint in get_type_hints(struct, include_extras=True).items():
        for each in getattr(hint, "__metadata__", ()):
            if isinstance(each, Field):
                found[name] = each
        if name not in found:
            raise TypeError(f"{struct.__name__}.{name} does not say what it is made of.")
    return found


class Maker(Generic[_S]):
    """Makes a Struct of what its fields declare; raises TypeError where one declares nothing.

    A view has some 80 fields, most of which are read and no more. Each has a place in one list, and those of
    a kind are made in one loop: with a call for each it would take half as long again.
    """

    def __init__(self, struct: type[_S]) -> None:
        self._struct = struct
        self._places: dict[Field, int] = {}
        self._defaults: list[Any] = []
        self._flags: list[tuple[int, _Sources]] = []
        self._read: list[tuple[int, _Sources, Callable[[object], Any]]] = []
        self._facts: list[tuple[int, Callable[[Facts], Any]]] = []
        # In an order in which each comes after its parts.
        self._made: list[tuple[int, Callable[..., Any], Callable[[Any], Any]]] = []
        fields = _declared(struct)
        self._pick = itemgetter(*[self._place(each, fields) for each in fields.values()])

    def _place(self, field: Field, fields: Mapping[str, Field]) -> int:
        if field in self._places:
            return self._places[field]
        inputs: list[int] = []
        if isinstance(field, _Made):
            inputs = [self._place(fields[e] if isinstance(e, str) else e, fields) for e in field.parts]
        place = self._places[field] = len(self._defaults)
        self._defaults.append(field.default if isinstance(field, _First) else None)
        if isinstance(field, _Made):
            # Of a single place an itemgetter would give what is there; of a slice it gives a list.
            pick = itemgetter(*inputs) if len(inputs) > 1 else itemgetter(slice(inputs[0], inputs[0] + 1))
            self._made.append((place, field.function, pick))
        elif isinstance(field, _Fact):
            self._facts.append((place, field.function))
        elif field.read is None:
            self._flags.append((place, field.sources))
        else:
            self._read.append((place, field.sources, field.read))
        return place

    @property
    def reads(self) -> Reads:
        """What is read, by the type of bucket."""
        reads: dict[str, dict[str, None]] = {}
        for each in self._places:
            for kind, name in () if isinstance(each, _Made) else each.sources:
                reads.setdefault(kind, {})[name] = None
        return {kind: tuple(names) for kind, names in reads.items()}

    def make(self, facts: Facts) -> _S:
        """Make it."""
        made = self._defaults.copy()
        for place, sources in self._flags:
            for kind, name in sources:
                value = facts[kind].get(name)
                if value is True or value is False:
                    made[place] = value
                    break
        for place, sources, read in self._read:
            for kind, name in sources:
                value = facts[kind].get(name)
                if value is not None and (found := read(value)) is not None:
                    made[place] = found
                    break
        for place, of_all in self._facts:
            made[place] = of_all(facts)
        for place, function, parts in self._made:
            made[place] = function(*parts(made))
        return self._struct(*self._pick(made))
