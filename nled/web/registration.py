"""Claiming thermostats, and letting go of them (protocol c.4, e)."""

from contextlib import suppress

from attrs import frozen
from msgspec import UNSET, Struct, UnsetType

from nled.actions.pairing import Desk
from nled.actions.thermostats import Thermostats
from nled.domain.access import Need, speaks_for
from nled.domain.errors import BadRequest, Denied, NotKnown
from nled.domain.pairing import parse_user
from nled.domain.serials import sanitize
from nled.domain.shapes import EntryCode, UserId
from nled.web.endpoint import Api, Call, Endpoint

_MISSING = "Missing required fields: code, userId"


class Claiming(Struct):
    """The code on a thermostat's screen, and whose it is to be."""

    code: EntryCode
    userId: UserId


class Outcome(Struct, kw_only=True, omit_defaults=True):
    """What became of it; with status 200 also where nothing was done, as clients of this API expect it.

    Attributes:
        serial: which device was claimed.
        error: the message once more, where nothing was done.
    """

    success: bool
    message: str
    serial: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


def _failed(sentence: str) -> Outcome:
    return Outcome(success=False, message=sentence, error=sentence)


class Registered(Struct):
    """An owned device, and since when (ms)."""

    serial: str
    createdAt: int


class OfUser(Struct):
    """Whose devices."""

    userId: UserId = "homeassistant"


@frozen
class RegistrationRoutes:
    """Register, list and unregister."""

    desk: Desk
    thermostats: Thermostats

    def register(self, api: Api) -> None:
        """Add the routes."""
        api.add(
            Endpoint(
                "POST",
                "/api/register",
                self.claim,
                Need.WRITE,
                "Claim the thermostat that shows a code",
                body=Claiming,
                answer=Outcome,
                statuses=(429,),
                missing={"code": _MISSING, "userId": _MISSING},
            ),
            Endpoint(
                "GET",
                "/api/registered-devices",
                self.registered,
                Need.READ,
                "List a user's thermostats, the newest first",
                query=OfUser,
                answer=list[Registered],
            ),
            Endpoint(
                "DELETE",
                "/api/registered-devices/<serial>",
                self.unregister,
                Need.WRITE,
                "Take a thermostat from its owner",
                query=OfUser,
                answer=Outcome,
            ),
        )

    async def claim(self, call: Call) -> Outcome:
        """Claim a device; its screen leaves the pairing dialog at once."""
        body: Claiming = call.body
        if not speaks_for(call.principal, body.userId):
            raise Denied("This API key can claim thermostats only for its own user.")
        serial = await self.desk.claim(body.code, body.userId, call.address)
        if serial is None:
            return _failed("Invalid, expired, or already claimed entry key")
        return Outcome(success=True, message=f"Device {serial} registered to {body.userId}", serial=serial)

    async def registered(self, call: Call) -> list[Registered]:
        """List what a user owns."""
        owned = await self.thermostats.owned(call.principal, parse_user(call.query.userId))
        return [Registered(serial, at) for serial, at in owned]

    async def unregister(self, call: Call, serial: str) -> Outcome:
        """Let a device belong to nobody; its settings stay, and it shows a code again."""
        folded = sanitize(serial)
        if folded is None or not (serial.isascii() and serial.replace("-", "").replace("_", "").isalnum()):
            raise BadRequest("Invalid device serial format")
        with suppress(NotKnown):
            if await self.thermostats.unpair(call.principal, folded, parse_user(call.query.userId)):
                return Outcome(success=True, message=f"Device {folded} deleted")
        return _failed(f"Device {folded} not found")
