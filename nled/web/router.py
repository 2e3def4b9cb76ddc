"""Routes: one pipeline from a request to its answer, on Klein (TRAPS.md 4.2).

Every handler is an `async def handler(request, **variables)` that returns an Answer, or None when it
has written and finished the answer itself; one that never waits may return its Answer at once. Klein
finds handlers of paths with variables; paths without are looked up here first, since Klein's way costs
as much as all the rest of a request.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from attrs import frozen
from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import MethodNotAllowed

from nled.domain.errors import BadRequest, TooLarge
from nled.web.errors import Problem, problem_of
from nled.web.request import BoundedRequest, Head

_log = Logger()


@frozen
class Answer:
    """A whole answer; it goes out with a Content-Length."""

    body: bytes
    status: int = 200
    headers: Head = ()

    @classmethod
    def json(cls, content: object, status: int = 200, headers: Head = ()) -> "Answer":
        """Write a value as JSON."""
        return cls(msgspec.json.encode(content), status, headers)


Handler = Callable[..., Awaitable[Answer | None] | Answer]
Describe = Callable[[BoundedRequest, Problem], Awaitable[Answer] | Answer]
Gate = Callable[[BoundedRequest], Answer | None]


def plain_error(_request: BoundedRequest, problem: Problem) -> Answer:
    """Write a problem as the device port does, `{"error": sentence}`."""
    return Answer.json({"error": problem.sentence}, problem.status, problem.headers)


@frozen
class Route:
    """What answers the requests for a path.

    Attributes:
        to_the_end: whether the handler goes on when its client hangs up: a program may send a command and go,
            and of what takes several steps no half may be left (TRAPS.md T-W3).
    """

    handler: Handler
    to_the_end: bool = False


class Router:
    """The routes of one port.

    Attributes:
        fold: folds a raw path to the spelling the routes are written in.
        describe: writes a problem in the port's own form.
        gate: sees every request before anything else does; raises, or answers, what is not to go on.
    """

    def __init__(
        self, fold: Callable[[bytes], str], describe: Describe = plain_error, gate: Gate | None = None
    ) -> None:
        self.fold = fold
        self.describe = describe
        self.gate = gate
        self._klein = Klein()
        self._exact: dict[str, dict[bytes, Route]] = {}
        # Whatever Klein's own matching refuses is answered by the same table.
        self._klein.handle_errors(Exception)(self.fail)

    def add(self, path: str, handler: Handler, *methods: str, to_the_end: bool = False) -> None:
        """Send requests for a path, werkzeug's `<variables>` allowed, to a handler (see Route)."""
        route = Route(handler, to_the_end)
        if "<" not in path:
            by_method = self._exact.setdefault(path, {})
            for method in methods:
                by_method[method.encode()] = route
            if "GET" in methods:
                by_method[b"HEAD"] = route

        # Klein and werkzeug name routes by function, and one handler may serve several paths.
        def respond(request: BoundedRequest, **variables: str) -> Deferred[None] | None:
            answering = self.respond(request, route, variables)
            if answering is None or not to_the_end:
                return answering
            # Klein cancels what it is given when the client goes.
            told: Deferred[None] = Deferred()
            answering.chainDeferred(told)
            return told

        self._klein.route(path, methods=list(methods), endpoint=f"{methods} {path}")(respond)

    def resource(self) -> KleinResource:
        """Return the root of the port's resource tree."""
        return _Resource(self._klein, self)

    def shortcut(self, path: str, method: bytes) -> Route | None:
        """Find the route of a path without variables; None leaves the path to Klein.

        Raises:
            MethodNotAllowed: the path is there, but not for this method.
        """
        by_method = self._exact.get(path)
        if by_method is None:
            return None
        route = by_method.get(method)
        if route is None:
            raise MethodNotAllowed(valid_methods=[each.decode() for each in by_method])
        return route

    def respond(
        self, request: BoundedRequest, route: Route, variables: dict[str, str]
    ) -> Deferred[None] | None:
        """Run a handler and send what it returns or raises; ends quietly when the client has gone."""
        try:
            answer = route.handler(request, **variables)
        except Exception:  # noqa: BLE001 - as in _finish
            return self.fail(request, Failure())
        if isinstance(answer, Answer):
            self._send(request, answer)
            return None
        answering = Deferred.fromCoroutine(self._finish(request, answer))
        if not answering.called and not route.to_the_end:
            # The client's going cancels the handler, as Klein would.
            request.notifyFinish().addErrback(lambda _: answering.cancel())
        return answering

    def fail(self, request: Any, failure: Failure) -> Deferred[None] | None:
        """Answer a failure, or drop the connection when the answer has begun.

        Returns what to wait for before the request is finished, as Klein would do.
        """
        if failure.check(CancelledError):
            return None
        problem = problem_of(failure)
        if request.gone:
            return None
        if request.startedWriting:
            # Anything more would become part of the answer's body (TRAPS.md T-W7).
            request.transport.abortConnection()
            return None
        answer = self.describe(request, problem)
        if isinstance(answer, Answer):
            self._send(request, answer)
            return None
        return Deferred.fromCoroutine(self._finish(request, answer))

    def _send(self, request: BoundedRequest, answer: Answer) -> None:
        request.reply(answer.status, answer.headers, answer.body)

    async def _finish(self, request: BoundedRequest, answering: Awaitable[Answer | None]) -> None:
        try:
            answer = await answering
            if answer is not None and not request.gone:
                self._send(request, answer)
        except Exception:  # noqa: BLE001 - the table decides, and logs what is not in it
            failing = self.fail(request, Failure())
            if failing is not None:
                await failing
        finally:
            request.release()


class _Resource(KleinResource):
    """Klein's resource behind the shortcut."""

    def __init__(self, klein: Klein, router: Router) -> None:
        super().__init__(klein)
        self._router = router

    def render(self, request: Any) -> Any:
        router = self._router
        try:
            if router.gate is not None and (answer := router.gate(request)) is not None:
                request.reply(answer.status, answer.headers, answer.body)
                return NOT_DONE_YET
            path = router.fold(request.path)
            route = router.shortcut(path, request.method)
        except Exception:  # noqa: BLE001 - as in _finish
            router.fail(request, Failure())
        else:
            if route is None:
                request.prepath, request.postpath = [], path.encode()[1:].split(b"/")
                return super().render(request)
            router.respond(request, route, {})
        return NOT_DONE_YET


def read_json(request: BoundedRequest, most: int) -> object:
    """Read a JSON body of at most `most` bytes.

    Raises:
        TooLarge: it is longer.
        BadRequest: it is not JSON.
    """
    try:
        return msgspec.json.decode(read_body(request, most))
    except RecursionError:
        raise BadRequest("Invalid JSON: nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"Invalid JSON: {error}") from None


def read_body(request: BoundedRequest, most: int) -> bytes:
    """Read a body of at most `most` bytes; raises TooLarge."""
    assert request.content is not None
    # Unlike what `read` gives, this is no copy.
    body: bytes = request.content.getvalue()
    if len(body) > most:
        raise TooLarge(f"The body may have at most {most} bytes here.")
    request.content.close()
    return body
