"""The page on the HTTP API, written from its description: python -m nled.apidoc > docs/api.md."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from twisted.internet.task import Clock

from nled.apitypes import Schema, Types
from nled.clocks import wall
from nled.config import Config
from nled.domain.lock import SAMPLE_HASH, SAMPLE_SERIAL
from nled.web.openapi import describe
from nled.wiring import wire

SERIAL: Final = SAMPLE_SERIAL
_HEAD: Final = """\
<!-- Written by `python -m nled.apidoc`; do not change it here. -->
# The HTTP API

It is on port 8082 (`control.port`) and on the unix socket of `control.socket`; `GET /openapi.json` describes
it to programs (OpenAPI 3.1). There are two: the [control API](#control-api), and below `/api/v1` the one that
[apps of the hosted service](#api-of-the-hosted-service) use. Thermostats have a port of their own.

## Who may call

- **From this machine**, or any of `control.trusted_networks`: no key is needed for the scopes read and write
  of the control API, except to transfer a device.
- **From elsewhere**, and always for `/api/v1`: an API key, as `Authorization: Bearer nle_...`.
  `nledctl keys create NAME --scope read --scope write` makes one; it may be for one person's devices, for
  some devices, and for some days.
- **By the unix socket**: everything. Who may write to it is an administrator.

None of the scopes read, write and admin brings another along. A key can do no more with a device than its
user, who owns it or whom it is shared with; [security](security.md) has the table.

The `Host` must be an IP address, `localhost`, a name of this machine, or one of `control.hosts`. Pages in a
browser must come from here, or from one of `control.origins`.

## Requests and answers

- Bodies are JSON, with `Content-Type: application/json`. Unknown fields are ignored, but not in the value of
  a command.
- Temperatures are °C and humidity is %. Times are ms since the epoch, or ISO 8601 (*date-time*); durations
  are seconds. Other units are named.
- **Revision** and **timestamp** are those of a bucket, the object in which thermostat and server keep a group
  of fields. Each change raises both.
- **Delivery** says how far a change has come: `queued` (stored, and sent as soon as the thermostat asks),
  `pushed` (sent), `acknowledged` (the thermostat has it), or `expired`: a setpoint or timer that it did not
  take within `retention.momentary_minutes` is dropped. `?wait=` of a command waits for `acknowledged`;
  `GET /api/events` tells of it, and `pending` of a status has what is under way.

An error has one sentence that says what is wrong and what to do:

    {"success": false, "message": "value must be from 4.5 to 32.0 °C, it is 99.", "error": "..."}

or, below `/api/v1`, `{"error": "..."}`.

| Status | |
|---|---|
"""
_TITLES: Final = {
    "control": ("Control API", "The key is optional where the caller is trusted."),
    "v1": (
        "API of the hosted service",
        """\
Always takes a key. `device_id` is the `id` of a device in the list, or its serial. A key has `api.rate_limit`
requests in a minute, on the control API too; here each answer tells of it by the headers `X-RateLimit-Limit`,
`X-RateLimit-Remaining` and `X-RateLimit-Reset`.""",
    ),
}
# Statuses that need no word at each endpoint.
_USUAL: Final = frozenset({"200", "400", "401", "403", "413", "415", "429", "503"})
# Query and body of calls that are worth to be shown, by operationId; those with a body are POST.
EXAMPLES: Final[Mapping[str, tuple[str, Any]]] = {
    "post_command": ("?wait=10", {"serial": SERIAL, "command": "set_temperature", "value": 21.5}),
    "get_status": (f"?serial={SERIAL}", None),
    "get_api_events": ("", None),
    "get_api_history": (f"?serial={SERIAL}&from=2026-11-22&fields=temperature,heating", None),
    "post_api_register": ("", {"code": "ABC-D234", "userId": "ann"}),
    "post_api_keys": ("", {"name": "Home Assistant", "scopes": ["read", "write"], "days": 365}),
    "post_api_shares": ("", {"serial": SERIAL, "userId": "bob", "permission": "write"}),
    "get_api_v1_devices": ("", None),
    "post_api_v1_thermostat_device_id_temperature": ("", {"value": 70.7, "scale": "F"}),
    "post_api_v1_thermostat_device_id_lock": (
        "",
        {"enabled": True, "pin_hash": SAMPLE_HASH, "temp_min": 18, "temp_max": 24},
    ),
}


def page(document: Schema) -> str:
    """Write the page on an OpenAPI document."""
    return "".join(_lines(document, Types(document)))


def _lines(document: Schema, types: Types) -> Iterator[str]:
    yield _HEAD
    for name, response in document["components"]["responses"].items():
        tag, _, status = name.partition("-")
        if tag == "control":
            yield f"| {status} | {response['description']} |\n"
    for tag, (title, about) in _TITLES.items():
        yield f"\n## {title}\n\n{about}\n"
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if tag in operation["tags"]:
                    yield from _operation(method.upper(), path, operation, types)
    yield "\n## Types\n"
    for name, text in types.named():
        yield f"\n### {name}\n\n{text}"


def _operation(method: str, path: str, operation: Schema, types: Types) -> Iterator[str]:
    yield f"\n### {method} {path}\n\n{operation.get('description', operation['summary'] + '.')}"
    security = operation.get("security")
    yield f" *Scope {security[-1]['bearer'][0]}.*\n" if security else " *Open to all.*\n"
    if parameters := operation.get("parameters"):
        yield "\nParameters:\n\n"
        for each in parameters:
            place = "" if each["in"] == "query" else f" ({each['in']})"
            schema = {**each["schema"], "description": each.get("description", "")}
            yield f"- `{each['name']}`{place}: {types.field(schema, each['required'], given=True)}\n"
    if body := operation.get("requestBody"):
        yield f"\nBody{'' if body['required'] else ', which may be left out'}:"
        yield from _choices(_content(body), types, given=True)
    if done := _content(operation["responses"]["200"]):
        yield "\nAnswer:"
        yield from _choices(done, types, given=False)
    if special := sorted(operation["responses"].keys() - _USUAL):
        yield f"\nMay also be answered {', '.join(special)}.\n"
    if example := EXAMPLES.get(operation["operationId"]):
        yield f"\n```sh\n{_curl(path, *example, key={} not in operation['security'])}\n```\n"


def _content(part: Schema) -> Schema:
    [content] = part.get("content", {"": {"schema": {}}}).values()
    schema: Schema = content["schema"]
    return schema


def _choices(schema: Schema, types: Types, *, given: bool) -> Iterator[str]:
    """Write out the Struct that something is, or each that it may be."""
    data = schema.get("properties", {}).get("data", {})
    if "contentSchema" in data:
        yield " events, with an `id`, and in `data`:"
        schema = data["contentSchema"]
    kinds = schema.get("anyOf", [schema])
    if "discriminator" in schema:
        yield from _table(schema["discriminator"]["propertyName"], [types.of(each) for each in kinds], types)
        return
    for place, each in enumerate(kinds):
        yield "\nor: " if place else " "
        if "$ref" in each:
            yield from types.whole(each, given=given)
        else:
            yield f"{types.kind(each)}\n"


def _table(tag: str, kinds: Sequence[Schema], types: Types) -> Iterator[str]:
    """Write Structs that a field tells apart: what they share as a list, the rest as a table."""
    first = kinds[0]["properties"]
    shared = [n for n in first if all(each["properties"].get(n) == first[n] for each in kinds)]
    others = [name for name in first if name not in (*shared, tag)]
    yield "\n\n"
    for name in shared:
        yield f"- `{name}`: {types.field(first[name], needed=True, given=True)}\n"
    names = "".join(f" `{name}` |" for name in (tag, *others))
    yield f"\n|{names} |\n|{'---|' * (len(others) + 2)}\n"
    for each in kinds:
        fields = each["properties"]
        cells = [types.kind(fields[name]) if name in fields else "-" for name in others]
        yield f"| `{fields[tag]['enum'][0]}` | {' | '.join(cells)} | {each['description']} |\n"


def _curl(path: str, query: str, body: Any, *, key: bool) -> str:
    url = f"http://localhost:8082{path.replace('{device_id}', SERIAL)}{query}"
    words = ["curl"]
    if key:
        words.append('-H "Authorization: Bearer $KEY"')
    if body is not None:
        words.append(f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'")
    return " ".join([*words, f"'{url}'" if query else url])


def document() -> Schema:
    """Describe the API of a daemon with default settings."""
    absent: Any = None
    sites = wire(Clock(), wall, Config(), absent, absent, absent, troubles=absent)
    # As JSON has it, to which a tuple is a list.
    described: Schema = json.loads(json.dumps(describe(sites.api.endpoints)))
    return described


if __name__ == "__main__":
    print(page(document()), end="")  # noqa: T201 - this is what it is for
