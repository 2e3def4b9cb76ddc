"""Entry keys, ownership, pinned passwords and what a device said of itself, in Redis."""

from collections.abc import Mapping, Sequence

from attrs import field, frozen

from nled.domain.hosts import host_of
from nled.domain.pairing import LEAST_LIFE, Claim, EntryKey, Tier, structure_id
from nled.store import keys
from nled.store.client import Script
from nled.store.scripts import Scripts, load, refuse_when_full

MINUTE = 60


@frozen
class Arrival:
    """What a device said of itself at its entry: facts by name, its MAC or "", whether it was reset.

    `secret` is the password it came with, or "": what its own Settings API wants to hear (protocol g.5).
    `sender` is the client address. With a `pin`, the hash of its password, it is kept only for the device
    that was pinned with it.
    """

    serial: str
    facts: Mapping[str, str]
    mac: str
    reset: bool
    secret: str = field(default="", repr=False)
    sender: str = ""
    pin: str = field(default="", repr=False)

    def after(self, before: "Arrival") -> "Arrival":
        """Add what the device said before this."""
        return Arrival(
            self.serial,
            {**before.facts, **self.facts},
            self.mac or before.mac,
            self.reset or before.reset,
            self.secret or before.secret,
            self.sender,
            self.pin,
        )

    def as_request(self) -> dict[str, object]:
        """Write it as the script reads it."""
        flat = [text for pair in self.facts.items() for text in pair]
        told = {"facts": flat, "mac": self.mac, "reset": self.reset, "secret": self.secret}
        sender = host_of(self.sender)
        return {"serial": self.serial, "sender": sender, "pin": self.pin, **told}


@frozen
class Heard:
    """That a device was heard of in a way that needs no answer of the store.

    Attributes:
        sender: the client address.
        pin: the hash of its password, "" where passwords are not pinned; another one is not heard.
    """

    serial: str
    sender: str
    pin: str = ""

    def as_request(self) -> dict[str, object]:
        """Write it as the script reads it."""
        sender = host_of(self.sender)
        return {"serial": self.serial, "sender": sender, "heard": True, "pin": self.pin}


class Pairing:
    """The pairing operations; every one raises StoreUnavailable when the store cannot be had."""

    def __init__(self, scripts: Scripts, entry_key_life: int) -> None:
        self._scripts = scripts
        self._life = entry_key_life

    async def arrived(self, arrivals: Sequence[Arrival | Heard], now: int) -> None:
        """Keep what devices said at their entries; one that was reset may be claimed anew.

        Of one that was only heard of, no more is noted than that, and nothing if it is not known.
        """
        await self._scripts.ask(_ENTRY, "", now, arrivals=[each.as_request() for each in arrivals])

    async def entry_key(self, serial: str, fresh: str, now: int, sender: str = "") -> EntryKey | None:
        """Return the code a device shows, `fresh` where it has none; None if another device shows that.

        Its expiry slides so that the device never sees less than 30 minutes.

        Raises:
            Full: a device that is known no more, and none is taken.
        """
        host = host_of(sender)
        reply = await self._scripts.ask(
            _ENTRY_KEY, serial, now, fresh=fresh, life=self._life, slide=LEAST_LIFE, sender=host
        )
        refuse_when_full(reply[0])
        return EntryKey(reply[1], int(reply[2])) if reply[0] == "ok" else None

    async def status(self, serial: str, now: int, sender: str = "") -> Claim | EntryKey | None:
        """Return whose the device is, else the entry key that waits to be claimed, else None.

        A device that is told that it was claimed is not offered its home again and again.
        """
        reply = await self._scripts.ask(_STATUS, serial, now, sender=host_of(sender))
        (user, at, is_open), (code, expires) = reply
        if user and not is_open:
            return Claim(user, int(at))
        return EntryKey(code, int(expires)) if code else None

    async def claim(self, code: str, user: str, now: int) -> str | None:
        """Make `user` the owner of the device that shows `code`; returns its serial, or None.

        Of two concurrent claims one wins. The device's held polls are told.
        """
        serial: str | None = await self._scripts.client.command("GET", keys.code(code))
        if serial is None:
            return None
        structure = structure_id(user)
        won = await self._scripts.ask(_CLAIM, serial, now, code=code, user=user, structure=structure)
        return serial if won else None

    async def count_claim(self, address: str) -> int:
        """Count one claim tried from a client address; returns how many there were in its minute."""
        count: int = await self._scripts.client.run(_COUNT, [keys.claims(address)], MINUTE)
        return count

    async def gate(self, serial: str, pin: str, now: int) -> tuple[Tier, bool]:
        """Return a device's tier and whether its password fits; an empty `pin` always does.

        `pin` is a hash of the password; the first one a device comes with is the one it keeps.
        """
        tier, fits = await self._scripts.ask(_GATE, serial, now, pin=pin)
        return Tier(tier), bool(fits)

    async def serial_of(self, mac: str) -> str | None:
        """Return the serial that came with a Wi-Fi MAC, if one did."""
        serial: str | None = await self._scripts.client.command("GET", keys.mac(mac))
        return serial

    async def learn(self, mac: str, serial: str, now: int) -> None:
        """Remember which serial, if it is of a device that was met, a Wi-Fi MAC belongs to."""
        await self._scripts.ask(_LEARN, serial, now, mac=mac)

    async def knows(self, serial: str) -> bool:
        """Whether a device was met, and told of: a stranger is nothing to keep files for."""
        place: str | None = await self._scripts.client.command("HGET", keys.PLACES, serial)
        grade, _, _, told, _ = (place or "arrival - - 0 ").split(" ", 4)
        return grade != "arrival" and told == "1"


_ENTRY, _ENTRY_KEY, _CLAIM = load("entry"), load("entry_key"), load("claim")
_GATE, _LEARN, _STATUS = load("gate", writes=False), load("learn"), load("status", writes=False)
# INCR and EXPIRE in one step: a counter without an end would lock its address out for ever, and one from
# before a step back of the clock for as long as that.
_COUNT = Script(
    "count",
    """if redis.call('TTL', KEYS[1]) > tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) end
    local count = redis.call('INCR', KEYS[1])
    if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
    return count""",
)
