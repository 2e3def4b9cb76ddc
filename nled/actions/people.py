"""People, what they share with whom, and how a device comes into other hands (protocol c.4, e)."""

from collections.abc import Callable, Sequence

from attrs import frozen
from twisted.logger import Logger

from nled.actions.access import UNKNOWN, Authority, known_id
from nled.domain.access import Need, Principal, Standing, speaks_for
from nled.domain.device import Permission
from nled.domain.errors import Conflict, Denied, NotKnown
from nled.domain.pairing import parse_user
from nled.domain.people import (
    HOUR,
    MOST_INVITE_HOURS,
    MOST_INVITES,
    MOST_PEOPLE,
    MOST_SHARES,
    Invite,
    Person,
    Token,
    end_of,
    new_invite,
    parse_email,
    parse_invite,
    parse_permission,
)
from nled.store.people import Accepted, Obstacle, People

_log = Logger()
_NO_INVITE = "There is no such invite, or it is over; ask for a new one."


@frozen
class Household:
    """The use cases of people and shares; each raises StoreUnavailable when the store cannot be had.

    Those about one device raise Denied for one who may not, and NotKnown when there is none.

    Attributes:
        draw: a random number below a bound, from a CSPRNG.
        now: ms since the epoch.
    """

    people: People
    authority: Authority
    draw: Callable[[int], int]
    now: Callable[[], int]

    async def ensure(self, who: Principal, user: str, email: str | None) -> bool:
        """See that somebody is known; returns whether they are new.

        Raises:
            BadRequest: this cannot be a user, or not their e-mail address.
            Denied: with a key of somebody else.
            Conflict: there are as many people as there may be.
        """
        known = parse_user(user)
        _in_name_of(who, known)
        address = parse_email(email, known) if email else None
        created = await self.people.ensure(known, address, self.now())
        if created is None:
            raise Conflict(_CROWD)
        if created:
            _log.info("{user}: made known by {who}.", user=known, who=who.name)
        return created

    async def all(self) -> Sequence[Person]:
        """List everybody, by user id."""
        return await self.people.all()

    async def forget(self, who: Principal, user: str) -> int:
        """Forget somebody: their home, keys, and what they share; returns how many devices are nobody's now.

        Raises:
            BadRequest: this cannot be a user.
            NotKnown: there is no such person.
        """
        owned = await self.people.forget(parse_user(user), self.now())
        if owned is None:
            raise NotKnown(f"There is no such person: {user}")
        _log.info("{user}: forgotten by {who}, {owned} devices left.", user=user, who=who.name, owned=owned)
        return owned

    async def shares(self, who: Principal, serial: str) -> tuple[Standing, Sequence[Invite]]:
        """Tell whose a device is, with whom it is shared, and the invites to it."""
        standing = await self.authority.allow(who, Need.SHARE, serial)
        return standing, await self.people.invites(serial, self.now())

    async def share(self, who: Principal, serial: str, user: str, permission: str) -> Permission:
        """Let somebody who is known use a device.

        Raises:
            BadRequest: this cannot be a user, or is no permission.
            Conflict: nobody owns it, they do, or it is shared with as many people as it may.
        """
        other, wanted = parse_user(user), parse_permission(permission)
        await self.authority.allow(who, Need.SHARE, serial)
        outcome = await self.people.share(serial, other, wanted, self.now())
        if outcome != "ok":
            raise _refusal(outcome, other)
        _log.info(
            "{serial}: shared with {user} ({permission}) by {who}.",
            serial=serial,
            user=other,
            permission=wanted,
            who=who.name,
        )
        return wanted

    async def unshare(self, who: Principal, serial: str, user: str) -> None:
        """Let somebody not use a device any more; whom it is shared with may do this for themselves.

        Raises:
            BadRequest: this cannot be a user.
            NotKnown: it is not shared with them.
        """
        other = parse_user(user)
        await self.authority.allow(who, Need.LEAVE if who.user == other else Need.SHARE, serial)
        outcome = await self.people.share(serial, other, None, self.now())
        if outcome != "ok":
            raise NotKnown(f"The device is not shared with {other}.")
        _log.info(
            "{serial}: not shared with {user} any more, by {who}.", serial=serial, user=other, who=who.name
        )

    async def invite(self, who: Principal, serial: str, permission: str, hours: int) -> tuple[Token, Invite]:
        """Make an invite to a device; its secret is in the token, and nowhere else.

        Raises:
            BadRequest: no permission, or hours that cannot be.
            Conflict: nobody owns it, or as many invites wait as may.
        """
        now = self.now()
        wanted, expires = parse_permission(permission), end_of(hours, MOST_INVITE_HOURS, "hours", HOUR, now)
        await self.authority.allow(who, Need.SHARE, serial)
        while True:
            token = new_invite(self.draw)
            outcome = await self.people.invite(serial, token, wanted, expires, now, by=who.user)
            if outcome == "ok":
                break
            if outcome == "full":
                raise Conflict(f"{MOST_INVITES} invites to this device wait; revoke one first.")
            if outcome != "taken":
                raise _refusal(outcome, "")
        _log.info(
            "{serial}: invite {id} ({permission}) made by {who}.",
            serial=serial,
            id=token.id,
            permission=wanted,
            who=who.name,
        )
        return token, Invite(token.id, wanted, now, expires, "pending")

    async def revoke(self, who: Principal, identifier: str) -> None:
        """End an invite.

        Raises:
            NotKnown: there is no such invite.
            Conflict: it has ended already.
        """
        serial = await self.people.invited_to(known_id(identifier))
        if serial is None:
            raise NotKnown(f"There is no invite with the id {identifier}.")
        await self.authority.allow(who, Need.SHARE, serial)
        state = await self.people.revoke(identifier, self.now())
        if state != "pending":
            raise Conflict(f"This invite is {state or 'gone'} already.")
        _log.info("{serial}: invite {id} revoked by {who}.", serial=serial, id=identifier, who=who.name)

    async def accept(self, who: Principal, text: str, user: str) -> Accepted:
        """Let somebody to the device that an invite is to; it works once.

        Raises:
            BadRequest: this cannot be a token, or not a user.
            Denied: with a key of somebody else.
            NotKnown: there is no such invite, or it is over.
            Conflict: they own the device, or a bound is reached.
        """
        token, guest = parse_invite(text), parse_user(user)
        _in_name_of(who, guest)
        accepted = await self.people.accept(token, guest, self.now())
        if not isinstance(accepted, Accepted):
            raise _refusal(accepted, guest)
        _log.info(
            "{serial}: invite {id} ({permission}) accepted for {user} by {who}.",
            serial=accepted.serial,
            id=token.id,
            permission=accepted.permission,
            user=guest,
            who=who.name,
        )
        return accepted

    async def transfer(self, who: Principal, serial: str, user: str) -> None:
        """Make a device somebody else's, who is known.

        Raises:
            BadRequest: this cannot be a user.
            Conflict: nobody owns it, or they do already.
        """
        other = parse_user(user)
        standing = await self.authority.allow(who, Need.TRANSFER, serial)
        outcome = await self.people.transfer(serial, other, self.now())
        if outcome != "ok":
            raise _refusal(outcome, other)
        _log.info(
            "{serial}: transferred from {owner} to {user} by {who}.",
            serial=serial,
            owner=standing.owner,
            user=other,
            who=who.name,
        )


_CROWD = f"There are {MOST_PEOPLE} people, as many as may be; delete one first."


def _in_name_of(who: Principal, user: str) -> None:
    if not speaks_for(who, user):
        raise Denied(f"This key is not one of {user}, nor for the whole installation.")


def _refusal(obstacle: Obstacle, user: str) -> Exception:
    match obstacle:
        case "unowned":
            return Conflict("Nobody owns this device; claim it with the code on its screen first.")
        case "owner":
            return Conflict(f"The device belongs to {user} already.")
        case "full":
            return Conflict(f"A device can be shared with at most {MOST_SHARES} people.")
        case "crowd":
            return Conflict(_CROWD)
        case "nobody":
            return NotKnown(UNKNOWN.format(user))
        case _:
            return NotKnown(_NO_INVITE)
