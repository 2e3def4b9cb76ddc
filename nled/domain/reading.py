"""Typed values from JSON, and one sentence on what is wrong where there is none.

msgspec decodes. Where it refuses, the value is compared with its type once more, to say which part is wrong
and what it must be. Of what was sent, only numbers and names are repeated. The text of msgspec's own errors
is not used: it is written for programmers, and may change with any release.

A type says more about itself with the `extra` of its Meta:

- `unit`: of a number, or an empty text; its sentences give both bounds.
- `note`: the same, in brackets after the bounds.
- `form`: what a text with a pattern, or one of several words, must be.
- `otherwise`: the whole sentence for a value of another type.
- `unknown`: whole sentences for names that an object does not have, by name.

`__post_init__` of a Struct may raise a ValueError, whose text is a whole sentence.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from math import inf
from operator import ge, gt, le, lt
from re import search
from types import MappingProxyType
from typing import Any, Final, TypeAlias, get_args

import msgspec
from attrs import frozen
from msgspec import inspect

from nled.domain.errors import BadRequest

_WHOLE: Final = "a whole number"
_NUMBER: Final = "a number"
_TEXT: Final = "text"
_TRUTH: Final = "true or false"
_LIST: Final = "a list"
_OUT_OF_RANGE: Final = "is a number out of range."
_OBJECT: Final = "an object"
# An object of so few fields is written with their names.
_FEW: Final = 5
# No number beyond this is repeated, and no more of a name.
_MOST, _LONGEST_NAME = 1e12, 40
# No integer of msgspec is longer.
_BITS: Final = 64
# What a kind is in Python once JSON is decoded, and in words.
_JSON: Final[Mapping[type, tuple[Any, str]]] = {
    inspect.NoneType: (type(None), "null"),
    inspect.BoolType: (bool, _TRUTH),
    inspect.IntType: (int, _WHOLE),
    inspect.FloatType: ((int, float), _NUMBER),
    inspect.StrType: (str, _TEXT),
    inspect.CustomType: (str, _TEXT),
    inspect.LiteralType: (str, ""),
    inspect.EnumType: (str, ""),
    inspect.ListType: (list, _LIST),
    inspect.TupleType: (list, _LIST),
    inspect.VarTupleType: (list, "a list of text, as [a, b]"),
    inspect.DictType: (dict, _OBJECT),
    inspect.StructType: (dict, _OBJECT),
    inspect.AnyType: (object, "anything"),
}
_Number: TypeAlias = inspect.IntType | inspect.FloatType
_Extra: TypeAlias = Mapping[str, Any]
_NOTHING: Final[_Extra] = MappingProxyType({})


class Refusals:
    """What is wrong with values of a type that msgspec refused.

    Args:
        kind: the type.
        missing: exact sentences for fields of the value that are absent, null or empty, by their JSON names.
    """

    def __init__(self, kind: Any, missing: Mapping[str, str] = _NOTHING) -> None:
        self._kind = kind
        self._missing = missing

    @cached_property
    def _described(self) -> inspect.Type:
        # Made when it is needed first: most types never see a wrong value.
        return inspect.type_info(self._kind)

    def sentence(self, called: str, value: object) -> str:
        """Say what is wrong with a value as JSON has it, and what it must be."""
        found = _Search(called, self._missing).fault(self._described, value, "")
        return found or f"{called} has a value that is not possible here."


class Reader:
    """Reads decoded JSON as a type.

    Args:
        kind: the type; with `pick`, a union of Structs that no tag tells apart.
        missing: as of Refusals.
        pick: chooses one of those Structs for an object.
    """

    def __init__(
        self,
        kind: Any,
        missing: Mapping[str, str] = _NOTHING,
        pick: Callable[[Mapping[str, Any]], Any] | None = None,
    ) -> None:
        kinds = get_args(kind) if pick else (kind,)
        # msgspec remembers how to read a Struct; for any other type it would find out at every call.
        boxes = (msgspec.defstruct("Box", [("value", each)]) for each in kinds)
        self._kinds = {
            id(each): (box, Refusals(each, missing)) for each, box in zip(kinds, boxes, strict=True)
        }
        self._usual = kinds[0]
        self._pick = pick

    def read(self, called: str, value: object) -> Any:
        """Return the value as its type; raises BadRequest with a sentence that calls it so."""
        kind = self._pick(value) if self._pick and isinstance(value, dict) else self._usual
        box, refusals = self._kinds[id(kind)]
        try:
            return msgspec.convert({"value": value}, box).value  # type: ignore[attr-defined]
        except msgspec.ValidationError:
            raise BadRequest(refusals.sentence(called, value)) from None


def wanted(kind: inspect.Type, extra: _Extra = _NOTHING) -> str:  # noqa: PLR0911 - a table
    """Say what a value of a type is, such as "a number from 4.5 to 32.0 °C"."""
    match kind:
        case inspect.Metadata():
            return wanted(kind.type, kind.extra or _NOTHING)
        case _ if "form" in extra:
            return str(extra["form"])
        case inspect.UnionType(types=kinds):
            words = [_quoted(_choices(each)) or wanted(each) for each in kinds]
            if _NUMBER in words:
                words = [each for each in words if each != _WHOLE]
            return " or ".join(dict.fromkeys(words))
        case inspect.LiteralType() | inspect.EnumType():
            return f"one of {', '.join(_choices(kind))}"
        case inspect.IntType() | inspect.FloatType():
            whole = isinstance(kind, inspect.IntType) or kind.multiple_of == 1
            note = f" ({extra['note']})" if extra.get("note") else ""
            return f"{_WHOLE if whole else _NUMBER} {_bounds(kind, extra)}".rstrip() + note
        case inspect.StructType(forbid_unknown_fields=True, fields=fields) if 0 < len(fields) <= _FEW:
            return f"{{{_quoted(each.encode_name for each in fields)}}}"
        case _:
            return _JSON[type(kind)][1]


def _bounds(kind: _Number, extra: _Extra) -> str:
    if "unit" not in extra and "note" not in extra:
        return ""
    return f"from {kind.ge} to {kind.le} {extra.get('unit', '')}".rstrip()


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _choices(kind: inspect.Type) -> list[str]:
    match kind:
        case inspect.LiteralType(values=values):
            return [str(each) for each in values]
        case inspect.EnumType(cls=cls):
            return [str(each.value) for each in cls]
    return []


def _found(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return _NUMBER
    return next(words for kinds, words in _JSON.values() if isinstance(value, kinds))


def _fits(kind: inspect.Type, value: object) -> bool:
    """Whether a value is of the JSON type of a kind."""
    match kind:
        case inspect.Metadata(type=bare):
            return _fits(bare, value)
        case inspect.UnionType(types=kinds):
            return any(_fits(each, value) for each in kinds)
        case inspect.AnyType() | inspect.BoolType():
            return isinstance(value, _JSON[type(kind)][0])
    # To Python, true is a number.
    return isinstance(value, _JSON[type(kind)][0]) and not isinstance(value, bool)


@frozen
class _Search:
    """Looks for the first part of a value that is not as its type says.

    Its methods return a sentence, or None if all is well; a place is empty for the whole value.
    """

    called: str
    missing: Mapping[str, str]

    def fault(  # noqa: PLR0911 - a table
        self, kind: inspect.Type, value: Any, place: str, extra: _Extra = _NOTHING
    ) -> str | None:
        match kind:
            case inspect.Metadata():
                return self.fault(kind.type, value, place, kind.extra or _NOTHING)
            case inspect.LiteralType() if "otherwise" in extra and value not in _choices(kind):
                return str(extra["otherwise"])
            case inspect.IntType() if value in (inf, -inf):
                return self.told(place, _OUT_OF_RANGE)
            case _ if not _fits(kind, value):
                told: str | None = extra.get("otherwise")
                return told or self.told(place, f"must be {wanted(kind, extra)}, it is {_found(value)}.")
            case inspect.UnionType(types=kinds):
                return self.of_several([each for each in kinds if _fits(each, value)], value, place, extra)
            case inspect.ListType() | inspect.VarTupleType() | inspect.TupleType():
                return self.of_list(kind, value, place)
            case inspect.DictType():
                return self.of_dict(kind, value, place)
            case inspect.StructType():
                return self.of_struct(kind, value, place, extra)
        return self.told(place, _of_plain(kind, value, extra))

    def told(self, place: str, told: str | None) -> str | None:
        return f"{place or self.called} {told}" if told else None

    def of_several(self, kinds: Sequence[inspect.Type], value: Any, place: str, extra: _Extra) -> str | None:
        tagged = [each for each in kinds if isinstance(each, inspect.StructType) and each.tag_field]
        if tagged:
            return self.of_tagged(tagged, value, place)
        faults = [self.fault(each, value, place, extra) for each in kinds]
        if None in faults:
            return None
        return (
            faults[0] if len(faults) == 1 else self.told(place, f"must be {' or '.join(map(wanted, kinds))}.")
        )

    def of_tagged(self, kinds: Sequence[inspect.StructType], value: Any, place: str) -> str | None:
        name = kinds[0].tag_field or ""
        for each in kinds:
            if each.tag == value.get(name):
                return self.fault(each, value, place)
        told = (
            f"must be one of {', '.join(str(each.tag) for each in kinds)}."
            if name in value
            else "is missing."
        )
        return self.told(_inside(place, name), told)

    def of_list(self, kind: Any, value: Any, place: str) -> str | None:
        kinds: Iterable[inspect.Type] = repeat(getattr(kind, "item_type", inspect.AnyType()))
        if isinstance(kind, inspect.TupleType):
            kinds, length = kind.item_types, len(kind.item_types)
            told = f"must have {length} entries." if len(value) != length else None
        else:
            told = _of_length(kind, value)
        for number, (item, part) in enumerate(zip(kinds, value, strict=False)):
            if found := self.fault(item, part, f"{place}[{number}]"):
                return found
        return self.told(place, told)

    def of_dict(self, kind: inspect.DictType, value: Any, place: str) -> str | None:
        for name, part in value.items():
            if self.fault(kind.key_type, name, place):
                return f"a name in {place or self.called} does not have the form that is needed here."
            if found := self.fault(kind.value_type, part, f"{place}[...]"):
                return found
        return self.told(place, _of_length(kind, value))

    def of_struct(self, kind: inspect.StructType, value: Any, place: str, extra: _Extra) -> str | None:
        fields = {each.encode_name: each for each in kind.fields}
        missing = _NOTHING if place else self.missing
        for name, part in value.items():
            if (field := fields.get(name)) is not None:
                if found := self.fault(field.type, part, _inside(place, name)):
                    return missing.get(name, found) if part in (None, "") else found
            elif kind.forbid_unknown_fields and name != kind.tag_field:
                unknown: Mapping[str, str] = extra.get("unknown", _NOTHING)
                return unknown.get(name, f"{_inside(place, name[:_LONGEST_NAME])} is not known here.")
        for name, field in fields.items():
            if field.required and name not in value:
                return missing.get(name, f"{_inside(place, name)} is missing.")
        try:
            msgspec.convert(value, kind.cls)
        except msgspec.ValidationError as error:
            # What the Struct itself has to say.
            return str(error.__cause__) if error.__cause__ else None
        return None


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _of_plain(kind: inspect.Type, value: Any, extra: _Extra) -> str | None:
    match kind:
        case inspect.IntType() | inspect.FloatType():
            return _of_number(kind, value, extra)
        case inspect.StrType(pattern=pattern) if pattern is not None and not search(pattern, value):
            form = extra.get("form")
            return f"must be {form}." if form else "does not have the form that is needed here."
        case inspect.StrType():
            return _of_length(kind, value)
        case inspect.LiteralType() | inspect.EnumType() if value not in _choices(kind):
            return f"must be {wanted(kind, extra)}."
    return None


def _of_number(kind: _Number, value: Any, extra: _Extra) -> str | None:
    bounds, unit = _bounds(kind, extra), extra.get("unit")
    shown = f", it is {value:.12g}" if bounds and -_MOST < value < _MOST else ""
    if bounds and not (kind.ge or 0) <= value <= (kind.le or 0):
        return f"must be {bounds}{shown}."
    if value in (inf, -inf) or (isinstance(value, int) and value.bit_length() > _BITS):
        return _OUT_OF_RANGE
    for told, bound, keeps in (
        ("at least", kind.ge, ge),
        ("more than", kind.gt, gt),
        ("at most", kind.le, le),
        ("less than", kind.lt, lt),
    ):
        if bound is not None and not keeps(value, bound):
            return f"must be {told} {bound}."
    if kind.multiple_of and value % kind.multiple_of:
        return f"must be {_WHOLE}{f' of {unit}' if unit else ''}{shown}."
    return None


def _of_length(kind: Any, value: Any) -> str | None:
    of_what = "characters" if isinstance(value, str) else "entries"
    if kind.min_length is not None and len(value) < kind.min_length:
        return f"must have at least {kind.min_length} {of_what}."
    if kind.max_length is not None and len(value) > kind.max_length:
        return f"must have at most {kind.max_length} {of_what}."
    return None
