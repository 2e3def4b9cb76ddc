"""The transport on the wire: subscribe with its chunks, PUT with its receipts (protocol a.6-a.10)."""

from collections.abc import Callable, Sequence

from attrs import evolve, frozen
from klein import Klein
from werkzeug.exceptions import MethodNotAllowed

from nled.actions.pairing import Arrivals, Desk
from nled.actions.transport import Poll, Transport
from nled.domain.errors import BadRequest
from nled.domain.pairing import Tier
from nled.domain.requests import parse_put, parse_subscribe, session_of
from nled.domain.wire import Update, document
from nled.web.clients import Clients
from nled.web.device import identify_request, note_contact
from nled.web.request import BoundedRequest, Head
from nled.web.router import Answer, read_json

# A temperature on its way: the device is to acknowledge without its usual delay (protocol a.10).
_URGENT = frozenset(
    {
        "target_temperature",
        "target_temperature_high",
        "target_temperature_low",
        "target_temperature_type",
        "hvac_mode",
    }
)


@frozen
class Timing:
    """What the X-nl headers say, in seconds (protocol a.10)."""

    suspend_time_max: int
    defer_device_window: int
    disable_defer_window: int


@frozen
class TransportRoutes:
    """Subscribe, PUT and the metadata of buckets.

    Attributes:
        most_body: bytes a body may have.
        now: ms since the epoch.
    """

    transport: Transport
    desk: Desk
    arrivals: Arrivals
    clients: Clients
    timing: Timing
    most_body: int
    now: Callable[[], int]

    app = Klein()

    # Forms with a version are folded to these before (web.paths). The hosted tier's URL is the origin alone.
    @app.route("/nest/transport", methods=["POST"])
    @app.route("/", methods=["POST"])
    async def subscribe(self, request: BoundedRequest) -> None:
        """Answer a subscribe: at once, or as a held answer that a change wakes."""
        poll, chunked = await self._open(request)
        try:
            headers = self._headers(poll.updates)
            if chunked:
                await _hold(request, poll, headers)
            else:
                request.reply(200, headers, document(poll.updates))
                poll.written(poll.updates)
        finally:
            poll.close()

    async def _open(self, request: BoundedRequest) -> tuple[Poll, bool]:
        # Apart from the holding, so that the body and what was made of it are not held too.
        body = read_json(request, self.most_body)
        serial, tier = await self.desk.admit(identify_request(request), session_of(body))
        asked = parse_subscribe(body, serial, self.now())
        if tier is Tier.PENDING:
            # As with its PUTs: what rides along is not believed either.
            asked = evolve(asked, listed=tuple(evolve(each, values={}) for each in asked.listed))
        return await self.transport.subscribe(serial, asked, self._sender(request)), asked.chunked

    @app.route("/nest/transport/put", methods=["POST"])
    async def put(self, request: BoundedRequest) -> Answer:
        """Store what a device reports, and answer with receipts."""
        body = read_json(request, self.most_body)
        identity = identify_request(request)
        serial, tier = await self.desk.admit(identity, session_of(body))
        puts = parse_put(body, serial)
        if tier is Tier.PENDING:
            note_contact(self.desk, self.arrivals, identity, self._sender(request))
            # Not yet anybody's: let in so that it can be claimed, but not believed (protocol e.1).
            return Answer(document(()), headers=self._headers())
        receipts = await self.transport.put(serial, puts, self._sender(request))
        return Answer(document(receipts), headers=self._headers())

    @app.route("/nest/transport/<path:rest>", methods=["GET"])
    async def metadata(self, request: BoundedRequest, rest: str) -> Answer:
        """List where a device's buckets stand, so that it knows which to list itself (protocol a.6)."""
        if rest == "put":
            raise MethodNotAllowed(["POST"])
        _, _, name = f"/{rest}".rpartition("/device/")
        identity = identify_request(request, name.removeprefix("device.") or None)
        if identity.serial is None:
            raise BadRequest("Serial required")
        serial, _ = await self.desk.admit(identity)
        receipts = await self.transport.metadata(serial, self._sender(request))
        return Answer(document(receipts), headers=self._headers())

    @app.route("/nest/transport/<path:rest>", methods=["POST"])
    async def unknown(self, _request: BoundedRequest, rest: str) -> Answer:
        """Refuse another POST, with 400: a 404 makes a device reset its communication (protocol a.1.1)."""
        raise BadRequest(f"The transport takes subscribe and put, not {rest[:80]}.")

    def _sender(self, request: BoundedRequest) -> str:
        return self.clients.of(request).address

    def _headers(self, updates: Sequence[Update] = ()) -> Head:
        headers = (
            (b"X-nl-service-timestamp", b"%d" % self.now()),
            (b"X-nl-suspend-time-max", b"%d" % self.timing.suspend_time_max),
            (b"X-nl-defer-device-window", b"%d" % self.timing.defer_device_window),
        )
        if any(not _URGENT.isdisjoint(update.values) for update in updates):
            return (*headers, (b"X-nl-disable-defer-window", b"%d" % self.timing.disable_defer_window))
        return headers


async def _hold(request: BoundedRequest, poll: Poll, headers: Head) -> None:
    """Write the head at once, then a chunk for each thing that becomes newer, then the final chunk."""
    # The head alone is what lets the device sleep. Each chunk is one document in one write (protocol a.7.4).
    request.begin(200, headers)
    if poll.updates:
        request.write(document(poll.updates))
        poll.written(poll.updates)
    else:
        request.travel_light()
        while updates := await poll.next():
            request.write(document(updates))
            poll.written(updates)
    request.finish()
