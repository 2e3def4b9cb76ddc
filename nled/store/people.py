"""People and what they share, in Redis (protocol c.4, e)."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from attrs import frozen

from nled.domain.access import Standing
from nled.domain.device import Permission
from nled.domain.pairing import structure_id
from nled.domain.people import (
    INVITE_KEPT,
    MOST_INVITES,
    MOST_PEOPLE,
    MOST_SHARES,
    Invite,
    InviteState,
    Person,
    Shared,
    Token,
    parse_email,
)
from nled.store import keys
from nled.store.client import Script
from nled.store.scripts import READING, Scripts, load

# People looked up by one script: a thousand at once would keep all others waiting.
_AT_ONCE = 100

# Why nothing was done: nobody owns the device; that person does; it has as many shares or invites as it may;
# there are as many people as may be; no such person; no such share or invite; the id is another's.
Obstacle = Literal["unowned", "owner", "full", "crowd", "nobody", "none", "taken"]
Outcome = Literal["ok"] | Obstacle


@frozen
class Accepted:
    """Which device somebody was let to, and as what."""

    serial: str
    permission: Permission


class People:
    """The operations on people and shares; every one raises StoreUnavailable when the store cannot be had."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._client = scripts.client

    async def standing(self, serial: str, now: int) -> Standing | None:
        """Tell whose a device is; None for one that nobody has met or claimed."""
        reply = await self._scripts.ask(_STANDING, serial, now)
        return None if reply is None else Standing(serial, reply[0], dict(_pairs(reply[1])))

    async def visible(self, user: str) -> frozenset[str]:
        """List the devices that somebody owns or shares."""
        return frozenset(
            await self._client.command("SUNION", keys.home_devices(user), keys.home_shared(user))
        )

    async def ensure(self, user: str, email: str | None, now: int) -> bool | None:
        """See that there is such a person, with that e-mail address if one is given.

        Returns whether they are new; None when there are as many people as there may be.
        """
        created = await self._client.run(_ENSURE, [keys.PEOPLE], user, now, email or "", MOST_PEOPLE)
        return None if created < 0 else created == 1

    async def all(self) -> list[Person]:
        """List everybody, by user id."""
        known = sorted(_pairs(await self._client.command("HGETALL", keys.PEOPLE)))
        people: list[Person] = []
        for start in range(0, len(known), _AT_ONCE):
            some = known[start : start + _AT_ONCE]
            reply = await self._client.run(_LOOK, [keys.PEOPLE], *(user for user, _ in some))
            people += [_person(user, text, *each) for (user, text), each in zip(some, reply, strict=True)]
        return people

    async def forget(self, user: str, now: int) -> int | None:
        """Forget somebody; their devices are nobody's then. Returns how many those were, None if unknown."""
        owned: int | None = await self._scripts.ask(_FORGET, "", now, user=user, structure=structure_id(user))
        return owned

    async def share(self, serial: str, user: str, permission: Permission | None, now: int) -> Outcome:
        """Let somebody use a device, or not any more (None)."""
        outcome: Outcome = await self._scripts.ask(
            _SHARE, serial, now, user=user, permission=permission, most_shares=MOST_SHARES
        )
        return outcome

    async def transfer(self, serial: str, user: str, now: int) -> Outcome:
        """Make a device somebody else's; its held polls are told."""
        outcome: Outcome = await self._scripts.ask(
            _TRANSFER, serial, now, user=user, structure=structure_id(user)
        )
        return outcome

    async def invite(
        self,
        serial: str,
        token: Token,
        permission: Permission,
        expires: int,
        now: int,
        *,
        by: str | None = None,
    ) -> Outcome:
        """Keep an invite to a device until `expires`, and in the list a while longer.

        It ends with the right of the user `by` to share the device; None where nobody in particular made it.
        """
        outcome: Outcome = await self._scripts.ask(
            _INVITE,
            serial,
            now,
            id=token.id,
            hash=token.hash,
            permission=permission,
            expires=expires,
            by=by,
            kept=INVITE_KEPT,
            most_invites=MOST_INVITES,
        )
        return outcome

    async def invites(self, serial: str, now: int) -> list[Invite]:
        """List the invites to a device, the newest first."""
        reply = await self._client.run(_INVITES, [keys.invites(serial)])
        found = [_invite(identifier, now, fields) for identifier, fields in reply]
        return sorted(found, key=lambda each: (-each.created, each.id))

    async def invited_to(self, identifier: str) -> str | None:
        """Return the serial of the device that an invite is to."""
        serial: str | None = await self._client.command("HGET", keys.invite(identifier), "serial")
        return serial

    async def revoke(self, identifier: str, now: int) -> InviteState | None:
        """End an invite; returns what it was until now, None where there is none."""
        reply = await self._client.run(_REVOKE, [keys.invite(identifier)], now)
        return None if reply[0] is None else _state(reply[0], int(reply[1]), now)

    async def accept(self, token: Token, user: str, now: int) -> Accepted | Obstacle:
        """Let somebody to the device that an invite is to; they become known if they are not."""
        reply = await self._scripts.ask(
            _ACCEPT,
            "",
            now,
            id=token.id,
            hash=token.hash,
            user=user,
            created_as=f"{now} ",
            most_people=MOST_PEOPLE,
            most_shares=MOST_SHARES,
        )
        if reply[0] != "ok":
            obstacle: Obstacle = reply[0]
            return obstacle
        return Accepted(*reply[1:])


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _person(user: str, text: str, devices: Sequence[str], shared: Sequence[str]) -> Person:
    created, _, email = text.partition(" ")
    others = sorted(Shared(*each) for each in _pairs(shared))
    return Person(user, parse_email(email, user), int(created), tuple(sorted(devices)), tuple(others))


def _invite(identifier: str, now: int, fields: tuple[Permission, str, str, InviteState]) -> Invite:
    permission, created, expires, state = fields
    return Invite(identifier, permission, int(created), int(expires), _state(state, int(expires), now))


def _state(state: InviteState, expires: int, now: int) -> InviteState:
    return "expired" if state == "pending" and expires <= now else state


_SHARE, _INVITE, _ACCEPT = load("share"), load("invite"), load("accept")
_TRANSFER, _FORGET, _STANDING = (
    load("transfer"),
    load("forget_person"),
    load("standing", READING, writes=False),
)
_ENSURE = Script(
    "ensure",
    """local known = redis.call('HGET', KEYS[1], ARGV[1])
    if not known and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return -1 end
    if not known or ARGV[3] ~= '' then
      local created = known and known:match('^%d+') or ARGV[2]
      redis.call('HSET', KEYS[1], ARGV[1], created .. ' ' .. ARGV[3])
    end
    return known and 0 or 1""",
)
_LOOK = Script(
    "look_at_people",
    keys.LUA
    + """local answer = {}
    for i, user in ipairs(ARGV) do
      local shared = {}
      for _, serial in ipairs(redis.call('SMEMBERS', home_key(user, 'shared'))) do
        shared[#shared + 1] = serial
        shared[#shared + 1] = redis.call('HGET', device_key(serial, 'shares'), user)
      end
      answer[i] = {redis.call('SMEMBERS', home_key(user, 'devices')), shared}
    end
    return answer""",
    writes=False,
)
_INVITES = Script(
    "list_invites",
    keys.LUA
    + """local answer = {}
    for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
      local fields = redis.call('HMGET', invite_key(id), 'permission', 'created', 'expires', 'state')
      -- By pcall: the list can be read where nothing can be written.
      if fields[1] then answer[#answer + 1] = {id, fields} else redis.pcall('SREM', KEYS[1], id) end
    end
    return answer""",
    writes=False,
)
_REVOKE = Script(
    "revoke_invite",
    """local state, expires = unpack(redis.call('HMGET', KEYS[1], 'state', 'expires'))
    if state == 'pending' and tonumber(expires) > tonumber(ARGV[1]) then
      redis.call('HSET', KEYS[1], 'state', 'revoked')
    end
    return {state, expires}""",
)
