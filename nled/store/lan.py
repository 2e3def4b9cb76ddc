"""What the store knows of thermostats as neighbours: addresses, passwords, their servers before this one."""

import msgspec

from nled.store import keys
from nled.store.client import Script
from nled.store.scripts import Scripts, load, together

# A script of so many devices takes less than a millisecond.
_PAGE = 200


class Neighbours:
    """The operations; every one raises StoreUnavailable when the store cannot be had."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def by_address(self) -> dict[str, str]:
        """Return the serials of devices by the local IPv4 address each last told.

        An address that several told is that of the one heard of last.
        """
        client = self._scripts.client
        serials = await client.command("ZRANGE", keys.DEVICES, 0, -1)
        pages = [serials[at : at + _PAGE] for at in range(0, len(serials), _PAGE)]
        texts = await together(self._scripts.ask(_LOCAL_IPS, "", 0, serials=page) for page in pages)
        found: dict[str, str] = {}
        for page, told in zip(pages, texts, strict=True):
            for serial, text in zip(page, told, strict=True):
                address = msgspec.json.decode(text) if text else None
                if isinstance(address, str):
                    found[address] = serial
        return found

    async def secret(self, serial: str) -> str | None:
        """Return the password a device came with last: the key of its settings page."""
        secret: str | None = await self._scripts.client.command("GET", keys.secret(serial))
        return secret

    async def remember(self, address: str, serial: str | None, url: str) -> None:
        """Keep where a unit looked for its server, for a `previous` to come, for ever."""
        if serial is None:
            await self._scripts.client.run(_REMEMBER_ADDRESS, [keys.LAN], address, url)
        else:
            await self._scripts.client.run(_REMEMBER, [keys.previous(serial)], url)

    async def previous(self, address: str, serial: str | None) -> str | None:
        """Return where a unit looked for its server before it was pointed to this one.

        When it was, it may not have been known yet.
        """
        client = self._scripts.client
        url: str | None = await client.command("GET", keys.previous(serial)) if serial is not None else None
        return url or await client.command("HGET", keys.LAN, address)

    async def restored(self, address: str, serial: str | None) -> None:
        """Forget what `previous` returned."""
        names = [keys.LAN] if serial is None else [keys.LAN, keys.previous(serial)]
        await self._scripts.client.run(_RESTORED, names, address)


_LOCAL_IPS = load("local_ips", (), writes=False)
_REMEMBER = Script("remember", "return redis.call('SET', KEYS[1], ARGV[1])")
_REMEMBER_ADDRESS = Script("remember_address", "return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])")
_RESTORED = Script(
    "restored",
    """if KEYS[2] then redis.call('DEL', KEYS[2]) end
    return redis.call('HDEL', KEYS[1], ARGV[1])""",
)
