"""The description of the control port (OpenAPI 3.1), made of the types that decode its requests."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from nled import __version__
from nled.domain.access import Need, scope_of
from nled.domain.shapes import VARIABLES
from nled.web.endpoint import Endpoint
from nled.web.schemas import Schemas

_VARIABLE: Final = re.compile(r"<(\w+)>")
_JSON: Final = "application/json"
_WHY: Final = {
    400: "Something in the request is wrong; the sentence names it.",
    401: "There is no API key, or it is not valid.",
    403: "The API key, the Host or the Origin does not allow this.",
    404: "There is no such device or thing.",
    409: "This does not go with how things stand; the sentence says with what.",
    413: "The body is too long.",
    415: "The body is not `application/json`.",
    429: "Too many requests, or too many wrong keys or codes; `Retry-After` says when to come back.",
    502: "The thermostat could not be reached, or answered what makes no sense.",
    503: "The store is away or a limit of the installation is reached; try again later.",
    504: "The thermostat did not answer in time.",
}
_TAGS: Final = {
    "control": "The control API: needs a key only from outside `control.trusted_networks`.",
    "v1": "The shape of the hosted service: always needs a key.",
}
_RATE_HEADERS: Final = {
    "X-RateLimit-Limit": ("Requests the key has in a minute.", {"type": "integer"}),
    "X-RateLimit-Remaining": ("How many are left.", {"type": "integer"}),
    "X-RateLimit-Reset": ("When the minute ends.", {"type": "string", "format": "date-time"}),
}
_HEADERS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    **_RATE_HEADERS,
    "Retry-After": ("Seconds until it is worth to try again.", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": ("How to say who calls.", {"const": "Bearer"}),
}
# What else than its body an error has.
_HEADERS_OF: Final = {401: ("WWW-Authenticate",), 429: ("Retry-After",)}
_EVENT_STREAM: Final = "text/event-stream"
_LAST_EVENT: Final = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The id of the last event that was seen: what came since then is told first.",
    "schema": {"type": "string"},
}


class Problem(Struct):
    """What is wrong, in one sentence, under both names that clients look for."""

    success: bool
    message: str
    error: str


class HostedProblem(Struct):
    """What is wrong, as the hosted service says it; `retryAfter` (ISO 8601) only with 429."""

    error: str
    retryAfter: str | msgspec.UnsetType = msgspec.UNSET


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Describe endpoints as an OpenAPI 3.1 document."""
    schemas = Schemas([Problem, HostedProblem, *_types(endpoints)])
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = _VARIABLE.sub(r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nled",
            "version": __version__,
            "summary": "Control of Nest thermostats on a server of one's own",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": _problems(schemas),
            "headers": {
                name: {"description": text, "required": True, "schema": schema}
                for name, (text, schema) in _HEADERS.items()
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `nle_` and 64 hexadecimal digits; its role is its scope.",
                }
            },
        },
    }


def _types(endpoints: Iterable[Endpoint]) -> Iterable[Any]:
    yield from VARIABLES.values()
    for endpoint in endpoints:
        for kind in (_body(endpoint), endpoint.query, endpoint.answer):
            if kind is not None:
                yield kind


def _body(endpoint: Endpoint) -> Any:
    return endpoint.described or endpoint.body


def _operation(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [endpoint.tag],
        "operationId": _identifier(endpoint),
        "summary": endpoint.summary,
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.handler.__doc__:
        operation["description"] = endpoint.handler.__doc__.split("\n\n")[0].strip()
    if parameters := list(_parameters(endpoint, schemas)):
        operation["parameters"] = parameters
    if (body := _body(endpoint)) is not None:
        operation["requestBody"] = {"required": _is_needed(body), "content": _json(schemas.of(body))}
    if endpoint.need is not Need.OPEN:
        key = {"bearer": [scope_of(endpoint.need)]}
        # An empty choice is "without": from networks that are trusted.
        operation["security"] = [key] if _takes_a_key(endpoint) else [{}, key]
    return operation


def _takes_a_key(endpoint: Endpoint) -> bool:
    """Whether a key is needed from wherever one comes."""
    return endpoint.tag == "v1" or endpoint.need in (Need.ADMIN, Need.TRANSFER)


def _is_needed(body: Any) -> bool:
    """Whether nothing at all is too little, whichever Struct it may be."""
    kinds = get_args(body) or (body,)
    return all(any(each.required for each in msgspec.structs.fields(kind)) for kind in kinds)


def _identifier(endpoint: Endpoint) -> str:
    words = re.findall(r"\w+", _VARIABLE.sub(r"\1", endpoint.path))
    return "_".join([endpoint.method.lower(), *words])


def _parameters(endpoint: Endpoint, schemas: Schemas) -> Iterable[dict[str, Any]]:
    for name in _VARIABLE.findall(endpoint.path):
        yield _parameter(name, "path", schemas.of(VARIABLES[name]), required=True)
    if endpoint.query is not None:
        schema = schemas.fields(endpoint.query)
        for name, each in schema["properties"].items():
            yield _parameter(name, "query", each, required=name in schema.get("required", ()))
    if endpoint.media == _EVENT_STREAM:
        yield _LAST_EVENT


def _parameter(name: str, place: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    about = {key: schema[key] for key in ("description",) if key in schema}
    bare = {key: each for key, each in schema.items() if key not in about}
    return {"name": name, "in": place, "required": required, **about, "schema": bare}


def _responses(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if endpoint.answer is not None:
        schema = schemas.of(endpoint.answer)
        done["content"] = _stream(schema) if endpoint.media == _EVENT_STREAM else _json(schema)
    if endpoint.tag == "v1":
        done["headers"] = _references(_RATE_HEADERS)
    errors = {
        str(status): {"$ref": f"#/components/responses/{endpoint.tag}-{status}"}
        for status in sorted(_statuses(endpoint))
    }
    return {"200": done, **errors}


def _problems(schemas: Schemas) -> dict[str, Any]:
    """Describe the errors of both tags by the names that the responses refer to."""
    responses: dict[str, Any] = {}
    for status, why in _WHY.items():
        more = _HEADERS_OF.get(status, ())
        for tag, kind, names in (("control", Problem, more), ("v1", HostedProblem, (*_RATE_HEADERS, *more))):
            responses[f"{tag}-{status}"] = {"description": why, "content": _json(schemas.of(kind))}
            if names:
                responses[f"{tag}-{status}"]["headers"] = _references(names)
    return responses


def _references(names: Iterable[str]) -> dict[str, dict[str, str]]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _statuses(endpoint: Endpoint) -> set[int]:
    # The Host and the Origin are checked everywhere.
    statuses = {400, 403, *endpoint.statuses}
    if endpoint.need is not Need.OPEN:
        statuses |= {401, 429, 503}
    if endpoint.method != "GET":
        statuses |= {413} if endpoint.tag == "v1" else {413, 415}
    if "<" in endpoint.path:
        statuses.add(404)
    return statuses


def _stream(schema: dict[str, Any]) -> dict[str, Any]:
    """Describe each event of a stream, which is how OpenAPI before 3.2 is read."""
    data = {"type": "string", "contentMediaType": _JSON, "contentSchema": schema}
    event = {
        "type": "object",
        "required": ["id", "data"],
        "properties": {"id": {"type": "string"}, "data": data},
    }
    return {_EVENT_STREAM: {"schema": event}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}
