"""Pairing: the code on the screen, its claim, and who may come in."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nled.domain.errors import BadRequest, Refused, TooMany
from nled.domain.lan import secret_of
from nled.domain.pairing import CODES, Claim, EntryKey, Tier, new_code, parse_code, parse_user
from nled.domain.serials import Identity, from_session
from nled.store.client import StoreRefused, StoreUnavailable
from nled.store.pairing import Arrival, Heard, Pairing

# Entries that wait for the store; beyond these a storm may cost some what they said of themselves.
_MOST_ARRIVALS = 1000
# Seconds between two tries to store them, if nobody says that the store is back.
_BETWEEN_TRIES = 5.0
_log = Logger()


@frozen
class Desk:
    """The pairing use cases; each raises StoreUnavailable when the store cannot be had.

    Attributes:
        draw: a random number below a bound, from a CSPRNG.
        now: ms since the epoch.
        required: whether unpaired devices are kept out (protocol e.1).
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
        """Find the serial, also of a unit that sends its MAC in its place (protocol m).

        Raises:
            BadRequest: there is none.
        """
        serial = identity.serial
        if serial is not None and identity.is_mac:
            mac, told = serial, from_session(session)
            if told is not None and told[0] == mac:
                serial = told[1]
                # The next session tells it again.
                with suppress(StoreRefused):
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
    one script: an entry asks for no more than where everything is. What the store cannot take waits here
    until it can, the newest of each device.
    """

    _pairing: Pairing
    _clock: IReactorTime
    _now: Callable[[], int]
    _waiting: dict[tuple[str, str], Arrival] = field(factory=dict)
    _noted: list[Heard] = field(factory=list)
    _resets: list[Deferred[None]] = field(factory=list)
    _timer: IDelayedCall | None = None
    # Whether the last try failed; there is one at a time then.
    _failing: bool = False
    _stopped: bool = False

    def heard(self, serial: str, sender: str, pin: str) -> None:
        """Note that a device was heard of, by something that the store is not asked for."""
        if not self._failing and len(self._noted) < _MOST_ARRIVALS:
            self._noted.append(Heard(serial, sender, pin))
            self._keep_soon()

    def entered(
        self,
        serial: str,
        facts: Mapping[str, str],
        password: bytes = b"",
        sender: str = "",
        pin: str = "",
    ) -> Deferred[None] | None:
        """Take the form fields of an entry, the password that came with it, and the client address.

        With a `pin`, of which `Desk` could not ask, they are kept only if it is the device's.

        `reset` = TRUE is a factory reset, which opens an owned device to a new claim: what comes next
        must know of it, so there is a Deferred that fires when it is kept, or could not be for now.
        """
        reset = facts.get("reset", "").upper() == "TRUE"
        mac, secret = facts.get("mac", "").upper(), secret_of(password)
        self._take(Arrival(serial, facts, mac, reset, secret, sender, pin))
        self._keep_soon()
        if not reset:
            return None
        _log.info("{serial}: was reset to factory state.", serial=serial)
        if self._failing:
            return None
        kept: Deferred[None] = Deferred()
        self._resets.append(kept)
        return kept

    async def settle(self, serial: str | None) -> None:
        """Store what waits of a device before it is answered what depends on that.

        Raises:
            StoreUnavailable: it still waits.
        """
        arrivals = [self._waiting.pop(key) for key in tuple(self._waiting) if key[0] == serial]
        if arrivals:
            try:
                await self._pairing.arrived(arrivals, self._now())
            except StoreUnavailable:
                for arrival in arrivals:
                    since = self._waiting.get((arrival.serial, arrival.pin))
                    self._take(arrival)
                    if since is not None:
                        self._take(since)
                raise

    def store_is_back(self) -> None:
        """Store what waits at once, before anything else is asked of the devices it is about."""
        if self._failing and self._timer is not None:
            self._timer.cancel()
            self._keep()

    async def stop(self) -> None:
        """Try no more; what waits is lost."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._give_up()

    def _give_up(self) -> None:
        for arrival in self._waiting.values():
            if arrival.reset:
                _log.warn(
                    "{serial}: its factory reset is lost, the store was away and nled stops; for a new "
                    "owner, take it from the old one with nledctl unpair.",
                    serial=arrival.serial,
                )
        self._waiting.clear()

    def _take(self, arrival: Arrival) -> None:
        key = arrival.serial, arrival.pin
        before = self._waiting.get(key)
        if before is not None:
            arrival = arrival.after(before)
        elif len(self._waiting) >= _MOST_ARRIVALS:
            # A reset is worth more than anything else that is said.
            gone = next(
                (each for each, one in self._waiting.items() if arrival.reset and not one.reset), None
            )
            if gone is None:
                return
            del self._waiting[gone]
        self._waiting[key] = arrival

    def _keep_soon(self) -> None:
        if self._timer is None and not (self._failing or self._stopped):
            self._keep_in(0)

    def _keep_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.callLater(seconds, self._keep)

    def _keep(self) -> None:
        self._timer = None
        arrivals, self._waiting = list(self._waiting.values()), {}
        resets, self._resets = self._resets, []
        noted, self._noted = self._noted, []
        keeping = Deferred.fromCoroutine(self._pairing.arrived([*arrivals, *noted], self._now()))
        keeping.addCallback(self._kept, len(arrivals))
        keeping.addErrback(self._not_kept, arrivals)
        for kept in resets:
            # Each its own: a device that goes cancels its wait, and nobody else's.
            keeping.addCallback(_fire, kept)

    def _kept(self, _: None, count: int) -> None:
        if self._failing:
            self._failing = False
            if count:
                _log.info("What {count} devices said at their entry meanwhile is stored.", count=count)
            if self._waiting:
                self._keep_in(0)

    def _not_kept(self, failure: Failure, arrivals: list[Arrival]) -> None:
        failure.trap(StoreUnavailable)
        since, self._waiting = self._waiting, {}
        for arrival in (*arrivals, *since.values()):
            self._take(arrival)
        # Nor can those be kept that came meanwhile: their answers must not wait for the next try, too.
        resets, self._resets = self._resets, []
        self._failing = True
        for kept in resets:
            _fire(None, kept)
        if self._stopped:
            self._give_up()
        else:
            self._keep_in(_BETWEEN_TRIES)


def _fire(_: None, kept: Deferred[None]) -> None:
    kept.callback(None)
