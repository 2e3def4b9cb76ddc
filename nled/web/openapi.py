"""The description of the control port (OpenAPI 3.1), made of the types that decode its requests."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from nled import __version__
from nled.domain.access import Need
from nled.web.endpoint import Endpoint

_VARIABLE: Final = re.compile(r"<(?:\w+:)?(\w+)>")
_JSON: Final = "application/json"
_REFERENCE: Final = "#/components/schemas/{name}"
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
_RATE_REFERENCES: Final = {name: {"$ref": f"#/components/headers/{name}"} for name in _RATE_HEADERS}


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
    schemas = _Schemas(endpoints)
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
                for name, (text, schema) in _RATE_HEADERS.items()
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `nle_` and 64 hexadecimal digits.",
                }
            },
        },
    }


class _Schemas:
    """The JSON schemas of all types of some endpoints, made together so that no two share a name."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        whole: list[Any] = [Problem, HostedProblem]
        for endpoint in endpoints:
            whole += [kind for kind in (endpoint.body, endpoint.query, endpoint.answer) if kind is not None]
        # What is only ever written may be one Struct or another, which msgspec could not read again.
        kinds = [part for kind in whole for part in _parts(kind)]
        found, self.components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
        short = {name: _short(name) for name in self.components if "." in name}
        self.components = {
            short.get(name, name): _renamed(each, short) for name, each in self.components.items()
        }
        self._of = {id(kind): _renamed(schema, short) for kind, schema in zip(kinds, found, strict=True)}

    def of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a type, most often a reference."""
        schemas = [self._of[id(part)] for part in _parts(kind)]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def fields(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a Struct itself."""
        found: dict[str, Any] = self.components[self.of(kind)["$ref"].rpartition("/")[2]]
        return found


def _short(name: str) -> str:
    """Name one of several types of the same name after its module: `nled.web.v1.Deleted` is `V1Deleted`."""
    module, _, kind = name.rpartition(".")
    return module.rpartition(".")[2].title().replace("_", "") + kind


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    """Copy a schema with its references led to new names."""
    if isinstance(schema, list):
        return [_renamed(each, names) for each in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: _renamed(each, names) for key, each in schema.items()}
    if isinstance(reference := copy.get("$ref"), str):
        name = reference.rpartition("/")[2]
        copy["$ref"] = _REFERENCE.format(name=names.get(name, name))
    return copy


def _parts(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if isinstance(kind, UnionType) else (kind,)


def _operation(endpoint: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [endpoint.tag],
        "operationId": _identifier(endpoint),
        "summary": endpoint.summary,
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.handler.__doc__:
        operation["description"] = endpoint.handler.__doc__.split("\n\n")[0].strip()
    if parameters := [*_path_parameters(endpoint), *_query_parameters(endpoint, schemas)]:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        needed = any(each.required for each in msgspec.structs.fields(endpoint.body))
        operation["requestBody"] = {"required": needed, "content": _json(schemas.of(endpoint.body))}
    if endpoint.need is not Need.OPEN:
        # An empty choice is "without": from networks that are trusted.
        operation["security"] = [{"bearer": []}] if endpoint.tag == "v1" else [{}, {"bearer": []}]
    return operation


def _identifier(endpoint: Endpoint) -> str:
    words = re.findall(r"\w+", _VARIABLE.sub(r"\1", endpoint.path))
    return "_".join([endpoint.method.lower(), *words])


def _path_parameters(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    for name in _VARIABLE.findall(endpoint.path):
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(endpoint: Endpoint, schemas: _Schemas) -> Iterable[dict[str, Any]]:
    if endpoint.query is None:
        return
    schema = schemas.fields(endpoint.query)
    for name, each in schema["properties"].items():
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": each}


def _responses(endpoint: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if endpoint.media != _JSON:
        done["content"] = {endpoint.media: {"schema": {"type": "string"}}}
    elif endpoint.answer is not None:
        done["content"] = _json(schemas.of(endpoint.answer))
    if endpoint.tag == "v1":
        done["headers"] = _RATE_REFERENCES
    errors = {
        str(status): {"$ref": f"#/components/responses/{endpoint.tag}-{status}"}
        for status in sorted(_statuses(endpoint))
    }
    return {"200": done, **errors}


def _problems(schemas: _Schemas) -> dict[str, Any]:
    """Describe the errors of both tags by the names that the responses refer to."""
    responses: dict[str, Any] = {}
    for status, why in _WHY.items():
        responses[f"control-{status}"] = {"description": why, "content": _json(schemas.of(Problem))}
        responses[f"v1-{status}"] = {
            "description": why,
            "content": _json(schemas.of(HostedProblem)),
            "headers": _RATE_REFERENCES,
        }
    return responses


def _statuses(endpoint: Endpoint) -> set[int]:
    # The Host and the Origin are checked everywhere.
    statuses = {400, 403, *endpoint.statuses}
    if endpoint.need is not Need.OPEN:
        statuses |= {401, 429, 503}
    if endpoint.method != "GET":
        statuses |= {413, 415}
    if "<" in endpoint.path:
        statuses.add(404)
    return statuses


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}
