"""People: who is known, what they own, and how they are forgotten (protocol c.4)."""

from typing import Literal

from attrs import frozen
from msgspec import Struct

from nled.actions.people import Household
from nled.domain.access import Need
from nled.domain.people import Person
from nled.domain.shapes import Email, UserId
from nled.web.endpoint import Api, Call, Endpoint

_USER = "Missing required field: userId"


class Everybody(Struct):
    """All people, by id."""

    people: list[Person]


class Forgotten(Struct, rename={"user": "userId"}):
    """Who was forgotten, and how many devices are nobody's now."""

    user: str
    devices: int
    success: Literal[True] = True


class Ensure(Struct, rename={"user": "userId"}):
    """Somebody who is to be known."""

    user: UserId
    email: Email | None = None


class Ensured(Struct):
    """Whether they are new."""

    created: bool
    success: Literal[True] = True


@frozen
class PeopleRoutes:
    """The routes of people."""

    household: Household

    def register(self, api: Api) -> None:
        """Add the routes."""
        api.add(
            Endpoint("GET", "/api/people", self.people, Need.ADMIN, "List the people", answer=Everybody),
            Endpoint(
                "DELETE",
                "/api/people/<user>",
                self.forget,
                Need.ADMIN,
                "Forget a person; their thermostats are nobody's then",
                answer=Forgotten,
                statuses=(404,),
            ),
            Endpoint(
                "POST",
                "/api/ensure-user",
                self.ensure,
                Need.WRITE,
                "See that a person is known",
                body=Ensure,
                answer=Ensured,
                statuses=(409,),
                missing={"userId": _USER},
            ),
        )

    async def people(self, _call: Call) -> Everybody:
        """List everybody."""
        return Everybody(list(await self.household.all()))

    async def forget(self, call: Call, user: str) -> Forgotten:
        """Forget somebody with all that is theirs, and nothing that is not."""
        return Forgotten(user, await self.household.forget(call.principal, user))

    async def ensure(self, call: Call) -> Ensured:
        """Make somebody known who is not yet."""
        body: Ensure = call.body
        return Ensured(await self.household.ensure(call.principal, body.user, body.email))
