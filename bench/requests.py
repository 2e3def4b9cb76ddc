"""What thermostats and people send, as bytes."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any
from urllib.parse import urlencode

from bench.load import HERE, BenchError
from nled.simulator.facts import Identity, boot

KINDS = ("shared", "device", "schedule")
_RECEIPT = re.compile(rb'"object_revision":(\d+),"object_timestamp":(\d+),"object_key":"(\w+)\.')
_KEY = re.compile(rb"nle_[0-9a-f]{64}")

Stamps = dict[str, tuple[int, int]]
"""Revision and timestamp by kind of bucket."""


def identities(count: int) -> list[Identity]:
    """Make up thermostats."""
    return [Identity.of(f"02AA01AC{number:08X}") for number in range(count)]


def entry(identity: Identity) -> bytes:
    """Ask where everything is."""
    form = urlencode(identity.entry_form(1)).encode()
    return _request("POST /nest/entry", identity, form, "application/x-www-form-urlencoded")


def get(identity: Identity, path: str) -> bytes:
    """Ask for something small."""
    return _request(f"GET {path}", identity)


def put_all(identity: Identity) -> bytes:
    """Report everything, as after a boot."""
    state = boot(identity, Random(identity.serial))
    return _put(identity, [{"object_key": f"{k}.{identity.serial}", "value": state[k]} for k in KINDS])


def put_four(identity: Identity, number: int) -> bytes:
    """Report four readings, none of them what another `number` reported."""
    readings = {
        "battery_level": 3.7 + number / 1000,
        "backplate_temperature": 20 + number / 100,
        "current_humidity": 30 + number,
        "rssi": 40 + number,
    }
    written = {"object_key": f"device.{identity.serial}", "base_object_revision": 1, "value": readings}
    return _put(identity, [written])


def subscribe(identity: Identity, stamps: Mapping[str, tuple[int, int]], *, chunked: bool = True) -> bytes:
    """Ask to be told what is newer than three buckets."""
    objects = [
        {
            "object_key": f"{kind}.{identity.serial}",
            "object_revision": revision,
            "object_timestamp": timestamp,
        }
        for kind, (revision, timestamp) in stamps.items()
    ]
    return _json(identity, "subscribe", {"chunked": chunked, "session": identity.session, "objects": objects})


def command(identity: Identity, number: int) -> bytes:
    """Set a temperature: another one for the next `number`, and none that `put_all` reports."""
    value = {"serial": identity.serial, "command": "set_temperature", "value": 20.5 + 0.5 * (number % 20)}
    return _people("POST /command", value)


def status(identity: Identity) -> bytes:
    """See one thermostat."""
    return _people(f"GET /status?serial={identity.serial}")


def hosted_status(identity: Identity, key: str) -> bytes:
    """See one thermostat as the hosted service shows it."""
    return _people(f"GET /api/v1/thermostat/{identity.serial}/status", key=key)


def devices() -> bytes:
    """See all thermostats."""
    return _people("GET /api/devices")


def events() -> bytes:
    """Follow what happens to thermostats."""
    return _people("GET /api/events")


def new_key() -> bytes:
    """Make an API key that may read."""
    return _people("POST /api/keys", {"name": "bench", "scopes": ["read"]})


def key_of(answer: bytes) -> str:
    """Read the API key out of the answer to `new_key`."""
    found = _KEY.search(answer)
    if found is None:
        raise BenchError(f"No API key was made: {answer!r}.")
    return found[0].decode()


def stamps_of(answer: bytes) -> Stamps:
    """Read where buckets stand out of receipts or updates."""
    found: Iterable[Sequence[bytes]] = _RECEIPT.findall(answer)
    return {kind.decode(): (int(revision), int(timestamp)) for revision, timestamp, kind in found}


def _put(identity: Identity, objects: list[dict[str, Any]]) -> bytes:
    return _json(identity, "put", {"session": identity.session, "objects": objects})


def _json(identity: Identity, what: str, content: Mapping[str, object]) -> bytes:
    body = json.dumps(content, separators=(",", ":")).encode()
    return _request(f"POST /nest/transport/v7/{what}", identity, body, "application/json")


def _request(line: str, identity: Identity, body: bytes = b"", content_type: str = "") -> bytes:
    head = f"{line} HTTP/1.1\r\nHost: nled:8000\r\n{identity.headers()}"
    if content_type:
        head += _content(content_type, body)
    return head.encode() + b"\r\n" + body


def _people(line: str, content: object = None, key: str = "") -> bytes:
    head = f"{line} HTTP/1.1\r\nHost: {HERE}\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    body = b""
    if content is not None:
        body = json.dumps(content).encode()
        head += _content("application/json", body)
    return head.encode() + b"\r\n" + body


def _content(content_type: str, body: bytes) -> str:
    return f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
