"""Server-sent events: what happens to thermostats, as it happens (protocol c.4, n.6)."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, cast

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred, TimeoutError  # noqa: A004 - Twisted's is another one
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from nled.actions.watch import Watch, Watches
from nled.domain.access import Need
from nled.domain.errors import Refused
from nled.domain.notice import GAP, Notice
from nled.web.endpoint import Call, Endpoint
from nled.web.request import BoundedRequest

# Seconds between two signs of life: clients and proxies take silence for a dead connection.
HEARTBEAT = 20.0
# Seconds for which a client may leave 64 KiB unread.
PATIENCE = 20.0

# Events of which the text is kept for the next client: those of a large home.
_SHARED = 1000

_HEAD = ((b"Cache-Control", b"no-cache"), (b"X-Accel-Buffering", b"no"))
_Kind = Literal["changed", "delivery", "availability", "met", "forgotten", "unpaired", "access", "gap"]
_log = Logger()


class Event(msgspec.Struct, omit_defaults=True):
    """What happened to a thermostat; to a home, one for each of its thermostats, the last with the id.

    Attributes:
        serial: which; empty with `gap`.
        kind: `changed` (a bucket), `delivery` (how far what the server wrote has come), `availability`, `met`
            (it came for the first time), `forgotten`, `unpaired` (it is nobody's now), `access` (owner or
            shares), or `gap`: events were lost, look at everything anew.
        available: whether it is, with `availability`.
        origin: who wrote, with `changed`.
        delivery: how far it has come, with `delivery`.
        key: of the bucket.
        revision: of the bucket.
        timestamp: of the bucket, in ms.
        fields: the names of the fields, at most 32.
    """

    serial: str
    kind: _Kind
    available: bool | msgspec.UnsetType = msgspec.UNSET
    origin: Literal["server", "device"] | msgspec.UnsetType = msgspec.UNSET
    delivery: Literal["pushed", "acknowledged"] | msgspec.UnsetType = msgspec.UNSET
    key: str | msgspec.UnsetType = msgspec.UNSET
    revision: int | msgspec.UnsetType = msgspec.UNSET
    timestamp: int | msgspec.UnsetType = msgspec.UNSET
    fields: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


@define
class EventRoutes:
    """The event stream."""

    _clock: IReactorTime
    _watches: Watches
    # The last notices as they are sent: they go to a hundred clients, those of a home all of them to each.
    _bytes: Callable[[Notice, str], bytes] = field(factory=lambda: lru_cache(_SHARED)(_written))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """List the endpoints."""
        return (
            Endpoint(
                "GET",
                "/api/events",
                self.events,
                Need.READ,
                "Follow what happens, as server-sent events",
                answer=Event,
                media="text/event-stream",
            ),
        )

    async def events(self, call: Call) -> None:
        """Stream what happens to the thermostats that the caller may see, until the client goes.

        The stream also ends when the client stops reading, or may not read any more.
        """
        request = call.request
        last = request.getHeader(b"Last-Event-ID")
        watch = await self._watches.open(call.principal, None if last is None else last.decode("latin-1"))
        try:
            request.begin(200, _HEAD, content_type=b"text/event-stream")
            if request.method != b"HEAD":
                await self._stream(request, watch)
            request.finish()
        except _Stuck:
            _log.info("An event stream was dropped: its client does not read.")
            cast("Any", request.transport).abortConnection()
        finally:
            watch.close()

    async def _stream(self, request: BoundedRequest, watch: Watch) -> None:
        request.travel_light()
        client = _Client(self._clock)
        request.registerProducer(client, streaming=True)
        notice = None
        try:
            while not watch.over:
                request.write(_sign_of_life(watch) if notice is None else self._event(notice, watch))
                await client.ready()
                notice = await watch.next(HEARTBEAT)
        except Refused:
            # Its key was revoked or has expired; a new request is told so.
            pass
        request.unregisterProducer()

    def _event(self, notice: Notice, watch: Watch) -> bytes:
        return self._bytes(notice, watch.position if notice is GAP else notice.id)


class _Stuck(Exception):
    """A client does not read."""


@implementer(IPushProducer)
@define(eq=False)
class _Client:
    """Whether a client reads what is sent, as the transport tells."""

    _clock: IReactorTime
    _full: bool = False
    _waiter: Deferred[None] | None = None

    async def ready(self) -> None:
        """Wait until the client has read enough; raises _Stuck if it does not."""
        if self._full:
            self._waiter = Deferred()
            try:
                await self._waiter.addTimeout(PATIENCE, self._clock)
            except TimeoutError:
                raise _Stuck from None

    def pauseProducing(self) -> None:
        self._full = True

    def resumeProducing(self) -> None:
        self._full = False
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.called:
            waiter.callback(None)

    def stopProducing(self) -> None:
        """Do nothing: the request itself hears of the end of the connection."""


def _sign_of_life(watch: Watch) -> bytes:
    """A comment; and an id without data, from where a client that heard nothing may go on."""
    return b":\nid: %b\n\n" % watch.position.encode()


def _written(notice: Notice, identifier: str) -> bytes:
    place = b"id: %b\n" % identifier.encode() if identifier else b""
    return b"%bdata: %b\n\n" % (place, msgspec.json.encode(_content(notice)))


def _content(notice: Notice) -> Event:
    what = notice.what
    match what:
        case "online" | "offline":
            return Event(notice.serial, "availability", available=what == "online")
        case "server" | "device":
            event = Event(notice.serial, "changed", origin=what)
        case "pushed" | "acknowledged":
            event = Event(notice.serial, "delivery", delivery=what)
        case _:
            return Event(notice.serial, what)
    event.key, event.revision, event.timestamp = notice.key, notice.revision, notice.timestamp
    event.fields = notice.names
    return event
