"""Bodies and queries into typed values, and what is wrong with them into a sentence that names the field."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from nled.domain.errors import BadRequest

# A list of names in a query is the longest thing anybody has reason to write there.
_LONGEST_PARAMETER: Final = 1024
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_FOUND: Final = {**_WORDS, "int": "a number", "bool": "true or false"}
_TYPE: Final = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_BOUND: Final = re.compile(r"Expected `(\w+)`( of length)? (<=|>=|<|>) ([0-9.e+-]+)")
_FIELD: Final = re.compile(r"Object (missing required|contains unknown) field `(.*)`")
_BOUNDS: Final = {"<=": "at most", ">=": "at least", "<": "less than", ">": "more than"}
_OTHERS: Final = {
    "Expected `str` matching regex": "does not have the form that is needed here.",
    "Expected `float` that's a multiple of 1.0": "must be a whole number.",
    "Number out of range": "is a number out of range.",
}


class Body:
    """Decodes the JSON of request bodies.

    Args:
        kind: the Struct of the body.
        missing: the exact sentence for a field that is absent, null or an empty text, by its JSON name.
    """

    def __init__(self, kind: Any, missing: Mapping[str, str]) -> None:
        self._kind = kind
        self._missing = missing
        self._decode = msgspec.json.Decoder(kind).decode
        self._texts = _attributes(kind, missing)
        # Where every field may be left out, the body may be too.
        self._needless = _is_struct(kind) and not any(f.required for f in msgspec.structs.fields(kind))

    def decode(self, raw: bytes) -> Any:
        """Decode a body.

        Raises:
            BadRequest: it is no JSON ("Invalid JSON: ..."), or not of the kind.
        """
        try:
            body = self._decode(raw if raw or not self._needless else b"{}")
        except msgspec.ValidationError as error:
            raise BadRequest(sentence(str(error), self._kind, self._missing)) from None
        except RecursionError:
            raise BadRequest("Invalid JSON: nested too deeply.") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"Invalid JSON: {error}") from None
        for attribute, told in self._texts:
            if getattr(body, attribute) == "":
                raise BadRequest(told)
        return body


class Query:
    """Decodes the parameters after the `?`, of which others than those of the kind are ignored.

    Args:
        kind: the Struct of the parameters.
        missing: as of a Body.
    """

    def __init__(self, kind: Any, missing: Mapping[str, str]) -> None:
        self._kind = kind
        self._missing = missing
        self._names = [
            (field.encode_name, field.encode_name.encode()) for field in msgspec.structs.fields(kind)
        ]
        self._texts = _attributes(kind, missing)

    def decode(self, args: Mapping[bytes, list[bytes]]) -> Any:
        """Decode the parameters as Twisted gives them.

        Raises:
            BadRequest: one is given twice, is not UTF-8, too long, or not of the kind.
        """
        given: dict[str, str] = {}
        for name, raw in self._names:
            values = args.get(raw)
            if values is None:
                continue
            if len(values) > 1:
                raise BadRequest(f"{name} is given {len(values)} times; give it once.")
            if len(values[0]) > _LONGEST_PARAMETER:
                raise BadRequest(f"{name} may have at most {_LONGEST_PARAMETER} bytes.")
            try:
                given[name] = values[0].decode()
            except UnicodeDecodeError:
                raise BadRequest(f"{name} is not UTF-8.") from None
        try:
            query = msgspec.convert(given, self._kind, strict=False)
        except msgspec.ValidationError as error:
            raise BadRequest(sentence(str(error), self._kind, self._missing)) from None
        for attribute, told in self._texts:
            if getattr(query, attribute) == "":
                raise BadRequest(told)
        return query


def sentence(error: str, kind: Any = None, missing: Mapping[str, str] | None = None) -> str:
    """Say in one sentence what a ValidationError of msgspec says, never with the value that was sent.

    Args:
        error: its text, such as "Expected `int`, got `str` - at `$.a.b`".
        kind: what was decoded, for the choices that its fields have.
        missing: exact sentences by field.
    """
    what, at, path = error.rpartition(" - at ")
    if not at:
        what, path = path, "`$`"
    inside = path.endswith(("]`", "`")) and path.startswith("`$")
    # Of an object's names msgspec says "`key` in `$.days`".
    place = path.strip("`").removeprefix("$").removeprefix(".") if inside else f"a name in {_last(path)}"
    if field := _FIELD.fullmatch(what):
        absent = field[1] == "missing required"
        if absent and not place and missing and field[2] in missing:
            return missing[field[2]]
        name = f"{place}.{field[2]}" if place else field[2]
        return f"{name} is missing." if absent else f"{name} is not known here."
    if missing and place in missing and what.endswith(("got `null`", "of length >= 1")):
        return missing[place]
    return f"{place or 'The body'} {_predicate(what, kind, place)}"


def _predicate(what: str, kind: Any, place: str) -> str:
    if found := _TYPE.fullmatch(what):
        wanted = " or ".join(dict.fromkeys(_WORDS.get(each, each) for each in found[1].split(" | ")))
        if "float" in found[1]:
            wanted = wanted.replace("a whole number or ", "")
        return f"must be {wanted}, it is {_FOUND.get(found[2], found[2])}."
    if found := _BOUND.fullmatch(what):
        bound = f"{_BOUNDS[found[3]]} {found[4].removesuffix('.0')}"
        if not found[2]:
            return f"must be {bound}."
        return f"must have {bound} {'characters' if found[1] == 'str' else 'entries'}."
    if what.startswith("Invalid enum value") and (choices := _choices(kind, place.split("."))):
        return f"must be one of {', '.join(choices)}."
    for beginning, told in _OTHERS.items():
        if what.startswith(beginning):
            return told
    return "has a value that is not possible here."


def _choices(kind: Any, path: list[str]) -> list[str]:
    """Find the values of a Literal or Enum below a Struct; none where the path leads through a list."""
    for name in path:
        fields = [each for one in _flat(kind) if _is_struct(one) for each in msgspec.structs.fields(one)]
        kind = next((each.type for each in fields if each.encode_name == name), None)
    literals = [str(value) for one in _flat(kind) if get_origin(one) is Literal for value in get_args(one)]
    enums = [str(one.value) for e in _flat(kind) if isinstance(e, type) and issubclass(e, Enum) for one in e]
    return literals + enums


def _flat(kind: Any) -> list[Any]:
    """Take a union apart, and annotations off."""
    if get_origin(kind) is Literal or isinstance(kind, type) or not get_args(kind):
        return [kind]
    return [each for part in get_args(kind) for each in _flat(part)]


def _attributes(kind: Any, missing: Mapping[str, str]) -> list[tuple[str, str]]:
    if not missing:
        return []
    fields = msgspec.structs.fields(kind)
    return [(field.name, missing[field.encode_name]) for field in fields if field.encode_name in missing]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _last(path: str) -> str:
    return path.rpartition(" in ")[2].strip("`").removeprefix("$").removeprefix(".") or "the body"
