"""Bodies and queries into typed values; `nled.domain.reading` says what is wrong with them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Struct, inspect

from nled.domain.errors import BadRequest
from nled.domain.reading import Refusals

# A list of names in a query is the longest thing anybody has reason to write there.
_LONGEST_PARAMETER: Final = 1024
_WHOLE: Final = "The body"
# What a parameter may be besides text.
_PLAIN: Final = ((bool, inspect.BoolType), (int, inspect.IntType), (float, inspect.FloatType))
# What is beyond a float is refused with the name of its field, so it is read as well.
_anything: Final = msgspec.json.Decoder(float_hook=float)


class Body:
    """Decodes the JSON of request bodies.

    Args:
        kind: the Struct of the body.
        missing: the exact sentence for a field that is absent, null or an empty text, by its JSON name.
    """

    def __init__(self, kind: Any, missing: Mapping[str, str]) -> None:
        self._refusals = Refusals(kind, missing)
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
            body = _decoded(self._decode, raw if raw or not self._needless else b"{}")
        except msgspec.ValidationError:
            value = _decoded(_anything.decode, raw)
            raise BadRequest(self._refusals.sentence(_WHOLE, value)) from None
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
        self._refusals = Refusals(kind, missing)
        self._kinds = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        self._names = [(name, name.encode()) for name in self._kinds]
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
        except msgspec.ValidationError:
            typed = {name: _typed(text, self._kinds[name]) for name, text in given.items()}
            raise BadRequest(self._refusals.sentence(_WHOLE, typed)) from None
        for attribute, told in self._texts:
            if getattr(query, attribute) == "":
                raise BadRequest(told)
        return query


def _decoded(decode: Callable[[bytes], Any], raw: bytes) -> Any:
    """Decode JSON; raises BadRequest where it is none, and msgspec's ValidationError."""
    try:
        return decode(raw)
    except msgspec.ValidationError:
        raise
    except RecursionError:
        raise BadRequest("Invalid JSON: nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"Invalid JSON: {error}") from None


def _typed(text: str, kind: Any) -> object:
    """Read a parameter as far as that goes, for its bounds to be looked at."""
    found = inspect.type_info(kind)
    parts = found.types if isinstance(found, inspect.UnionType) else (found,)
    bare = {type(each.type if isinstance(each, inspect.Metadata) else each) for each in parts}
    for plain, described in _PLAIN:
        if described in bare:
            with suppress(msgspec.ValidationError):
                return msgspec.convert(text, plain, strict=False)
    return text


def _attributes(kind: Any, missing: Mapping[str, str]) -> list[tuple[str, str]]:
    if not missing:
        return []
    fields = msgspec.structs.fields(kind)
    return [(field.name, missing[field.encode_name]) for field in fields if field.encode_name in missing]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)
