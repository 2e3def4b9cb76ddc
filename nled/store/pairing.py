"""Entry keys, ownership, pinned passwords and what a device said of itself, in Redis."""

from collections.abc import Mapping, Sequence

from nled.domain.errors import Full
from nled.domain.pairing import LEAST_LIFE, Claim, EntryKey, Tier, structure_id
from nled.store import keys
from nled.store.client import Script
from nled.store.scripts import Scripts, load

MINUTE = 60


class Pairing:
    """The pairing operations; every one raises StoreUnavailable when the store cannot be had."""

    def __init__(self, scripts: Scripts, entry_key_life: int) -> None:
        self._scripts = scripts
        self._life = entry_key_life

    async def entered(
        self, serial: str, facts: Mapping[str, str], mac: str, *, reset: bool, now: int
    ) -> None:
        """Keep what a device said at its entry; a reset device may be claimed anew."""
        flat = [text for pair in facts.items() for text in pair]
        await self._scripts.ask(_ENTRY, serial, now, facts=flat, mac=mac, reset=reset)

    async def entry_key(self, serial: str, codes: Sequence[str], now: int) -> EntryKey:
        """Return the code a device shows, with one of the fresh `codes` where it has none.

        Its expiry slides so that the device never sees less than 30 minutes (DESIGN.md 2).

        Raises:
            Full: no more devices are taken, or every candidate is in use.
        """
        reply = await self._scripts.ask(
            _ENTRY_KEY, serial, now, codes=codes, life=self._life, slide=LEAST_LIFE
        )
        if not reply:
            raise Full("No entry key can be had: this server has as many devices as it may.")
        return EntryKey(reply[0], int(reply[1]))

    async def status(self, serial: str) -> Claim | EntryKey | None:
        """Return whose the device is, else the entry key that waits to be claimed, else None."""
        command = self._scripts.client.command
        user, at, is_open = await command("HMGET", keys.owner(serial), "user", "at", "open")
        if user and not is_open:
            return Claim(user, int(at))
        code, expires = await command("HMGET", keys.entry_key(serial), "code", "expires")
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

    async def learn(self, mac: str, serial: str) -> None:
        """Remember which serial a Wi-Fi MAC belongs to; the first one is kept."""
        await self._scripts.client.command("SET", keys.mac(mac), serial, "NX", "PX", self._scripts.limits.ttl)


_ENTRY, _ENTRY_KEY, _CLAIM, _GATE = load("entry"), load("entry_key"), load("claim"), load("gate")
# INCR and EXPIRE in one step: a counter without an end would lock its address out for ever.
_COUNT = Script(
    "count",
    """local count = redis.call('INCR', KEYS[1])
    if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
    return count""",
)
