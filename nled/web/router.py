"""The root of a port's Klein app: one pipeline from a request to its answer.

Routes are Klein's: `@app.route(...)` on the methods of a class with an `app = Klein()`, or called for a
function. A handler takes the request and the variables of its path. It returns an Answer, or None when it has
written and finished the answer itself. It may be `async`: it is cancelled when its client goes.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from attrs import frozen
from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import MethodNotAllowed, NotFound

from nled.domain.errors import BadRequest, TooLarge
from nled.web.errors import Problem, problem_of
from nled.web.request import BoundedRequest, Head

# Paths whose route is remembered. A path has at most 1,024 bytes (web.paths).
_REMEMBERED = 1024


@frozen(slots=False)
class Answer(Resource):
    """A whole answer, which goes out with a Content-Length: a resource, as Klein takes one from a handler."""

    body: bytes
    status: int = 200
    headers: Head = ()

    @classmethod
    def json(cls, content: object, status: int = 200, headers: Head = ()) -> "Answer":
        """Write a value as JSON."""
        return cls(msgspec.json.encode(content), status, headers)

    def render(self, request: Any) -> int:
        """Send it."""
        request.reply(self.status, self.headers, self.body)
        return NOT_DONE_YET


Handler = Callable[..., Awaitable[Answer | None] | Answer | None]
Describe = Callable[[BoundedRequest, Problem], Coroutine[Any, Any, Answer] | Answer]
Gate = Callable[[BoundedRequest], Answer | None]


def plain_error(_request: BoundedRequest, problem: Problem) -> Answer:
    """Write a problem as the device port does, `{"error": sentence}`."""
    return Answer.json({"error": problem.sentence}, problem.status, problem.headers)


class Root(KleinResource):
    """Klein's resource over one or more apps, at half the cost: what their maps have matched is remembered.

    What goes wrong is answered by the one table of errors.

    Args:
        fold: folds a raw path to the spelling the routes are written in.
        apps: where several have a route for a path and method, the first.
        describe: writes a problem in the port's own form.
        gate: sees every request before anything else does; raises, or answers, what is not to go on.
    """

    def __init__(
        self,
        fold: Callable[[bytes], str],
        *apps: Klein,
        describe: Describe = plain_error,
        gate: Gate | None = None,
    ) -> None:
        super().__init__(apps[0])
        self._fold = fold
        self._apps = apps
        self._describe = describe
        self._gate = gate
        # What raises is not remembered, so nothing is gained by making up paths.
        self._match = lru_cache(_REMEMBERED)(self._matched)

    def render(self, request: Any) -> Any:
        """Run the handler, and send what it returns or raises."""
        try:
            answer: Any = None if self._gate is None else self._gate(request)
            if answer is None:
                app, endpoint, variables = self._match(self._fold(request.path), request.method)
                answer = app.execute_endpoint(endpoint, request, **variables)
        except Exception:  # noqa: BLE001 - the table decides, and logs what is not in it
            self._fail(Failure(), request)
        else:
            if isinstance(answer, Deferred):
                answer.addCallback(self._send, request).addErrback(self._fail, request)
                request.handling = answer
            else:
                self._send(answer, request)
        return NOT_DONE_YET

    def _matched(self, path: str, method: bytes) -> tuple[Klein, str, Mapping[str, str]]:
        name = method.decode("latin-1")
        allowed: set[str] = set()
        for app in self._apps:
            mapper = app.url_map.bind("nled")
            try:
                rule, variables = mapper.match(path, name, return_rule=True)
            except NotFound:
                continue
            except MethodNotAllowed:
                pass
            else:
                # werkzeug takes `get` for GET, which RFC 9110 9.1 does not. And if a path that is written out
                # lacks the method, it goes on to those with variables.
                if name in (rule.methods or ()) and not (variables and _written_out(app, path)):
                    return app, rule.endpoint, variables
            allowed.update(_written_out(app, path) or mapper.allowed_methods(path))
        raise MethodNotAllowed(allowed) if allowed else NotFound

    def _send(self, answer: Answer | None, request: BoundedRequest) -> None:
        if answer is not None and not request.gone:
            answer.render(request)
        request.release()

    def _fail(self, failure: Failure, request: BoundedRequest) -> Deferred[Any] | None:
        """Answer a failure, or drop the connection when the answer has begun."""
        request.release()
        if failure.check(CancelledError):
            # Its traceback holds all that is cancelled, in circles.
            failure.cleanFailure()
            return None
        problem = problem_of(failure)
        if request.gone:
            return None
        if request.startedWriting:
            # Anything more would become part of the answer's body.
            request.channel.transport.abortConnection()
            return None
        answer = self._describe(request, problem)
        if isinstance(answer, Answer):
            self._send(answer, request)
            return None
        describing = Deferred.fromCoroutine(answer)
        return describing.addCallback(self._send, request).addErrback(self._fail, request)


def _written_out(app: Klein, path: str) -> set[str]:
    """Return the methods of the routes that are this very path, without variables."""
    rules = (rule for rule in app.url_map.iter_rules() if rule.rule == path)
    return {method for rule in rules for method in rule.methods or ()}


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
