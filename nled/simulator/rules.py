"""The rules of the wire, each found broken on the bytes as they came.

Every function takes ``complain`` and calls it with one sentence for each broken rule; what could
still be understood is returned. protocol a.12 says what a real device suffers from each.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import frozen

if TYPE_CHECKING:
    from nled.simulator.wire import Answer

Complain = Callable[[str], None]

ENTRY_KEYS = (
    *("czfe_url", "transport_url", "direct_transport_url", "passphrase_url", "ping_url", "pro_info_url"),
    *("weather_url", "upload_url", "software_update_url", "server_version", "tier_name"),
)
HOSTED_ENTRY_KEYS = (
    *("transport_url", "weather_url", "czfe_url", "direct_transport_url", "passphrase_url", "upload_url"),
    *("software_update_url", "server_version", "tier_name"),
)
RECEIPT = ("object_revision", "object_timestamp", "object_key")
PUSH = (*RECEIPT, "value")
HALF_AN_HOUR = 30 * 60 * 1000
CLOCK_SKEW = 600
"""Seconds of difference at which a device corrects its clock by the server's (protocol a.10)."""

_TRANSPORT_HEADERS = {
    b"X-nl-service-timestamp": range(10**15),
    b"X-nl-suspend-time-max": range(5, 351),
    b"X-nl-defer-device-window": range(3600),
}
_SPELLINGS = {name.lower(): name for name in (*_TRANSPORT_HEADERS, b"X-nl-disable-defer-window")}


@frozen
class Sent:
    """One object as the server sent it; ``value`` is None in a receipt."""

    key: str
    revision: int
    timestamp: int
    value: dict[str, Any] | None


def read_json(raw: bytes, complain: Complain) -> dict[str, Any] | None:
    """The object that is exactly one JSON document, or None after a complaint."""

    def constant(name: str) -> float:
        raise ValueError(f"{name} is no JSON")

    def number(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else constant(text)

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(members)) < len(members):
            raise ValueError("a name stands twice in one object")
        return dict(members)

    if not raw.isascii():
        complain("the JSON has bytes outside ASCII")
    try:
        document = json.loads(raw, parse_constant=constant, parse_float=number, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as problem:
        complain(f"not one complete JSON document ({problem}): {raw[:60]!r}")
        return None
    if isinstance(document, dict):
        return document
    complain(f"no JSON object: {raw[:60]!r}")
    return None


def read_objects(raw: bytes, order: tuple[str, ...], complain: Complain) -> list[Sent]:
    """The objects of one chunk or answer; ``order`` is `PUSH` or `RECEIPT` (protocol a.7.4, a.9)."""
    document = read_json(raw, complain)
    if document is None:
        return []
    objects = document.get("objects")
    if not isinstance(objects, list) or len(document) != 1:
        complain(f'an answer is {{"objects":[...]}}, not {raw[:60]!r}')
        return []
    if not objects and order is PUSH:
        complain("an empty list of objects wakes the device for nothing")
    return [sent for entry in objects if (sent := _read_object(entry, order, complain))]


def _read_object(entry: Any, order: tuple[str, ...], complain: Complain) -> Sent | None:
    if not isinstance(entry, dict):
        complain(f"an object is {entry!r}")
        return None
    key = entry.get("object_key")
    if tuple(entry) != order:
        complain(f"{key}: the names are {', '.join(entry)}; the firmware needs {', '.join(order)}")
    revision, timestamp, value = (
        entry.get("object_revision"),
        entry.get("object_timestamp"),
        entry.get("value"),
    )
    if not isinstance(key, str) or not re.fullmatch(r"[a-z_]+\.[!-~]+", key):
        complain(f"object_key is {key!r}, not type.id")
        return None
    if type(revision) is not int or type(timestamp) is not int or min(revision, timestamp) < 0:
        complain(f"{key}: revision {revision!r} and timestamp {timestamp!r} must be whole numbers")
        return None
    if order is PUSH and (not isinstance(value, dict) or not value):
        complain(f"{key}: the value is {value!r}, not an object with fields")
        return None
    return Sent(key, revision, timestamp, value if isinstance(value, dict) else None)


def plain(answer: Answer, complain: Complain) -> None:
    """What holds for every answer that is not a poll: JSON with a Content-Length."""
    if answer.chunked:
        complain("answered chunked, a Content-Length is due")
    if answer.header(b"content-type") != b"application/json":
        complain(f"Content-Type is {answer.header(b'content-type')!r}, not application/json")


def transport(answer: Answer, now: float, complain: Complain) -> int:
    """The X-nl headers, as written; returns the suspend time in seconds (protocol a.10)."""
    values: dict[bytes, int] = {}
    for name, value in answer.headers:
        right = _SPELLINGS.get(name.lower())
        if right and name != right:
            complain(f"the header {name.decode()} must be written {right.decode()}")
        elif name.lower() == b"x-nl-set-client-credentials":
            complain("X-nl-set-client-credentials sends the device into a loop")
        if right and value.isdigit():
            values[right] = int(value)
    for header, legal in _TRANSPORT_HEADERS.items():
        if values.get(header, -1) not in legal:
            complain(f"{header.decode()} is missing or not in {legal.start} to {legal.stop - 1}")
    server_now = values.get(b"X-nl-service-timestamp", 0) / 1000
    if server_now and abs(server_now - now) > CLOCK_SKEW:
        complain(f"X-nl-service-timestamp is {server_now - now:+.0f} s off")
    return values.get(b"X-nl-suspend-time-max", 300)


def entry(raw: bytes, complain: Complain) -> dict[str, str]:
    """The service URLs; empty when there is no using them (protocol a.3)."""
    urls = read_json(raw, complain)
    if urls is None:
        return {}
    if not all(isinstance(value, str) for value in urls.values()):
        complain("entry is no flat object of strings")
        return {}
    hosted = urls.get("tier_name") == "hosted"
    if tuple(urls) != (HOSTED_ENTRY_KEYS if hosted else ENTRY_KEYS):
        complain(f"entry has the keys {', '.join(urls)}")
    for name, url in urls.items():
        if name.endswith("_url") and name != "software_update_url" and not _has_port(url):
            complain(f"{name} has no explicit port: {url!r}")
    # The hosted tier's is the origin alone (protocol a.3).
    if not hosted and not urls.get("weather_url", "?query=").endswith("?query="):
        complain(f"weather_url does not end in ?query=: {urls['weather_url']!r}")
    return urls


def _has_port(url: str) -> bool:
    try:
        where = urlsplit(url)
        return where.scheme in {"http", "https"} and bool(where.hostname) and where.port is not None
    except ValueError:
        return False


def passphrase(raw: bytes, now_ms: int, complain: Complain) -> tuple[str, int] | None:
    """The entry code and when it ends, in ms; None when the device would not show it (protocol a.5)."""
    key = read_json(raw, complain)
    if key is None:
        return None
    code, expires = key.get("value"), key.get("expires")
    if not isinstance(code, str) or not re.fullmatch(r"[A-Z0-9]{7}", code):
        complain(f"the entry code is {code!r}, not seven of A-Z and 0-9")
        return None
    if not isinstance(expires, int | float) or isinstance(expires, bool):
        complain(f"expires is {expires!r}, not a JSON number")
        return None
    if expires < now_ms + HALF_AN_HOUR:
        complain(f"expires is only {(expires - now_ms) / 1000:.0f} s ahead, half an hour is due")
    return code, int(expires)


def status(raw: bytes, complain: Complain) -> bool:
    """Whether the entry code has been claimed (protocol a.5)."""
    answer = read_json(raw, complain)
    numbers = {"pending": "expiresAt", "claimed": "claimedAt"}
    if answer is None:
        return False
    name = answer.get("status")
    if name not in ("no_key", *numbers):
        complain(f"the status is {name!r}")
        return False
    if answer.get("claimed") is not (name == "claimed"):
        complain(f"the status is {name} but claimed is {answer.get('claimed')!r}")
    if name in numbers and type(answer.get(numbers[name])) is not int:
        complain(f"{numbers[name]} is {answer.get(numbers[name])!r}, not a number")
    return bool(name == "claimed")
