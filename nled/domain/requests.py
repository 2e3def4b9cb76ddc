"""What a thermostat asks for on the transport: bodies read into typed values (protocol a.7, a.9).

Reading is tolerant per object: a batch applies what can be understood, and only a body of which
nothing can be understood is refused. Numbers a device gets wrong in the field (missing or null, see
a.7.1) count as 0; a number that is not a number at all makes its object malformed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from attrs import frozen

from nled.domain.buckets import ObjectKey, claimed, encode, parse_key
from nled.domain.errors import BadRequest

T = TypeVar("T")

MOST_OBJECTS = 128
DEEPEST = 32
MOST_FIELDS = 1000
REVISIONS = 2**31
_METADATA = frozenset(
    {"object_key", "base_object_revision", "if_object_revision", "object_revision", "object_timestamp"}
)
_ENVELOPE = frozenset({"chunked", "session", "objects"})


@frozen
class Listed:
    """One bucket a device lists in a subscribe.

    `timestamp` (ms) is what the device claims to have, 0 for nothing or garbage. `values` holds the
    fields it sent along as JSON text, empty for a plain listing.
    """

    key: ObjectKey
    timestamp: int
    values: Mapping[str, str]


@frozen
class Subscribe:
    """A subscribe: the buckets in the device's order, and whether it wants the answer held."""

    chunked: bool
    listed: tuple[Listed, ...]


@frozen
class Put:
    """One bucket a device writes: `base` and `expect` are revisions, None where it sent none."""

    key: ObjectKey
    base: int | None
    expect: int | None
    values: Mapping[str, str]


def parse_subscribe(body: object, serial: str, now: int) -> Subscribe:
    """Read a subscribe in either form: an `objects` array, or buckets by name (protocol a.7.1).

    Raises:
        BadRequest: the body is no object, or holds no entry that can be understood.
    """
    envelope = object_of(body)
    chunked = envelope.get("chunked", False)
    if not isinstance(chunked, bool):
        raise BadRequest("chunked must be true or false.")
    listed = _readable(envelope, serial, lambda key, entry: _listed(key, entry, now))
    return Subscribe(chunked, listed)


def parse_put(body: object, serial: str) -> tuple[Put, ...]:
    """Read a PUT in either form: an `objects` array, or fields under the bucket's key (protocol a.9.1).

    Raises:
        BadRequest: the body is no object, or holds no entry that can be understood.
    """
    envelope = object_of(body)
    inline = "objects" not in envelope
    return _readable(envelope, serial, lambda key, entry: _put(key, entry, inline=inline))


def object_of(body: object) -> dict[str, object]:
    """Return a body that is a JSON object.

    Raises:
        BadRequest: it is something else.
    """
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    return body


def session_of(body: object) -> object:
    """Return a body's `session`, whatever it is."""
    return body.get("session") if isinstance(body, dict) else None


def _readable(
    envelope: dict[str, object], serial: str, read: Callable[[ObjectKey, dict[str, object]], T]
) -> tuple[T, ...]:
    """Read every entry that can be read; refuse the body only if that leaves nothing of something."""
    entries = list(_entries(envelope))
    if len(entries) > MOST_OBJECTS:
        raise BadRequest(f"A request may hold at most {MOST_OBJECTS} objects, this one has {len(entries)}.")
    good: list[T] = []
    problems: list[str] = []
    for where, name, entry in entries:
        try:
            good.append(read(*_keyed(where, name, entry, serial)))
        except BadRequest as problem:
            problems.append(str(problem))
    if problems and not good:
        raise BadRequest(problems[0])
    return tuple(good)


def _entries(envelope: dict[str, object]) -> Iterator[tuple[str, object, object]]:
    """Yield (where, name in form B, entry); an `objects` key wins over buckets by name."""
    if "objects" in envelope:
        objects = envelope["objects"]
        if not isinstance(objects, list):
            raise BadRequest("objects must be an array.")
        for index, entry in enumerate(objects):
            yield f"objects[{index}]", None, entry
    else:
        for name, entry in envelope.items():
            if name not in _ENVELOPE and isinstance(entry, dict):
                yield name[:80], name, entry


def _keyed(where: str, name: object, entry: object, serial: str) -> tuple[ObjectKey, dict[str, object]]:
    if not isinstance(entry, dict):
        raise BadRequest(f"{where} must be an object.")
    key = parse_key(entry.get("object_key", name), serial)
    if key is None:
        raise BadRequest(f"{where}.object_key must be a bucket key such as shared.{serial}.")
    return key, entry


def _listed(key: ObjectKey, entry: dict[str, object], now: int) -> Listed:
    timestamp = claimed(_number(key, entry, "object_timestamp") or 0, now)
    # Read for its type only: timestamps alone decide who is newer (protocol a.12 no. 29).
    _number(key, entry, "object_revision")
    return Listed(key, timestamp, _values(key, entry.get("value")))


def _put(key: ObjectKey, entry: dict[str, object], *, inline: bool) -> Put:
    fields = {k: v for k, v in entry.items() if k not in _METADATA} if inline else entry.get("value")
    return Put(
        key,
        base=_revision(key, entry, "base_object_revision"),
        expect=_revision(key, entry, "if_object_revision"),
        values=_values(key, fields),
    )


def _number(key: ObjectKey, entry: dict[str, object], name: str) -> float | None:
    number = entry.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise BadRequest(f"{key}: {name} must be a number.")
    return number


def _revision(key: ObjectKey, entry: dict[str, object], name: str) -> int | None:
    number = _number(key, entry, name)
    if number is None:
        return None
    # A wrapped or absurd revision is one nled never minted: it matches nothing.
    return int(number) if number == int(number) and 0 <= number < REVISIONS else -1


def _values(key: ObjectKey, value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{key}: value must be an object.")
    if len(value) > MOST_FIELDS:
        raise BadRequest(f"{key}: value has more than {MOST_FIELDS} fields.")
    if deeper(value, DEEPEST):
        raise BadRequest(f"{key}: value is nested more than {DEEPEST} levels deep.")
    return {name: encode(field) for name, field in value.items()}


def deeper(value: dict[str, object] | list[object], levels: int) -> bool:
    """Whether a value has more levels than that; looks no deeper, as Python's own stack might not reach."""
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(isinstance(each, dict | list) and deeper(each, levels - 1) for each in inner)
