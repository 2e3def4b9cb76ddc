"""The device port beside the transport: discovery, pairing, and the small endpoints (protocol a, g)."""

from collections.abc import Awaitable, Callable
from functools import lru_cache

from attrs import frozen
from klein import Klein
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred

from nled.actions.pairing import Arrivals, Desk
from nled.domain.entry import SERVER_VERSION, Origin, Tier, entry, parse_form
from nled.domain.errors import BadRequest, Full, Refused
from nled.domain.pairing import Claim
from nled.domain.serials import Identity, identify
from nled.store.client import StoreUnavailable
from nled.web.clients import Clients
from nled.web.errors import Problem
from nled.web.request import BoundedRequest
from nled.web.router import Answer, plain_error

SMALL = 16 * 1024
# The installer of the firmware looks for a server of this name (protocol g.4).
DISCOVERED_AS = "nolongerevil"
# Statuses by which a request is wrong, and not who sends it.
_THEIR_OWN = (400, 404, 405, 413)
_entry = lru_cache(maxsize=64)(entry)


@frozen
class DeviceRoutes:
    """Everything on the device port but transport and upload.

    Attributes:
        origin: what devices are told; None for the address on which each one came in.
        secure: whether the port speaks TLS.
        entry_key_ttl: seconds, for discovery.
        now: ms since the epoch.
    """

    desk: Desk
    arrivals: Arrivals
    clients: Clients
    origin: Origin | None
    tier: Tier
    secure: bool
    entry_key_ttl: int
    now: Callable[[], int]

    app = Klein()

    @app.route("/nest/entry", methods=["GET", "POST"])
    def entry(self, request: BoundedRequest) -> Answer | Awaitable[Answer]:
        """Tell a device where everything is; whatever it sends, the answer is 200 (protocol a.3)."""
        identity = identify_request(request)
        facts = parse_form(request.content.read(SMALL)) if request.content else {}
        answer = Answer(_entry(self.origin or local_origin(request, secure=self.secure), self.tier))
        if identity.serial is None or identity.is_mac:
            return answer
        sender = self._sender(request)
        if self.desk.pinned:
            return self._pinned_entry(identity, facts, sender, answer)
        kept = self.arrivals.entered(identity.serial, facts, identity.password, sender)
        return answer if kept is None else _after(kept, answer)

    async def _pinned_entry(
        self, identity: Identity, facts: dict[str, str], sender: str, answer: Answer
    ) -> Answer:
        """Keep what a device says of itself only if it is the one: a reset would open it to a claim."""
        assert identity.serial is not None
        try:
            serial, _ = await self.desk.recognise(identity)
        except Refused:
            return answer
        except StoreUnavailable:
            pin = self.desk.pin_of(identity.serial, identity.password)
            # Not waited for once more: a thermostat gives up after 7 s.
            self.arrivals.entered(identity.serial, facts, identity.password, sender, pin)
            return answer
        kept = self.arrivals.entered(serial, facts, identity.password, sender)
        if kept is not None:
            await kept
        return answer

    @app.route("/info", methods=["GET"])
    def info(self, request: BoundedRequest) -> Answer:
        """Let an installer find this server (protocol g.4)."""
        here = local_origin(request, secure=self.secure)
        origin = self.origin or here
        return Answer.json(
            {
                "server": DISCOVERED_AS,
                "version": SERVER_VERSION,
                "api_origin": str(origin),
                "cloudregisterurl": f"{origin}/entry",
                # A thermostat's settings take an address only, and to look a name up could block.
                "ip": origin.host if origin.host.replace(".", "").isdigit() else here.host,
                "port": origin.port,
                "ssl": origin.scheme == "https",
                "require_device_pairing": self.desk.required,
                "entry_key_ttl_seconds": self.entry_key_ttl,
            }
        )

    @app.route("/nest/ping", methods=["GET", "POST"])
    @app.route("/nest/transport", methods=["GET"])
    def ping(self, request: BoundedRequest) -> Answer:
        """Say that the server lives; `ping_url` leads to a GET on the transport (protocol a.3, a.4)."""
        self._heard(request)
        return Answer.json({"status": "ok", "timestamp": self.now()})

    @app.route("/nest/passphrase", methods=["GET"])
    async def passphrase(self, request: BoundedRequest) -> Answer:
        """Give the code for the screen (protocol a.5)."""
        try:
            serial = await self._recognised(request)
            key = await self.desk.entry_key(serial, self._sender(request))
        except (StoreUnavailable, Full):
            return Answer.json({"error": "Entry key service unavailable"}, 503)
        return Answer(b'{"value":"%s","expires":%d}' % (key.code.encode(), key.expires))

    @app.route("/nest/passphrase/status", methods=["GET"])
    async def status(self, request: BoundedRequest) -> Answer:
        """Tell whether the code was claimed (protocol a.5)."""
        try:
            serial = await self._recognised(request)
            status = await self.desk.status(serial, self._sender(request))
        except StoreUnavailable:
            return Answer.json({"error": "Entry key service unavailable"}, 503)
        if isinstance(status, Claim):
            claim = {"claimed": True, "claimedBy": status.user, "claimedAt": status.at}
            return Answer.json({"status": "claimed", **claim})
        if status is not None:
            return Answer.json({"status": "pending", "claimed": False, "expiresAt": status.expires})
        missing = "No entry key found for this device"
        return Answer.json({"status": "no_key", "claimed": False, "message": missing})

    @app.route("/nest/pro_info/<code>", methods=["GET"])
    def pro_info(self, request: BoundedRequest, code: str) -> Answer:
        """Give the installer's card (protocol g.2)."""
        self._heard(request)
        return Answer.json(
            {
                "id": 1,
                "pro_id": code[:64],
                "dba": DISCOVERED_AS,
                "locality": "A Self-Hosted Thermostat",
                "website": "https://nolongerevil.com",
                "rating": 5.0,
            }
        )

    @app.route("/nest/weather/<path:rest>", methods=["GET"])
    def weather(self, request: BoundedRequest, rest: str) -> Answer:
        """Answer at once that there is no weather yet; the device tolerates it (protocol g.1)."""
        del rest
        self._heard(request)
        if b"query" not in (request.args or {}):
            raise BadRequest("Missing query parameter")
        return Answer.json({"error": "Weather service unavailable: this nled has no weather."}, 503)

    async def _recognised(self, request: BoundedRequest) -> str:
        """Find who asks about its pairing, which a reset that it said before must have reached."""
        identity = identify_request(request)
        await self.arrivals.settle(identity.serial)
        serial, _ = await self.desk.recognise(identity)
        return serial

    def _sender(self, request: BoundedRequest) -> str:
        return self.clients.of(request).address

    def describe(self, request: BoundedRequest, problem: Problem) -> Answer:
        """Write a problem; whoever asked for what cannot be was heard of all the same."""
        if problem.status in _THEIR_OWN:
            self._heard(request)
        return plain_error(request, problem)

    def _heard(self, request: BoundedRequest) -> None:
        note_contact(self.desk, self.arrivals, identify_request(request), self._sender(request))


def note_contact(desk: Desk, arrivals: Arrivals, identity: Identity, sender: str) -> None:
    """Note that a device was heard of, where the answer does not need the store."""
    if identity.serial is not None and not identity.is_mac:
        arrivals.heard(identity.serial, sender, desk.pin_of(identity.serial, identity.password))


async def _after(kept: Deferred[None], answer: Answer) -> Answer:
    await kept
    return answer


def identify_request(request: BoundedRequest, path: str | None = None) -> Identity:
    """Find out who sends a request; `path` is a serial in its path."""

    def header(name: str) -> str | None:
        # Not by its name as text: Twisted then decodes the value strictly.
        value = request.getHeader(name.encode())
        return None if value is None else value.decode("utf-8", "replace")

    query = (request.args or {}).get(b"serial")
    return identify(header, query[0].decode("utf-8", "replace") if query else None, path)


def local_origin(request: BoundedRequest, *, secure: bool) -> Origin:
    """Make an origin of the local address and port on which this connection came in."""
    host = request.getHost()
    assert isinstance(host, IPv4Address | IPv6Address)
    return Origin("https" if secure else "http", host.host.removeprefix("::ffff:"), host.port)
