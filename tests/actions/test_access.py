"""Who calls, what they may do, and the API keys: the use cases, on a real store."""

from nled.actions.access import Authority, permit
from nled.domain.access import Need, Rate, local, of_key, trusted
from nled.domain.device import Device
from nled.domain.errors import BadRequest, Conflict, Denied, NotKnown, Refused, TooMany
from nled.domain.people import DAY
from tests.store.test_access import FAILURES, LIMIT, AccessTestCase
from tests.store.test_buckets import MINUTE
from tests.store.test_pairing import OTHER, SERIAL

ADDRESS = "192.0.2.1"
BOTH = ("read", "write")


class AuthorityTestCase(AccessTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.authority = Authority(self.keys, self.people, self.draw, lambda: self.now, LIMIT, FAILURES)
        await self.paired(SERIAL, "ann")

    async def refused(self, kind: type[Exception], awaitable: object) -> str:
        return str(await self.raised(kind, awaitable))

    async def raised(self, kind: type[Exception], awaitable: object) -> Exception:
        try:
            answer = await awaitable
        except kind as error:
            return error
        raise AssertionError(f"{kind.__name__} was not raised, {answer} came")


class Bearers(AuthorityTestCase):
    async def test_a_key_that_was_made(self) -> None:
        token, _ = await self.authority.make_key(local(), "Phone", ["read"], user="ann", days=1)
        self.now -= self.now % MINUTE
        who, rate = await self.authority.bearer(token.secret, ADDRESS)
        self.assertEqual((who.user, who.scopes), ("ann", {"read"}))
        self.assertEqual(rate, Rate(LIMIT, LIMIT - 1, self.now + MINUTE))
        self.now += 59_999
        for remaining, exceeded in ((1, False), (0, False), (0, True), (0, True)):
            _, rate = await self.authority.bearer(token.secret, ADDRESS)
            self.assertEqual(rate, Rate(LIMIT, remaining, self.now + 1, exceeded))
        self.now += DAY
        self.assertIsNone(await self.authority.bearer(token.secret, ADDRESS))

    async def test_what_cannot_be_a_key_is_not_looked_up(self) -> None:
        await self.client.stop()
        for text in ("", "nle_123", "nlapi_" + "f" * 64, "nle_" + "g" * 64, "x" * 10_000):
            self.assertIsNone(await self.authority.bearer(text, ADDRESS))

    async def test_guesses(self) -> None:
        guess = "nle_" + "f" * 64
        for _ in range(FAILURES):
            self.assertIsNone(await self.authority.bearer(guess, ADDRESS))
        sentence = await self.refused(TooMany, self.authority.bearer(guess, ADDRESS))
        self.assertNotIn("fff", sentence)
        self.assertIsNone(await self.authority.bearer(guess, ADDRESS, counted=False))


class Devices(AuthorityTestCase):
    async def test_permit(self) -> None:
        device = Device(SERIAL, owner="bob", shares={"ann": "read"})
        ann = of_key("1", "k", BOTH, "ann", None)
        permit(ann, Need.READ, device)
        self.assertRaises(Denied, permit, ann, Need.WRITE, device)

    async def test_allow(self) -> None:
        ann, bob = (of_key("1", "k", BOTH, user, None) for user in ("ann", "bob"))
        self.assertEqual((await self.authority.allow(ann, Need.OWN, SERIAL)).owner, "ann")
        await self.refused(Denied, self.authority.allow(bob, Need.READ, SERIAL))
        await self.refused(NotKnown, self.authority.allow(ann, Need.READ, OTHER))

    async def test_visible(self) -> None:
        await self.paired(OTHER, "bob")
        await self.people.share(OTHER, "ann", "read", self.now)
        cases = (
            (local(), None),
            (trusted("127.0.0.1"), None),
            (of_key("1", "k", BOTH, None, (OTHER,)), {OTHER}),
            (of_key("1", "k", BOTH, "ann", None), {SERIAL, OTHER}),
            (of_key("1", "k", BOTH, "ann", (OTHER,)), {OTHER}),
            (of_key("1", "k", BOTH, "bob", (SERIAL,)), frozenset()),
        )
        for who, serials in cases:
            self.assertEqual(await self.authority.visible(who), serials)

    async def test_still_visible(self) -> None:
        self.assertIsNone(await self.authority.still_visible(local()))
        devices = [SERIAL]
        token, _ = await self.authority.make_key(local(), "k", ["read"], devices=devices)
        brief, _ = await self.authority.make_key(local(), "k", ["read"], days=1)
        who, _ = await self.authority.bearer(token.secret, ADDRESS)
        guest, _ = await self.authority.bearer(brief.secret, ADDRESS)
        self.assertEqual(await self.authority.still_visible(who), {SERIAL})
        await self.people.forget("ann", self.now)
        self.assertEqual(await self.authority.still_visible(who), frozenset())
        await self.authority.revoke_key(local(), token.id)
        await self.refused(Refused, self.authority.still_visible(who))
        self.assertIsNone(await self.authority.still_visible(guest))
        self.now += DAY
        await self.refused(Refused, self.authority.still_visible(guest))


class Keys(AuthorityTestCase):
    async def test_serials_are_folded(self) -> None:
        devices = [SERIAL.lower(), SERIAL]
        token, key = await self.authority.make_key(local(), " Phone ", ["read"], devices=devices)
        self.assertEqual((key.id, key.name, key.devices), (token.id, "Phone", (SERIAL,)))
        self.assertEqual(await self.keys.all(), [key])

    async def test_what_cannot_be(self) -> None:
        cases = (
            (BadRequest, {"name": ""}),
            (BadRequest, {"scopes": []}),
            (BadRequest, {"scopes": ["admin"], "user": "ann"}),
            (BadRequest, {"user": "a b"}),
            (BadRequest, {"devices": ["short"]}),
            (BadRequest, {"devices": []}),
            (BadRequest, {"days": 0}),
            (NotKnown, {"user": "nina"}),
            (NotKnown, {"devices": [OTHER]}),
        )
        for kind, given in cases:
            wanted = {"name": "k", "scopes": ["read"]} | given
            name, scopes = wanted.pop("name"), wanted.pop("scopes")
            await self.refused(kind, self.authority.make_key(local(), name, scopes, **wanted))
        self.assertEqual(await self.keys.all(), [])

    async def test_an_id_that_is_taken_is_drawn_again(self) -> None:
        first, _ = await self.authority.make_key(local(), "first", ["read"])
        number = int(first.secret.removeprefix("nle_"), 16)
        self.drawn = iter((number, number + 1))
        second, _ = await self.authority.make_key(local(), "second", ["read"])
        self.assertEqual(len({first.id, second.id, *(key.id for key in await self.keys.all())}), 2)

    async def test_full(self) -> None:
        await self.client.command("SADD", "nled:api-keys", *(f"{n:016x}" for n in range(1000)))
        await self.refused(Conflict, self.authority.make_key(local(), "k", ["read"]))

    async def test_revoked(self) -> None:
        token, key = await self.authority.make_key(local(), "k", ["read"])
        await self.authority.revoke_key(local(), key.id)
        self.assertIsNone(await self.authority.bearer(token.secret, ADDRESS))
        for identifier in (key.id, "", "*", "../x"):
            await self.refused(NotKnown, self.authority.revoke_key(local(), identifier))
