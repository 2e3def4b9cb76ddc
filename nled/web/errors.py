"""The one table from what went wrong to what is answered."""

from attrs import frozen
from twisted.logger import Logger
from twisted.python.failure import Failure
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import RequestRedirect

from nled.domain.errors import (
    BadRequest,
    Conflict,
    Denied,
    Full,
    NotKnown,
    Refused,
    Silent,
    TooLarge,
    TooMany,
    Unreachable,
)
from nled.store.client import StoreRefused, StoreUnavailable
from nled.web.request import Head

_log = Logger()


class UnsupportedType(Exception):
    """A body is of a type that is not read here; the text names the one that is."""


# The sentence is the error's own where the table has none.
_TABLE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], int, str], ...] = (
    (BadRequest, 400, ""),
    # Without WWW-Authenticate, which would teach a device other credentials (protocol a.10).
    (Refused, 401, ""),
    (Denied, 403, ""),
    (NotKnown, 404, ""),
    ((NotFound, RequestRedirect), 404, "There is nothing at this path."),
    (Conflict, 409, ""),
    (TooLarge, 413, ""),
    (UnsupportedType, 415, ""),
    (TooMany, 429, ""),
    (Silent, 504, ""),
    (Unreachable, 502, ""),
    (Full, 503, ""),
    # It says what is full, and that nothing was changed.
    (StoreRefused, 503, ""),
    # What is wrong with the store is logged where it is noticed; outside it is nobody's business. Not a
    # word on whether something was changed: a store that hangs does what it was asked when it goes on.
    (StoreUnavailable, 503, "The store is not available now; try again later."),
)
_HEADERS = {429: ((b"Retry-After", b"60"),)}


@frozen
class Problem:
    """A status, a sentence for people, and headers that belong to the status."""

    status: int
    sentence: str
    headers: Head = ()


def problem_of(failure: Failure) -> Problem:
    """Find the answer to a failure; one that is in no table is ours, logged and kept to ourselves."""
    error = failure.value
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return Problem(405, f"This path takes {allowed}.", ((b"Allow", allowed.encode()),))
    for kinds, status, sentence in _TABLE:
        if isinstance(error, kinds):
            return Problem(status, sentence or str(error), _HEADERS.get(status, ()))
    _log.failure("A fault in nled", failure)
    return Problem(500, "Internal error; the log has the details.")
