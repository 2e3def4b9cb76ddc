"""The upload of device logs on the wire (protocol g.3)."""

from collections.abc import Callable

from attrs import frozen
from klein import Klein

from nled.actions.pairing import Arrivals, Desk
from nled.actions.uploads import Uploads
from nled.domain.errors import Refused
from nled.domain.pairing import Tier
from nled.web.clients import Clients
from nled.web.device import identify_request, note_contact
from nled.web.request import BoundedRequest
from nled.web.router import Answer, read_body

_OK = Answer(b'{"status":"ok"}')


@frozen
class UploadRoutes:
    """The one route of uploads.

    Attributes:
        most_body: bytes an upload may have as it is sent.
        now: ms since the epoch.
    """

    uploads: Uploads
    desk: Desk
    arrivals: Arrivals
    clients: Clients
    most_body: int
    now: Callable[[], int]

    app = Klein()

    @app.route("/nest/upload", methods=["POST"])
    async def upload(self, request: BoundedRequest) -> Answer:
        """Take a log; whether it is kept is no concern of the device."""
        identity, sender = identify_request(request), self.clients.of(request).address
        serial, tier = await self.desk.admit(identity)
        note_contact(self.desk, self.arrivals, identity, sender)
        if tier is Tier.PENDING:
            raise Refused("Not authorized")
        body = read_body(request, self.most_body)
        # Of strangers nothing is kept: they could be any number.
        if self.uploads.folder is not None and await self.desk.knows(serial):
            await self.uploads.keep(serial, body, self.now())
        return _OK
