"""API keys: make, list, revoke (protocol d.1)."""

from typing import Annotated

import msgspec
from attrs import frozen
from msgspec import Meta, Struct

from nled.actions.access import Authority
from nled.domain.access import Need, Scope
from nled.domain.people import MOST_KEY_DAYS, MOST_KEY_DEVICES, ApiKey
from nled.domain.shapes import KeyName, Serial, UserId
from nled.web.control import Message
from nled.web.endpoint import Api, Call, Endpoint


class NewKey(Struct, rename={"user": "userId"}):
    """An API key to be made: whose devices it is for, which of them, and for how many days."""

    name: KeyName
    scopes: Annotated[list[Scope], Meta(extra_json_schema={"minItems": 1})]
    user: UserId | None = None
    devices: Annotated[list[Serial], Meta(max_length=MOST_KEY_DEVICES)] | None = None
    days: Annotated[float, Meta(ge=1, le=MOST_KEY_DAYS, multiple_of=1)] | None = None


class MadeKey(ApiKey, rename={"user": "userId", "used": "lastUsed"}, kw_only=True, frozen=True):
    """An API key that was made, with the key itself, which is shown this once."""

    key: str


class Keys(Struct):
    """All API keys, the newest first."""

    keys: list[ApiKey]


@frozen
class KeyRoutes:
    """The routes of API keys."""

    authority: Authority

    def register(self, api: Api) -> None:
        """Add the routes."""
        api.add(
            Endpoint("GET", "/api/keys", self.keys, Need.ADMIN, "List the API keys", answer=Keys),
            Endpoint(
                "POST",
                "/api/keys",
                self.make_key,
                Need.ADMIN,
                "Make an API key",
                body=NewKey,
                answer=MadeKey,
                statuses=(404, 409),
            ),
            Endpoint(
                "DELETE",
                "/api/keys/<identifier>",
                self.revoke_key,
                Need.ADMIN,
                "Revoke an API key",
                answer=Message,
                statuses=(404,),
            ),
        )

    async def keys(self, _call: Call) -> Keys:
        """List what is known of the keys; what they are is not."""
        return Keys(await self.authority.keys.all())

    async def make_key(self, call: Call) -> MadeKey:
        """Make a key, and show it this once."""
        wanted: NewKey = call.body
        token, key = await self.authority.make_key(
            call.principal,
            wanted.name,
            wanted.scopes,
            user=wanted.user,
            devices=wanted.devices,
            days=None if wanted.days is None else int(wanted.days),
        )
        return MadeKey(**msgspec.structs.asdict(key), key=token.secret)

    async def revoke_key(self, call: Call, identifier: str) -> Message:
        """Let a key be none; what it holds open ends with its next request."""
        await self.authority.revoke_key(call.principal, identifier)
        return Message(message=f"API key {identifier} revoked")
