"""API keys in Redis: who one is of, how often it was used; make, list, revoke (protocol d.1)."""

from typing import Literal, NamedTuple, get_args

import msgspec
from attrs import frozen

from nled.domain.access import Principal, Scope, of_key
from nled.domain.people import MOST_KEYS, ApiKey, Token
from nled.store import keys
from nled.store.client import Script
from nled.store.scripts import Runner, load

Bearer = tuple[Principal, int]


@frozen
class Made:
    """What became of a key that was to be kept; `serial` is the unknown one of its devices."""

    outcome: Literal["ok", "taken", "full", "nobody", "unknown"]
    serial: str = ""


class _Record(NamedTuple):
    """The fields of a key's record that say what it is, as the store has them."""

    name: str
    scopes: str
    user: str | None
    devices: str | None
    created: str
    expires: str | None
    used: str | None


class ApiKeys:
    """The operations on API keys; every one raises StoreUnavailable when the store cannot be had."""

    def __init__(self, client: Runner) -> None:
        self._client = client

    async def bearer(
        self, token: Token, address: str, now: int, limit: int, failures: int
    ) -> Bearer | Literal["slow", "wrong"]:
        """Find who comes with a key, and how many requests it made in this minute, this one included.

        One round trip, which also notes when the key was used (once a minute) and counts a wrong one.

        Args:
            token: what they came with.
            address: where from, for the count of wrong keys.
            now: ms.
            limit: requests per minute that are counted up to; 0 counts none.
            failures: wrong keys per minute after which an address gets "slow"; 0 counts none.
        """
        names = [keys.api_key(token.id), keys.failures(address)]
        # Where nothing can be written nothing is counted: a key can read all the same.
        counted = 0 if self._client.refusal else 1
        reply = await self._client.run(_BEARER, names, token.hash, now, limit, failures, counted)
        if reply[0] != "ok":
            return "slow" if reply[0] == "slow" else "wrong"
        count, name, scopes, user, devices = reply[1:]
        return of_key(token.id, name, _scopes(scopes), user, _split(devices)), count

    async def make(self, token: Token, key: ApiKey) -> Made:
        """Keep a key."""
        texts = {
            "hash": token.hash,
            "name": key.name,
            "scopes": " ".join(key.scopes),
            "user": key.user,
            "devices": None if key.devices is None else " ".join(key.devices),
            "created": str(key.created),
            "expires": None if key.expires is None else str(key.expires),
        }
        request = {
            "id": key.id,
            "fields": [part for pair in texts.items() if pair[1] is not None for part in pair],
            "user": key.user,
            "devices": key.devices,
            "most_keys": MOST_KEYS,
        }
        reply = await self._client.run(_MAKE, [keys.API_KEYS], msgspec.json.encode(request))
        return Made(*reply)

    async def find(self, identifier: str) -> ApiKey | None:
        """Look at one key, without counting that as its use."""
        fields = await self._client.command("HMGET", keys.api_key(identifier), *_Record._fields)
        return None if fields[0] is None else _api_key(identifier, _Record(*fields))

    async def all(self) -> list[ApiKey]:
        """List the keys, the newest first."""
        reply = await self._client.run(_LIST, [keys.API_KEYS])
        found = [_api_key(identifier, _Record(*fields)) for identifier, fields in reply]
        return sorted(found, key=lambda each: (-each.created, each.id))

    async def revoke(self, identifier: str) -> str | None:
        """Let a key be none from now on; returns its name, None where there is no such key."""
        name: str | None = await self._client.run(_REVOKE, [keys.API_KEYS], identifier)
        return name


def _api_key(identifier: str, record: _Record) -> ApiKey:
    return ApiKey(
        identifier,
        record.name,
        _scopes(record.scopes),
        record.user,
        _split(record.devices),
        int(record.created),
        _number(record.expires),
        _number(record.used),
    )


def _scopes(text: str) -> tuple[Scope, ...]:
    known: tuple[Scope, ...] = get_args(Scope)
    return tuple(each for each in known if each in text.split())


def _split(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(text.split())


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


# It counts, but a key is good without that.
_BEARER = load("bearer", (), writes=False)
_MAKE = load("make_key", ())
_LIST = Script(
    "list_keys",
    keys.LUA
    + """local answer = {}
    for i, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
      answer[i] = {id, redis.call('HMGET', api_key(id),
        'name', 'scopes', 'user', 'devices', 'created', 'expires', 'used')}
    end
    return answer""",
    writes=False,
)
_REVOKE = Script(
    "revoke_key",
    keys.LUA
    + """if redis.call('SREM', KEYS[1], ARGV[1]) == 0 then return nil end
    local name = redis.call('HGET', api_key(ARGV[1]), 'name')
    redis.call('DEL', api_key(ARGV[1]))
    return name""",
)
