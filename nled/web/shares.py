"""What people share: with whom, invites, and a device in other hands (protocol c.4, e)."""

from typing import Annotated, Literal

from attrs import frozen
from msgspec import Meta, Struct

from nled.actions.people import Household
from nled.domain.access import Need
from nled.domain.device import Permission
from nled.domain.people import INVITE_HOURS, MOST_INVITE_HOURS, Invite
from nled.domain.shapes import InviteToken, Serial, UserId
from nled.web.control import ForSerial, Message, serial_of
from nled.web.endpoint import Api, Call, Endpoint

_FOR_DEVICE = {"serial": "Serial required", "userId": "Missing required field: userId"}
_ACCEPTING = {"token": "Missing required field: token", "userId": "Missing required field: userId"}


class Share(Struct, rename={"user": "userId"}):
    """Whom to let use a device."""

    serial: Serial
    user: UserId
    permission: Permission


class With(Struct, rename={"user": "userId"}):
    """Who may use a device."""

    user: str
    permission: Permission


class Shares(Struct):
    """Whose a device is, who else may use it, and the invites to it, also those of late that are over."""

    serial: str
    owner: str | None
    shares: list[With]
    invites: list[Invite]


class NewInvite(Struct):
    """An invite to be made, and for how many hours."""

    serial: Serial
    permission: Permission
    hours: Annotated[float, Meta(ge=1, le=MOST_INVITE_HOURS, multiple_of=1)] = INVITE_HOURS


class MadeInvite(Struct):
    """An invite that was made, with the token, which is shown this once."""

    id: str
    token: str
    serial: str
    permission: Permission
    expires: int


class Accept(Struct, rename={"user": "userId"}):
    """An invite to accept, and for whom."""

    token: InviteToken
    user: UserId


class AcceptedInvite(Struct):
    """Which device an invite was to."""

    serial: str
    permission: Permission
    success: Literal[True] = True


class Transfer(Struct, rename={"user": "userId"}):
    """Whose a device is to be."""

    serial: Serial
    user: UserId


@frozen
class ShareRoutes:
    """The routes of shares, invites and transfers."""

    household: Household

    def register(self, api: Api) -> None:
        """Add the routes."""
        api.add(
            Endpoint(
                "GET",
                "/api/shares",
                self.shares,
                Need.SHARE,
                "See with whom a thermostat is shared",
                query=ForSerial,
                answer=Shares,
                statuses=(404,),
                missing={"serial": "Serial parameter required"},
            ),
            Endpoint(
                "POST",
                "/api/shares",
                self.share,
                Need.SHARE,
                "Share a thermostat with a person, or change what they may do",
                body=Share,
                answer=Message,
                statuses=(404, 409),
                missing=_FOR_DEVICE,
            ),
            Endpoint(
                "DELETE",
                "/api/shares/<serial>/<user>",
                self.unshare,
                Need.WRITE,
                "Share a thermostat with a person no more",
                answer=Message,
                statuses=(404,),
            ),
            Endpoint(
                "POST",
                "/api/invites",
                self.invite,
                Need.SHARE,
                "Invite somebody to a thermostat",
                body=NewInvite,
                answer=MadeInvite,
                statuses=(404, 409),
                missing={"serial": "Serial required"},
            ),
            Endpoint(
                "DELETE",
                "/api/invites/<identifier>",
                self.revoke_invite,
                Need.SHARE,
                "Revoke an invite",
                answer=Message,
                statuses=(404, 409),
            ),
            Endpoint(
                "POST",
                "/api/invites/accept",
                self.accept,
                Need.WRITE,
                "Accept an invite for a person",
                body=Accept,
                answer=AcceptedInvite,
                statuses=(404, 409),
                missing=_ACCEPTING,
            ),
            Endpoint(
                "POST",
                "/api/transfer",
                self.transfer,
                Need.TRANSFER,
                "Make a thermostat somebody else's",
                body=Transfer,
                answer=Message,
                statuses=(404, 409),
                missing=_FOR_DEVICE,
            ),
        )

    async def shares(self, call: Call) -> Shares:
        """Tell who may use a device, for those who may change that."""
        serial = serial_of(call.query.serial)
        standing, invites = await self.household.shares(call.principal, serial)
        others = [With(user, permission) for user, permission in sorted(standing.shares.items())]
        return Shares(serial, standing.owner, others, list(invites))

    async def share(self, call: Call) -> Message:
        """Let somebody use a device."""
        body: Share = call.body
        serial = serial_of(body.serial)
        await self.household.share(call.principal, serial, body.user, body.permission)
        return Message(message=f"Device {serial} shared with {body.user}")

    async def unshare(self, call: Call, serial: str, user: str) -> Message:
        """Let somebody not use a device any more."""
        folded = serial_of(serial)
        await self.household.unshare(call.principal, folded, user)
        return Message(message=f"Device {folded} not shared with {user} any more")

    async def invite(self, call: Call) -> MadeInvite:
        """Make an invite, and show its token this once."""
        body: NewInvite = call.body
        serial = serial_of(body.serial)
        token, made = await self.household.invite(call.principal, serial, body.permission, int(body.hours))
        return MadeInvite(made.id, token.secret, serial, made.permission, made.expires)

    async def revoke_invite(self, call: Call, identifier: str) -> Message:
        """End an invite that nobody has accepted yet."""
        await self.household.revoke(call.principal, identifier)
        return Message(message=f"Invite {identifier} revoked")

    async def accept(self, call: Call) -> AcceptedInvite:
        """Let somebody to the device of an invite."""
        body: Accept = call.body
        accepted = await self.household.accept(call.principal, body.token, body.user)
        return AcceptedInvite(accepted.serial, accepted.permission)

    async def transfer(self, call: Call) -> Message:
        """Make a device somebody else's."""
        body: Transfer = call.body
        serial = serial_of(body.serial)
        await self.household.transfer(call.principal, serial, body.user)
        return Message(message=f"Device {serial} transferred to {body.user}")
