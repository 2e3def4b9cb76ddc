"""Pairing: the code on the screen, its claim, and who may come in."""

from collections.abc import Callable, Mapping
from hashlib import sha256

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nled.domain.errors import BadRequest, Refused, TooMany
from nled.domain.lan import secret_of
from nled.domain.pairing import CODES, Claim, EntryKey, Tier, new_code, parse_code, parse_user
from nled.domain.serials import Identity, from_session
from nled.store.client import StoreUnavailable
from nled.store.pairing import Arrival, Heard, Pairing

# Entries that wait for the store; beyond these a storm may cost some what they said of themselves.
_MOST_ARRIVALS = 1000
_log = Logger()


@frozen
class Desk:
    """The pairing use cases; each raises StoreUnavailable when the store cannot be had.

    Attributes:
        draw: a random number below a bound, from a CSPRNG.
        now: ms since the epoch.
        required: whether unpaired devices are kept out (PROTOCOL.md e.1).
        pinned: whether a device must keep the password it first came with.
        claims_per_minute: claims one client address may try.
    """

    pairing: Pairing
    draw: Callable[[int], int]
    now: Callable[[], int]
    required: bool
    pinned: bool
    claims_per_minute: int

    async def entry_key(self, serial: str, sender: str) -> EntryKey:
        """Return the code a device shows, which asks from the client address `sender`; raises Full."""
        while True:
            key = await self.pairing.entry_key(serial, new_code(self.draw(CODES)), self.now(), sender)
            if key is not None:
                return key

    async def status(self, serial: str, sender: str) -> Claim | EntryKey | None:
        """Return how far a device's pairing has come."""
        return await self.pairing.status(serial, self.now(), sender)

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

    async def recognise(self, identity: Identity, session: object = None) -> tuple[str, Tier]:
        """Find who a device is: returns its serial and its tier, PAIRED for all in open mode.

        Raises:
            BadRequest: there is no serial.
            Refused: passwords are pinned, and this is not the one the device first came with.
        """
        serial = await self.resolve(identity, session)
        if not (self.required or self.pinned):
            return serial, Tier.PAIRED
        tier, fits = await self.pairing.gate(serial, self.pin_of(serial, identity.password), self.now())
        if not fits:
            _log.warn("{serial}: refused, its password is not the one it was pinned with.", serial=serial)
            raise Refused("Device not authorized. Its password has changed.")
        return serial, tier if self.required else Tier.PAIRED

    async def admit(self, identity: Identity, session: object = None) -> tuple[str, Tier]:
        """Let a device in: returns what `recognise` does, and raises the same.

        Raises:
            Refused: pairing is required, and nobody has claimed this device nor was it shown a code.
        """
        serial, tier = await self.recognise(identity, session)
        if tier is Tier.UNKNOWN:
            raise Refused("Device not authorized. Complete pairing first.")
        return serial, tier

    def pin_of(self, serial: str, password: bytes) -> str:
        """Hash a password as it is pinned; "" where none is."""
        return sha256(serial.encode() + b":" + password).hexdigest() if self.pinned else ""

    async def knows(self, serial: str) -> bool:
        """Whether a device was met."""
        return await self.pairing.knows(serial)

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
                await self.pairing.learn(mac, serial, self.now())
            else:
                serial = await self.pairing.serial_of(mac)
        if serial is None:
            raise BadRequest("Device serial required")
        return serial


@define
class Arrivals:
    """What devices say of themselves at their entry.

    The answer of an entry does not wait for the store, and those of one turn of the reactor are kept by
    one script: an entry asks for no more than where everything is.
    """

    _pairing: Pairing
    _clock: IReactorTime
    _now: Callable[[], int]
    _waiting: list[Arrival | Heard] = field(factory=list)
    _resets: list[Deferred[None]] = field(factory=list)

    def heard(self, serial: str, sender: str, pin: str) -> None:
        """Note that a device was heard of, by something that the store is not asked for."""
        if len(self._waiting) < _MOST_ARRIVALS:
            self._wait(Heard(serial, sender, pin))

    def entered(
        self, serial: str, facts: Mapping[str, str], password: bytes = b"", sender: str = ""
    ) -> Deferred[None] | None:
        """Take the form fields of an entry, the password that came with it, and the client address.

        `reset` = TRUE is a factory reset, which opens an owned device to a new claim: what comes next
        must know of it, so there is a Deferred that fires when it is kept, or could not be.
        """
        reset = facts.get("reset", "").upper() == "TRUE"
        if reset or len(self._waiting) < _MOST_ARRIVALS:
            mac, secret = facts.get("mac", "").upper(), secret_of(password)
            self._wait(Arrival(serial, facts, mac, reset, secret, sender))
        if not reset:
            return None
        _log.info("{serial}: was reset to factory state.", serial=serial)
        kept: Deferred[None] = Deferred()
        self._resets.append(kept)
        return kept

    def _wait(self, arrival: Arrival | Heard) -> None:
        if not self._waiting:
            self._clock.callLater(0, self._keep)
        self._waiting.append(arrival)

    def _keep(self) -> None:
        arrivals, self._waiting = self._waiting, []
        resets, self._resets = self._resets, []
        keeping = Deferred.fromCoroutine(self._pairing.arrived(arrivals, self._now()))
        keeping.addErrback(_lost)
        for kept in resets:
            # Each its own: a device that goes cancels its wait, and nobody else's.
            keeping.addCallback(_fire, kept)


def _fire(_: None, kept: Deferred[None]) -> None:
    kept.callback(None)


def _lost(failure: Failure) -> None:
    failure.trap(StoreUnavailable)
    _log.warn("What devices said at their entry was not kept: {why}", why=failure.getErrorMessage())
