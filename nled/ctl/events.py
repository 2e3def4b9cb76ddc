"""The daemon's event stream, read for as long as it takes (protocol n.6)."""

import time
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any

import msgspec
from attrs import frozen

from nled.ctl.client import Client
from nled.ctl.errors import Refused, Unreachable

# The daemon gives a sign of life every 20 s.
_SILENCE = 50.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_LONGEST_LINE = 1 << 20
# Of what is refused so another time is worth a try.
_FOR_NOW = (429, 503)


@frozen
class Event:
    """One event: its `id`, "" for none, and the decoded data, None for an id that came alone."""

    id: str
    data: dict[str, Any] | None


def parse(lines: Iterable[bytes]) -> Iterator[Event]:
    """Read the lines of an event stream; fields that are not of use here are passed over."""
    identifier, data = "", []
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            identifier = value
        elif name == "data":
            data.append(value)
        elif not line and (data or identifier):
            yield Event(identifier, _decoded("\n".join(data)))
            identifier, data = "", []


def follow(
    client: Client, lost: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> Iterator[Event]:
    """Yield events without an end; a stream that breaks is opened again, from where it was.

    Args:
        client: the daemon.
        lost: told a sentence each time that it breaks.
        sleep: waits, in s.

    Raises:
        Refused: the daemon does not let us.
        Unreachable: it is not there to begin with.
    """
    last, pause, reached = "", _FIRST_PAUSE, False
    while True:
        again = 0.0
        try:
            with client.listen("/api/events", {"Last-Event-ID": last} if last else {}, _SILENCE) as response:
                reached, pause = True, _FIRST_PAUSE
                for event in parse(_lines(response)):
                    last = event.id or last
                    yield event
            reason = f"{client.place} ended the stream."
        except (Unreachable, Refused) as error:
            if isinstance(error, Refused):
                if error.status not in _FOR_NOW:
                    raise
                again = error.again
            if not reached:
                raise
            reason = error.message
        except (OSError, HTTPException):
            reason = f"The stream of {client.place} broke off."
        lost(f"{reason} Trying again in {max(pause, again):g} s.")
        sleep(max(pause, again))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _lines(response: HTTPResponse) -> Iterator[bytes]:
    while line := response.readline(_LONGEST_LINE):
        yield line


def _decoded(text: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(text) if text else None
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
