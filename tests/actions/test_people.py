"""People, shares, invites and transfers: the use cases, on a real store; nothing secret is logged."""

from twisted.logger import formatEvent, globalLogPublisher

from nled.actions.people import Household
from nled.domain.access import Principal, local, of_key, trusted
from nled.domain.errors import BadRequest, Conflict, Denied, NotKnown
from nled.domain.people import HOUR, MOST_INVITES
from tests.actions.test_access import BOTH, AuthorityTestCase
from tests.store.test_pairing import OTHER, SERIAL


def key_of(user: str | None, scopes: tuple[str, ...] = BOTH) -> Principal:
    return of_key("0" * 16, f"{user}'s", scopes, user, None)


class HouseholdTestCase(AuthorityTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.home = Household(self.people, self.authority, self.draw, lambda: self.now)
        self.ann, self.bob, self.carl = map(key_of, ("ann", "bob", "carl"))
        for user in ("bob", "carl"):
            await self.home.ensure(local(), user, None)
        self.lines: list[str] = []
        observe = self.lines.append

        def keep(event: dict[str, object]) -> None:
            observe(formatEvent(event))

        globalLogPublisher.addObserver(keep)
        self.addCleanup(globalLogPublisher.removeObserver, keep)

    async def shares(self) -> dict[str, str]:
        standing, _ = await self.home.shares(local(), SERIAL)
        return dict(standing.shares)


class People(HouseholdTestCase):
    async def test_made_known(self) -> None:
        self.assertTrue(await self.home.ensure(trusted("127.0.0.1"), "dora", ""))
        self.assertFalse(await self.home.ensure(key_of("dora"), "dora", "dora@example.org"))
        dora = (await self.home.all())[-1]
        self.assertEqual((dora.user, dora.email), ("dora", "dora@example.org"))
        await self.refused(Denied, self.home.ensure(self.ann, "emil", None))
        await self.refused(BadRequest, self.home.ensure(local(), "em il", None))
        await self.refused(BadRequest, self.home.ensure(local(), "emil", "emil"))
        await self.refused(BadRequest, self.home.ensure(local(), "", None))

    async def test_forgotten(self) -> None:
        self.assertEqual(await self.home.forget(local(), "ann"), 1)
        await self.refused(NotKnown, self.home.forget(local(), "ann"))
        await self.refused(BadRequest, self.home.forget(local(), "a*"))


class Sharing(HouseholdTestCase):
    async def test_by_whom(self) -> None:
        await self.home.share(self.ann, SERIAL, "bob", "write")
        await self.refused(Denied, self.home.share(self.bob, SERIAL, "carl", "read"))
        await self.refused(Denied, self.home.shares(self.bob, SERIAL))
        await self.home.share(local(), SERIAL, "bob", "admin")
        await self.home.share(self.bob, SERIAL, "carl", "read")
        self.assertEqual(await self.shares(), {"bob": "admin", "carl": "read"})
        await self.refused(Denied, self.home.share(key_of("ann", ("read",)), SERIAL, "bob", "read"))

    async def test_ended_by_whom(self) -> None:
        for user in ("bob", "carl"):
            await self.home.share(self.ann, SERIAL, user, "read")
        await self.refused(Denied, self.home.unshare(self.bob, SERIAL, "carl"))
        await self.home.unshare(self.bob, SERIAL, "bob")
        await self.home.unshare(self.ann, SERIAL, "carl")
        self.assertEqual(await self.shares(), {})
        await self.refused(NotKnown, self.home.unshare(self.ann, SERIAL, "carl"))

    async def test_what_cannot_be(self) -> None:
        await self.told(OTHER)
        cases = (
            (BadRequest, SERIAL, "b b", "read"),
            (BadRequest, SERIAL, "bob", "owner"),
            (Conflict, SERIAL, "ann", "read"),
            (Conflict, OTHER, "bob", "read"),
            (NotKnown, SERIAL, "nina", "read"),
            (NotKnown, "02AA01AC33140F99", "bob", "read"),
        )
        for kind, serial, user, permission in cases:
            await self.refused(kind, self.home.share(local(), serial, user, permission))


class Invites(HouseholdTestCase):
    async def test_from_making_to_use(self) -> None:
        token, invite = await self.home.invite(self.ann, SERIAL, "read", 72)
        self.assertEqual((invite.expires - self.now, invite.state), (72 * HOUR, "pending"))
        _, listed = await self.home.shares(self.ann, SERIAL)
        self.assertEqual(listed, [invite])
        await self.refused(Denied, self.home.accept(self.ann, token.secret, "bob"))
        accepted = await self.home.accept(self.bob, token.secret, "bob")
        self.assertEqual((accepted.serial, accepted.permission), (SERIAL, "read"))
        await self.refused(NotKnown, self.home.accept(self.carl, token.secret, "carl"))
        self.assertEqual(await self.shares(), {"bob": "read"})
        self.assertEqual(len([line for line in self.lines if invite.id in line]), 2)
        secret = token.secret.removeprefix("nli_")
        self.assertFalse([line for line in self.lines if secret in line or token.hash in line])

    async def test_revoked_by_whom(self) -> None:
        token, invite = await self.home.invite(self.ann, SERIAL, "read", 1)
        await self.refused(Denied, self.home.revoke(self.bob, invite.id))
        await self.home.revoke(self.ann, invite.id)
        self.assertIn("revoked", await self.refused(Conflict, self.home.revoke(self.ann, invite.id)))
        await self.refused(NotKnown, self.home.accept(self.bob, token.secret, "bob"))
        for identifier in ("0" * 16, "x"):
            await self.refused(NotKnown, self.home.revoke(self.ann, identifier))

    async def test_over_with_who_made_it(self) -> None:
        await self.home.share(self.ann, SERIAL, "bob", "admin")
        theirs, _ = await self.home.invite(self.bob, SERIAL, "admin", 72)
        others = [(await self.home.invite(who, SERIAL, "read", 72))[0] for who in (self.ann, local())]
        await self.home.unshare(self.ann, SERIAL, "bob")
        await self.refused(NotKnown, self.home.accept(self.bob, theirs.secret, "bob"))
        for token in others:
            await self.home.accept(self.carl, token.secret, "carl")
        self.assertEqual(await self.shares(), {"carl": "read"})

    async def test_what_cannot_be(self) -> None:
        await self.told(OTHER)
        for kind, serial, permission, hours in (
            (BadRequest, SERIAL, "read", 721),
            (BadRequest, SERIAL, "read", 0),
            (BadRequest, SERIAL, "all", 1),
            (Conflict, OTHER, "read", 1),
        ):
            await self.refused(kind, self.home.invite(local(), serial, permission, hours))
        await self.refused(Denied, self.home.invite(self.bob, SERIAL, "read", 1))
        for text in ("", "nli_1", "nle_" + "0" * 64):
            await self.refused(BadRequest, self.home.accept(self.bob, text, "bob"))
        for _ in range(MOST_INVITES):
            await self.home.invite(self.ann, SERIAL, "read", 1)
        await self.refused(Conflict, self.home.invite(self.ann, SERIAL, "read", 1))


class Transfers(HouseholdTestCase):
    async def test_by_whom(self) -> None:
        await self.home.share(self.ann, SERIAL, "bob", "admin")
        for who in (self.bob, self.carl, trusted("127.0.0.1"), key_of(None), key_of("ann", ("read",))):
            await self.refused(Denied, self.home.transfer(who, SERIAL, "carl"))
        await self.home.transfer(self.ann, SERIAL, "carl")
        await self.refused(Denied, self.home.transfer(self.ann, SERIAL, "ann"))
        await self.home.transfer(key_of(None, (*BOTH, "admin")), SERIAL, "ann")
        self.assertEqual(len([line for line in self.lines if "transferred from" in line]), 2)

    async def test_to_whom(self) -> None:
        await self.refused(NotKnown, self.home.transfer(local(), SERIAL, "nina"))
        await self.refused(Conflict, self.home.transfer(local(), SERIAL, "ann"))
        await self.told(OTHER)
        await self.refused(Conflict, self.home.transfer(local(), OTHER, "bob"))
