"""Who calls, what they may do, and the API keys by which they come."""

import re
from collections.abc import Callable, Sequence
from typing import assert_never

from attrs import frozen
from twisted.logger import Logger

from nled.domain.access import Need, Principal, Rate, Standing, demand, of_key, standing_of
from nled.domain.device import Device
from nled.domain.errors import BadRequest, Conflict, NotKnown, Refused, TooMany
from nled.domain.pairing import parse_user
from nled.domain.people import (
    DAY,
    MOST_KEY_DAYS,
    MOST_KEY_DEVICES,
    MOST_KEYS,
    ApiKey,
    Token,
    end_of,
    new_key,
    parse_key,
    parse_name,
    parse_scopes,
)
from nled.domain.serials import sanitize
from nled.store.api_keys import ApiKeys
from nled.store.people import People

_MINUTE = 60_000
# Of somebody who would have to be known.
UNKNOWN = "There is no such person: {}; make them known (POST /api/ensure-user, or `nledctl people add`)."
_ID = re.compile("[0-9a-f]{16}")
_log = Logger()


def permit(who: Principal, need: Need, device: Device, *, expired: bool = False) -> None:
    """Let somebody do something with a device that was read already; where `expired`, also without a state.

    Raises:
        Denied: they may not.
        NotKnown: nothing is left of what it told.
    """
    demand(who, need, standing_of(device))
    if device.expired and not expired:
        raise NotKnown(
            "Device not found: nothing was heard of it for longer than its state is kept "
            "(retention.object_ttl_days). It is here again as soon as it comes."
        )


def known_id(text: str) -> str:
    """Read the id of a key or an invite.

    Raises:
        NotKnown: it cannot be one.
    """
    if not _ID.fullmatch(text):
        raise NotKnown("There is nothing with this id; it has 16 hex digits, as the list shows it.")
    return text


@frozen
class Authority:
    """Who calls and what they may do; each raises StoreUnavailable when the store cannot be had.

    Attributes:
        draw: a random number below a bound, from a CSPRNG.
        now: ms since the epoch.
        limit: requests a key may make per minute, 0 for any number.
        failures: wrong keys per minute after which an address has to wait; 0 for any number.
    """

    keys: ApiKeys
    people: People
    draw: Callable[[int], int]
    now: Callable[[], int]
    limit: int
    failures: int

    async def bearer(self, text: str, address: str, *, counted: bool = True) -> tuple[Principal, Rate] | None:
        """Find who comes with a key, and how much more they may ask; None if it is no key (any more).

        Args:
            text: what stands behind `Bearer`.
            address: the client's, for the count of wrong keys.
            counted: False where none is needed: some clients always send one (protocol n.4).

        Raises:
            TooMany: that address came with too many wrong ones.
        """
        token = parse_key(text)
        if token is None:
            return None
        now = self.now()
        found = await self.keys.bearer(token, address, now, self.limit, self.failures if counted else 0)
        if found == "slow":
            raise TooMany("Too many wrong API keys from this address; try again in a minute.")
        if found == "wrong":
            return None
        principal, count = found
        reset = now - now % _MINUTE + _MINUTE
        return principal, Rate(self.limit, max(0, self.limit - count), reset, count > self.limit)

    async def standing(self, serial: str) -> Standing | None:
        """Tell whose a device is; None for one that nobody has met or claimed."""
        return await self.people.standing(serial, self.now())

    async def allow(self, who: Principal, need: Need, serial: str) -> Standing:
        """Let somebody do something with a device; returns whose it is.

        Raises:
            Denied: they may not.
            NotKnown: there is no such device.
        """
        return demand(who, need, await self.standing(serial))

    async def visible(self, who: Principal) -> frozenset[str] | None:
        """List the devices that somebody can reach, None for all there are."""
        if who.user is None:
            return who.devices
        theirs = await self.people.visible(who.user)
        return theirs if who.devices is None else theirs & who.devices

    async def still_visible(self, who: Principal) -> frozenset[str] | None:
        """List what somebody can reach who has been here for a while, as `visible` does.

        Raises:
            Refused: the key they came with is none any more.
        """
        if who.key is None:
            return await self.visible(who)
        key = await self.keys.find(who.key)
        if key is None or (key.expires is not None and key.expires <= self.now()):
            raise Refused("Unauthorized")
        return await self.visible(of_key(key.id, key.name, key.scopes, key.user, key.devices))

    async def make_key(
        self,
        who: Principal,
        name: str,
        scopes: Sequence[str],
        *,
        user: str | None = None,
        devices: Sequence[str] | None = None,
        days: int | None = None,
    ) -> tuple[Token, ApiKey]:
        """Make an API key; its secret is in the token, and nowhere else.

        Args:
            who: who makes it, for the log.
            name: what people call it.
            scopes: of `read`, `write`, `admin`.
            user: whose devices it is for; None for all.
            devices: the only ones it is for; None for no such limit.
            days: how long it lasts; None for ever.

        Raises:
            BadRequest: one of these cannot be.
            NotKnown: no such person, or no such device.
            Conflict: there are as many keys as there may be.
        """
        now = self.now()
        owner = None if user is None else parse_user(user)
        serials = None if devices is None else _serials(devices)
        expires = None if days is None else end_of(days, MOST_KEY_DAYS, "days", DAY, now)
        granted = parse_scopes(scopes, owner, serials)
        called = parse_name(name)
        while True:
            token = new_key(self.draw)
            key = ApiKey(token.id, called, granted, owner, serials, now, expires, None)
            made = await self.keys.make(token, key)
            match made.outcome:
                case "ok":
                    _log.info(
                        "API key {id} ({name}, {scopes}) made by {who}.",
                        id=key.id,
                        name=called,
                        scopes=" ".join(granted),
                        who=who.name,
                    )
                    return token, key
                case "taken":
                    continue
                case "full":
                    raise Conflict(f"There are {MOST_KEYS} API keys, as many as may be; revoke one first.")
                case "nobody":
                    raise NotKnown(UNKNOWN.format(owner))
                case "unknown":
                    raise NotKnown(f"Device not found: {made.serial}")
                case _:
                    assert_never(made.outcome)

    async def revoke_key(self, who: Principal, identifier: str) -> None:
        """Let a key be none from now on.

        Raises:
            NotKnown: there is no such key.
        """
        name = await self.keys.revoke(known_id(identifier))
        if name is None:
            raise NotKnown(f"There is no API key with the id {identifier}.")
        _log.info("API key {id} ({name}) revoked by {who}.", id=identifier, name=name, who=who.name)


def _serials(texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) > MOST_KEY_DEVICES:
        raise BadRequest(f"devices may name at most {MOST_KEY_DEVICES}; leave it out for all.")
    if not texts:
        raise BadRequest("devices must name at least one; leave it out for all.")
    serials: dict[str, None] = {}
    for text in texts:
        serial = sanitize(text)
        if serial is None:
            raise BadRequest("devices must be serials of 10 to 32 letters and digits.")
        serials[serial] = None
    return tuple(serials)
