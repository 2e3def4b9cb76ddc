"""Pairing: the code on the screen, its claim, and who may come in."""

from collections.abc import Callable, Mapping
from hashlib import sha256

from attrs import frozen
from twisted.logger import Logger

from nled.domain.errors import BadRequest, Refused
from nled.domain.pairing import Claim, EntryKey, Tier, new_code, parse_code, parse_user
from nled.domain.serials import Identity, from_session
from nled.store.pairing import Pairing

# Of four fresh codes one is free, out of 27 thousand million.
_CANDIDATES = 4
_log = Logger()


class TooMany(Exception):
    """The client tried too often; the text says when to come back."""


@frozen
class Desk:
    """The pairing use cases; each raises StoreUnavailable when the store cannot be had.

    Attributes:
        choose: picks one of a string's characters, from a CSPRNG.
        now: ms since the epoch.
        required: whether unpaired devices are kept out (PROTOCOL.md e.1).
        pinned: whether a device must keep the password it first came with.
        claims_per_minute: claims one client address may try.
    """

    pairing: Pairing
    choose: Callable[[str], str]
    now: Callable[[], int]
    required: bool
    pinned: bool
    claims_per_minute: int

    async def entry_key(self, serial: str) -> EntryKey:
        """Return the code a device shows; raises Full."""
        codes = [new_code(self.choose) for _ in range(_CANDIDATES)]
        return await self.pairing.entry_key(serial, codes, self.now())

    async def status(self, serial: str) -> Claim | EntryKey | None:
        """Return how far a device's pairing has come."""
        return await self.pairing.status(serial)

    async def claim(self, code: object, user: object, address: str) -> str | None:
        """Claim the device that shows `code` for `user`; returns its serial, None if no device does.

        Raises:
            BadRequest: the code or the user cannot be one.
            TooMany: this client address tried too often.
        """
        wanted, owner = parse_code(code), parse_user(user)
        if await self.pairing.count_claim(address) > self.claims_per_minute:
            raise TooMany("Too many claims from this address; try again in a minute.")
        serial = await self.pairing.claim(wanted, owner, self.now())
        if serial is None:
            # The code itself stays out of the log: it may be somebody's, mistyped.
            _log.info("A claim by {user} from {address} failed.", user=owner, address=address)
        else:
            _log.info("{serial}: claimed by {user}.", serial=serial, user=owner)
        return serial

    async def admit(self, identity: Identity, session: object = None) -> tuple[str, Tier]:
        """Let a device in: returns its serial and its tier, PAIRED for all in open mode.

        Raises:
            BadRequest: there is no serial.
            Refused: pairing is required and this device is unknown, or its password is not the pinned one.
        """
        serial = await self.resolve(identity, session)
        if not (self.required or self.pinned):
            return serial, Tier.PAIRED
        pin = sha256(serial.encode() + b":" + identity.password).hexdigest() if self.pinned else ""
        tier, fits = await self.pairing.gate(serial, pin, self.now())
        if not fits:
            _log.warn("{serial}: refused, its password is not the one it was pinned with.", serial=serial)
            raise Refused("Device not authorized. Its password has changed.")
        if not self.required:
            return serial, Tier.PAIRED
        if tier is Tier.UNKNOWN:
            raise Refused("Device not authorized. Complete pairing first.")
        return serial, tier

    async def resolve(self, identity: Identity, session: object = None) -> str:
        """Find the serial, also of a unit that sends its MAC in its place (PROTOCOL.md m).

        Raises:
            BadRequest: there is none.
        """
        serial = identity.serial
        if serial is not None and identity.is_mac:
            mac, told = serial, from_session(session)
            if told is not None and told[0] == mac:
                serial = told[1]
                await self.pairing.learn(mac, serial)
            else:
                serial = await self.pairing.serial_of(mac)
        if serial is None:
            raise BadRequest("Device serial required")
        return serial


@frozen
class Arrivals:
    """What devices say of themselves at their entry.

    The answer of an entry never waits for the store nor fails with it; only a factory reset is kept
    before it is answered, since it opens the device to a new owner.
    """

    pairing: Pairing
    now: Callable[[], int]

    async def entered(self, serial: str, facts: Mapping[str, str]) -> None:
        """Keep the form fields of an entry; `reset` = TRUE is a factory reset. Raises StoreUnavailable."""
        reset = facts.get("reset", "").upper() == "TRUE"
        if reset:
            _log.info("{serial}: was reset to factory state.", serial=serial)
        mac = facts.get("mac", "").upper()
        await self.pairing.entered(serial, facts, mac, reset=reset, now=self.now())
