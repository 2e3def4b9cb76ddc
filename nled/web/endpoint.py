"""Endpoints of the control port: what each takes and gives is said once, as types.

The same definitions decode the requests and make `/openapi.json`, so the two cannot disagree.
"""

import re
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from types import CoroutineType
from typing import Any, Final, Literal

import msgspec
from attrs import field, frozen
from klein import Klein

from nled.domain.access import Need, Principal, Rate, permits
from nled.domain.errors import Denied, Refused, TooMany
from nled.store.client import StoreUnavailable
from nled.web.clients import Client
from nled.web.decoding import Body, Query
from nled.web.errors import Problem, UnsupportedType
from nled.web.guard import ANYBODY, NO_KEY, Guard, denial
from nled.web.paths import control_path
from nled.web.request import BoundedRequest, Head
from nled.web.router import Answer, Handler, Root

KIB: Final = 1024
# What is told as limit when there is none: clients want the headers, and stop at a remainder of 0.
_UNLIMITED: Final = 1_000_000
_MINUTE: Final = 60_000
# No such path, or not by this method; a path, a Host or an Origin that cannot be.
_BEFORE_THE_KEY: Final = (400, 403, 404, 405)
_V1: Final = re.compile(rb"/+api/+v1(?:/|$)")


@frozen
class Call:
    """A request that was let in.

    Attributes:
        address: of the client, behind any proxy.
        body, query: as the endpoint's types have them; None where it has none.
    """

    request: BoundedRequest
    principal: Principal
    address: str
    body: Any = None
    query: Any = None


@frozen
class Endpoint:
    """One method of one path.

    Attributes:
        path: with werkzeug's `<variables>`, which the handler is given by name.
        handler: takes a Call; returns what becomes the JSON of a 200, an Answer, or None once it has
            answered itself. It may be `async`.
        need: what the scopes of the caller must allow; what a device's owner and shares allow is for
            the handler to check.
        body, query: Structs; None where there is nothing to read.
        described: type of the body in the description, where the handler reads it as any JSON.
        answer: type of a 200's content, for the description.
        statuses: of errors that only the handler knows of, for the description.
        missing: exact sentences for fields that are absent or empty.
        most_body: bytes.
        media: of a 200, for the description.
        tag: `v1` always takes an API key, and has the errors and headers of the hosted service.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    need: Need
    summary: str
    body: Any = None
    query: Any = None
    described: Any = None
    answer: Any = None
    statuses: tuple[int, ...] = ()
    missing: Mapping[str, str] = field(factory=dict)
    most_body: int = 64 * KIB
    media: str = "application/json"
    tag: Literal["control", "v1"] = "control"


class Api:
    """Endpoints behind the guard.

    Args:
        now: ms since the epoch.
        limit: requests a key has in a minute; 0 for no limit.

    Attributes:
        router: what the site is made of.
        endpoints: all of them.
    """

    def __init__(self, guard: Guard, now: Callable[[], int], limit: int) -> None:
        self.app = Klein()
        self.root = Root(control_path, self.app, describe=self._describe, gate=guard.gate)
        self.endpoints: list[Endpoint] = []
        self._guard = guard
        self._now = now
        self._limit = limit

    def add(self, *endpoints: Endpoint) -> None:
        """Serve endpoints."""
        for endpoint in endpoints:
            self.endpoints.append(endpoint)
            name = f"{endpoint.method} {endpoint.path}"
            self.app.route(endpoint.path, methods=[endpoint.method], endpoint=name)(self._serve(endpoint))

    def _serve(self, endpoint: Endpoint) -> Handler:
        guard = self._guard
        arguments = _arguments(endpoint)
        writes = reads_body = endpoint.method != "GET"

        def carry_out(
            request: BoundedRequest,
            client: Client,
            principal: Principal,
            raw: bytes,
            variables: dict[str, str],
        ) -> Any:
            call = Call(request, principal, client.address, *arguments(request, raw))
            return endpoint.handler(call, **variables)

        async def with_body(
            request: BoundedRequest, client: Client, principal: Principal, variables: dict[str, str]
        ) -> Answer | None:
            # Not by a name, which would keep it for as long as the handler takes.
            done = carry_out(
                request,
                client,
                principal,
                await request.body(endpoint.most_body) if reads_body else b"",
                variables,
            )
            return _written(await done if isinstance(done, CoroutineType) else done)

        async def with_key(
            request: BoundedRequest, client: Client, token: str, variables: dict[str, str]
        ) -> Answer | None:
            principal, rate = await guard.with_key(token, client, always=endpoint.tag == "v1")
            if rate is not None:
                request.extra += _rate_head(rate)
                if rate.exceeded:
                    return self._limited(request, rate.reset)
            _let_in(principal, endpoint)
            return await with_body(request, client, principal, variables)

        def handle(request: BoundedRequest, **variables: str) -> Any:
            request.to_the_end = writes
            client = guard.clients.of(request)
            token = None if endpoint.need is Need.OPEN else guard.key_of(request)
            if token is not None:
                return with_key(request, client, token, variables)
            principal = self._without_key(client, endpoint)
            _let_in(principal, endpoint)
            if reads_body:
                return with_body(request, client, principal, variables)
            done = carry_out(request, client, principal, b"", variables)
            return _later(done) if isinstance(done, CoroutineType) else _written(done)

        return handle

    def _without_key(self, client: Client, endpoint: Endpoint) -> Principal:
        if endpoint.need is Need.OPEN:
            return ANYBODY
        if endpoint.tag == "v1":
            raise Refused(NO_KEY)
        return self._guard.without_key(client)

    def _describe(self, request: BoundedRequest, problem: Problem) -> Coroutine[Any, Any, Answer] | Answer:
        """Write a problem as the path's clients expect it (protocol d.1, n.5)."""
        early = problem.status in _BEFORE_THE_KEY and _V1.match(request.path) and not _has_rate(request)
        token = self._guard.key_of(request) if early else None
        if token is None:
            return self._described(request, problem)
        return self._counted(request, problem, token)

    async def _counted(self, request: BoundedRequest, problem: Problem, token: str) -> Answer:
        """Count a request that failed before its key was looked at: the headers tell what is left."""
        with suppress(Refused, TooMany, Denied, StoreUnavailable):
            client = self._guard.clients.of(request)
            _, rate = await self._guard.with_key(token, client, always=True)
            if rate is not None:
                request.extra += _rate_head(rate)
                if rate.exceeded:
                    return self._limited(request, rate.reset)
        return self._described(request, problem)

    def _described(self, request: BoundedRequest, problem: Problem) -> Answer:
        headers = problem.headers
        if problem.status == HTTPStatus.UNAUTHORIZED:
            headers = (*headers, (b"WWW-Authenticate", b"Bearer"))
        if not _V1.match(request.path):
            return error_answer(problem.sentence, problem.status, headers)
        limited = problem.status == HTTPStatus.TOO_MANY_REQUESTS
        now = self._now()
        reset = now - now % _MINUTE + _MINUTE
        if not _has_rate(request):
            # Nobody's key: there is no count to tell of.
            request.extra += _rate_head(Rate(self._limit, 0 if limited else self._limit, reset))
        if limited:
            return self._limited(request, reset)
        sentence = "Unauthorized" if problem.status == HTTPStatus.UNAUTHORIZED else problem.sentence
        return Answer.json({"error": sentence}, problem.status, headers)

    def _limited(self, request: BoundedRequest, until: int) -> Answer:
        seconds = max(1, -(-(until - self._now()) // 1000))
        headers = ((b"Retry-After", b"%d" % seconds),)
        if _V1.match(request.path):
            content = {"error": "Rate limit exceeded", "retryAfter": _iso(until)}
            return Answer.json(content, HTTPStatus.TOO_MANY_REQUESTS, headers)
        told = f"This API key has used up its requests of this minute; try again in {seconds} s."
        return error_answer(told, HTTPStatus.TOO_MANY_REQUESTS, headers)


def _has_rate(request: BoundedRequest) -> bool:
    return any(name == b"X-RateLimit-Limit" for name, _ in request.extra)


def error_answer(sentence: str, status: int, headers: Head = ()) -> Answer:
    """Write what is wrong under both keys that clients look for (protocol n.5)."""
    content = {"success": False, "message": sentence, "error": sentence}
    return Answer.json(content, status, headers)


def _let_in(principal: Principal, endpoint: Endpoint) -> None:
    if not permits(principal, endpoint.need):
        raise Denied("Access denied to this device" if endpoint.tag == "v1" else denial(endpoint.need))


def _arguments(endpoint: Endpoint) -> Callable[[BoundedRequest, bytes], tuple[Any, Any]]:
    """Make what decodes body and query of an endpoint's requests; it raises BadRequest and the like."""
    body = None if endpoint.body is None else Body(endpoint.body, endpoint.missing)
    query = None if endpoint.query is None else Query(endpoint.query, endpoint.missing)

    def arguments(request: BoundedRequest, raw: bytes) -> tuple[Any, Any]:
        # Apps of the hosted service may send any type; and they send a key, which no page of a stranger has.
        if raw and endpoint.tag != "v1":
            _check_type(request)
        return (
            None if body is None else body.decode(raw),
            None if query is None else query.decode(request.args or {}),
        )

    return arguments


def _check_type(request: BoundedRequest) -> None:
    # What a page may send to strangers without asking first is never JSON by its type.
    kind = request.getHeader(b"content-type") or b""
    if kind.partition(b";")[0].strip().lower() != b"application/json":
        raise UnsupportedType("The body must be JSON, with `Content-Type: application/json`.")


async def _later(done: Any) -> Answer | None:
    return _written(await done)


def _written(done: Any) -> Answer | None:
    return done if done is None or isinstance(done, Answer) else Answer(msgspec.json.encode(done))


def _rate_head(rate: Rate) -> Head:
    limit, remaining = (rate.limit, rate.remaining) if rate.limit else (_UNLIMITED, _UNLIMITED)
    return (
        (b"X-RateLimit-Limit", b"%d" % limit),
        (b"X-RateLimit-Remaining", b"%d" % remaining),
        (b"X-RateLimit-Reset", _iso(rate.reset).encode()),
    )


def _iso(moment: int) -> str:
    """Write ms since the epoch as UTC with ms."""
    seconds, rest = divmod(moment, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
