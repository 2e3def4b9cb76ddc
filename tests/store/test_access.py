"""API keys, people, shares, invites and transfers, against a real server: protocol d.1, e."""

from twisted.internet.defer import Deferred, gatherResults

from nled.domain.access import Standing
from nled.domain.people import (
    DAY,
    HOUR,
    INVITE_KEPT,
    MOST_INVITES,
    MOST_SHARES,
    ApiKey,
    Shared,
    Token,
    new_invite,
    new_key,
)
from nled.store.api_keys import ApiKeys
from nled.store.devices import Devices
from nled.store.pairing import Arrival
from nled.store.people import Accepted, People
from nled.store.scripts import BACKSTOP, Scripts
from tests.store.test_buckets import LIMITS, MINUTE
from tests.store.test_pairing import OTHER, SERIAL, PairingTestCase

LIMIT, FAILURES = 3, 2


class AccessTestCase(PairingTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.keys = ApiKeys(self.client)
        self.people = People(Scripts(self.client, LIMITS))
        self.drawn = iter(range(1, 10**6))

    def draw(self, below: int) -> int:
        return next(self.drawn)

    async def made(
        self,
        name: str = "a key",
        *,
        user: str | None = None,
        devices: tuple[str, ...] | None = None,
        expires: int | None = None,
    ) -> Token:
        token = new_key(self.draw)
        key = ApiKey(token.id, name, ("read", "write"), user, devices, self.now, expires, None)
        self.assertEqual((await self.keys.make(token, key)).outcome, "ok")
        return token

    async def invited(self, permission: str = "write", by: str | None = None) -> Token:
        token = new_invite(self.draw)
        made = await self.people.invite(SERIAL, token, permission, self.now + HOUR, self.now, by=by)
        self.assertEqual(made, "ok")
        return token

    async def everything(self) -> dict[str, object]:
        """Read the whole store but for the past: notices, and when devices were heard of."""
        commands = {
            "string": ("GET",),
            "hash": ("HGETALL",),
            "set": ("SMEMBERS",),
            "zset": ("ZRANGE", "0", "-1"),
        }
        found = {}
        for key in await self.client.command("KEYS", "*"):
            kind = await self.client.command("TYPE", key)
            if kind in commands:
                name, *rest = commands[kind]
                found[key] = await self.client.command(name, key, *rest)
        return found

    async def left_of(self, word: str) -> list[str]:
        return [key for key, value in (await self.everything()).items() if word in f"{key} {value}"]


class Bearers(AccessTestCase):
    async def ask(self, token: Token, address: str = "192.0.2.1", *, failures: int = FAILURES) -> object:
        return await self.keys.bearer(token, address, self.now, LIMIT, failures)

    async def test_whose_it_is(self) -> None:
        await self.people.ensure("ann", None, self.now)
        await self.paired()
        token = await self.made("Home", user="ann", devices=(SERIAL,))
        who, count = await self.ask(token)
        self.assertEqual((who.user, who.devices, who.scopes), ("ann", {SERIAL}, {"read", "write"}))
        self.assertEqual((who.key, count), (token.id, 1))
        self.assertNotIn(token.secret, repr(who))
        whole, _ = await self.ask(await self.made())
        self.assertEqual((whole.user, whole.devices), (None, None))

    async def test_only_the_hash_is_kept(self) -> None:
        token = await self.made()
        await self.ask(token)
        self.assertEqual(await self.left_of(token.secret.removeprefix("nle_")), [])

    async def test_the_id_alone_is_no_key(self) -> None:
        token = await self.made()
        self.assertEqual(await self.ask(Token("", "0" * 64, token.id)), "wrong")

    async def test_counted_by_the_minute(self) -> None:
        token, other = await self.made(), await self.made()
        self.now -= self.now % MINUTE
        self.assertEqual([(await self.ask(token))[1] for _ in range(6)], [1, 2, 3, 4, 4, 4])
        self.assertEqual((await self.ask(other))[1], 1)
        self.now += MINUTE
        self.assertEqual((await self.ask(token))[1], 1)

    async def test_any_number(self) -> None:
        token = await self.made()
        counts = [(await self.keys.bearer(token, "", self.now, 0, 0))[1] for _ in range(3)]
        self.assertEqual(counts, [0, 0, 0])

    async def test_last_used_is_kept_by_the_minute(self) -> None:
        token, start = await self.made(), self.now
        used = []
        for seconds in (0, 59, 61, 100, 122):
            self.now = start + seconds * 1000
            await self.ask(token)
            (key,) = await self.keys.all()
            used.append((key.used - start) // 1000)
        self.assertEqual(used, [0, 0, 61, 61, 122])

    async def test_expired(self) -> None:
        token = await self.made(expires=self.now + DAY)
        self.now += DAY - 1
        self.assertNotEqual(await self.ask(token), "wrong")
        self.now += 1
        self.assertEqual(await self.ask(token), "wrong")

    async def test_revoked(self) -> None:
        token = await self.made("Old phone")
        self.assertEqual(await self.keys.revoke(token.id), "Old phone")
        self.assertEqual(await self.ask(token), "wrong")
        self.assertIsNone(await self.keys.revoke(token.id))
        self.assertEqual(await self.left_of(token.id), [])

    async def test_wrong_keys_slow_their_address_but_no_right_key(self) -> None:
        token, guess = await self.made(), new_key(self.draw)
        answers = [await self.ask(guess, "192.0.2.66") for _ in range(4)]
        self.assertEqual(answers, ["wrong", "wrong", "slow", "slow"])
        self.assertNotIn(await self.ask(token, "192.0.2.66"), ("slow", "wrong"))
        self.assertNotIn(await self.ask(token, "192.0.2.1"), ("slow", "wrong"))
        left = await self.client.command("PTTL", "nled:failures:192.0.2.66")
        self.assertTrue(0 < left <= MINUTE - self.now % MINUTE)

    async def test_an_ipv6_host_is_one_by_all_its_addresses(self) -> None:
        guess = new_key(lambda bound: bound - 1)
        for last in range(FAILURES):
            self.assertEqual(await self.ask(guess, f"2001:db8:1:2::{last:x}"), "wrong")
        self.assertEqual(await self.ask(guess, "2001:db8:1:2:ffff:eeee:dddd:1"), "slow")
        self.assertEqual(await self.ask(guess, "2001:db8:1:3::1"), "wrong")
        self.assertEqual(await self.ask(guess, "fe80::1%eth0"), "wrong")

    async def test_wrong_keys_where_none_is_needed(self) -> None:
        guess = new_key(self.draw)
        self.assertEqual([await self.ask(guess, failures=0) for _ in range(4)], ["wrong"] * 4)
        self.assertEqual(await self.left_of("failures"), [])


class Keys(AccessTestCase):
    async def make(self, **fields: object) -> str:
        token = new_key(self.draw)
        whole = {"user": None, "devices": None} | fields
        key = ApiKey(token.id, "k", ("read",), created=self.now, expires=None, used=None, **whole)
        return (await self.keys.make(token, key)).outcome

    async def test_listed_newest_first(self) -> None:
        first = await self.made("first")
        self.now += 1
        await self.people.ensure("ann", None, self.now)
        second = await self.made("second", user="ann", expires=self.now + DAY)
        listed = await self.keys.all()
        self.assertEqual([key.id for key in listed], [second.id, first.id])
        self.assertEqual(
            listed[0],
            ApiKey(second.id, "second", ("read", "write"), "ann", None, self.now, self.now + DAY, None),
        )

    async def test_for_nobody_and_nothing(self) -> None:
        self.assertEqual(await self.make(user="ann"), "nobody")
        self.assertEqual(await self.make(devices=(SERIAL,)), "unknown")
        await self.entry(SERIAL)
        self.assertEqual(await self.make(devices=(SERIAL,)), "unknown")
        await self.told(SERIAL)
        self.assertEqual(await self.make(devices=(SERIAL,)), "ok")
        self.assertEqual(await self.make(devices=(SERIAL, OTHER)), "unknown")

    async def test_an_id_is_one_keys(self) -> None:
        token = await self.made("first")
        key = ApiKey(token.id, "second", ("read",), None, None, self.now, None, None)
        self.assertEqual((await self.keys.make(token, key)).outcome, "taken")
        self.assertEqual([key.name for key in await self.keys.all()], ["first"])

    async def test_so_many_and_no_more(self) -> None:
        await self.client.command("SADD", "nled:api-keys", *(f"{n:016x}" for n in range(999)))
        self.assertEqual([await self.make(), await self.make()], ["ok", "full"])


class Persons(AccessTestCase):
    async def test_made_known(self) -> None:
        self.assertTrue(await self.people.ensure("ann", None, self.now))
        self.assertEqual(await self.people.ensure("ann", "ann@example.org", self.now + 5), 0)
        self.assertEqual(await self.people.ensure("ann", None, self.now + 9), 0)
        (ann,) = await self.people.all()
        self.assertEqual((ann.user, ann.email, ann.created), ("ann", "ann@example.org", self.now))

    async def test_a_claim_makes_its_user_known(self) -> None:
        await self.paired()
        (ann,) = await self.people.all()
        self.assertEqual((ann.user, ann.email), ("user_ann", "user_ann@local"))
        self.assertEqual((ann.devices, ann.shared), ((SERIAL,), ()))

    async def test_so_many_and_no_more(self) -> None:
        many = [text for n in range(9999) for text in (f"u{n}", "1 ")]
        await self.client.command("HSET", "nled:people", *many)
        self.assertTrue(await self.people.ensure("ann", None, self.now))
        self.assertIsNone(await self.people.ensure("bob", None, self.now))
        self.assertEqual(await self.people.ensure("ann", None, self.now), 0)
        self.assertEqual(len(await self.people.all()), 10_000)

    async def test_forgotten_with_all_that_is_theirs(self) -> None:
        await self.paired(SERIAL, "bob")
        before = await self.everything()
        await self.paired(OTHER, "user_ann")
        for user in ("user_ann", "carl"):
            await self.people.ensure(user, "x@example.org", self.now)
        await self.people.share(SERIAL, "user_ann", "admin", self.now)
        await self.people.share(OTHER, "carl", "read", self.now)
        await self.people.invite(OTHER, new_invite(self.draw), "read", self.now + HOUR, self.now)
        await self.made("ann's", user="user_ann")
        bobs = await self.made("bob's", user="bob", devices=(SERIAL, OTHER))
        self.assertEqual(await self.people.forget("user_ann", self.now), 1)
        self.assertEqual(await self.people.visible("carl"), frozenset())
        self.assertEqual(await self.left_of("nled:invite:"), [])
        await self.people.forget("carl", self.now)
        self.assertEqual(await self.left_of("ann"), [])
        self.assertEqual(await self.left_of("carl"), [])
        self.assertIsNone(await self.people.forget("user_ann", self.now))
        # Of its owner's device, its home and its key nothing has changed.
        after = await self.everything()
        # Met since: that is another device's.
        for shared in ("nled:devices", "nled:online", "nled:owned", "nled:places"):
            before.pop(shared, None)
        self.assertEqual({key: after[key] for key in before}, before)
        ((key,)) = await self.keys.all()
        self.assertEqual((key.id, key.devices), (bobs.id, (SERIAL,)))
        self.assertEqual(await self.people.standing(OTHER, self.now), Standing(OTHER))


class Shares(AccessTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        await self.paired(SERIAL, "ann")
        for user in ("bob", "carl"):
            await self.people.ensure(user, None, self.now)

    async def test_shared_changed_and_not_any_more(self) -> None:
        for permission in ("read", "admin"):
            self.assertEqual(await self.people.share(SERIAL, "bob", permission, self.now), "ok")
            standing = await self.people.standing(SERIAL, self.now)
            self.assertEqual(standing, Standing(SERIAL, "ann", {"bob": permission}))
        self.assertEqual(await self.people.visible("bob"), {SERIAL})
        self.assertEqual((await self.people.all())[1].shared, (Shared(SERIAL, "admin"),))
        self.assertEqual(await self.people.share(SERIAL, "bob", None, self.now), "ok")
        self.assertEqual(await self.people.share(SERIAL, "bob", None, self.now), "none")
        self.assertEqual(await self.people.visible("bob"), frozenset())
        self.assertEqual(await self.people.standing(SERIAL, self.now), Standing(SERIAL, "ann"))

    async def test_what_cannot_be_shared(self) -> None:
        await self.entry(OTHER)
        self.assertEqual(await self.people.share(SERIAL, "ann", "read", self.now), "owner")
        self.assertEqual(await self.people.share(SERIAL, "nina", "read", self.now), "nobody")
        self.assertEqual(await self.people.share(OTHER, "bob", "read", self.now), "unowned")
        self.assertIsNone(await self.people.standing("02AA01AC33140F99", self.now))

    async def test_with_so_many_and_no_more(self) -> None:
        for n in range(MOST_SHARES):
            await self.people.ensure(f"u{n}", None, self.now)
            self.assertEqual(await self.people.share(SERIAL, f"u{n}", "read", self.now), "ok")
        self.assertEqual(await self.people.share(SERIAL, "bob", "read", self.now), "full")
        self.assertEqual(await self.people.share(SERIAL, "u0", "write", self.now), "ok")

    async def test_invites_end_with_the_share_of_who_made_them(self) -> None:
        ends = {
            "ended": lambda: self.people.share(SERIAL, "bob", None, self.now),
            "lowered": lambda: self.people.share(SERIAL, "bob", "write", self.now),
            "deleted": lambda: self.people.forget("bob", self.now),
        }
        for how, end in ends.items():
            await self.people.ensure("bob", None, self.now)
            for user in ("bob", "carl"):
                await self.people.share(SERIAL, user, "admin", self.now)
            theirs = await self.invited("admin", by="bob")
            others = [await self.invited("read", by=by) for by in ("ann", "carl", None)]
            await self.people.share(SERIAL, "bob", "admin", self.now)
            self.assertEqual(len(await self.people.invites(SERIAL, self.now)), 4, how)
            await end()
            self.assertEqual(await self.people.accept(theirs, "bob", self.now), "none", how)
            self.assertEqual(await self.left_of(theirs.id), [], how)
            # What others made goes on.
            for token in others:
                self.assertEqual(await self.people.revoke(token.id, self.now), "pending", how)
                await self.client.command("DEL", f"nled:invite:{token.id}")
        self.assertEqual(await self.left_of("bob"), [])

    async def test_a_device_that_is_claimed_anew_is_not_shared_any_more(self) -> None:
        await self.people.share(SERIAL, "bob", "admin", self.now)
        await self.invited()
        await self.made("for it", devices=(SERIAL,))
        await self.entry(reset=True)
        await self.paired(SERIAL, "carl")
        self.assertEqual(await self.people.standing(SERIAL, self.now), Standing(SERIAL, "carl"))
        self.assertEqual(await self.people.visible("bob"), frozenset())
        self.assertEqual(await self.people.invites(SERIAL, self.now), [])
        self.assertEqual((await self.keys.all())[0].devices, ())


class LetGo(AccessTestCase):
    """What others than its owner had of a device that is let go of."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.paired(SERIAL, "ann")
        await self.people.ensure("bob", None, self.now)
        await self.people.share(SERIAL, "bob", "admin", self.now)
        await self.invited()
        self.token = await self.made("for it", devices=(SERIAL,))
        self.devices = Devices(Scripts(self.client, LIMITS))

    async def test_unpaired(self) -> None:
        self.assertTrue(await self.devices.unpair(SERIAL, "ann", self.now))
        self.assertEqual(await self.people.standing(SERIAL, self.now), Standing(SERIAL))
        self.assertEqual(await self.left_of("nled:invite:"), [])
        self.assertEqual(await self.people.visible("bob"), frozenset())
        self.assertEqual((await self.keys.find(self.token.id)).devices, ())

    async def test_forgotten(self) -> None:
        await self.devices.forget(SERIAL, self.now)
        self.assertEqual(await self.left_of(SERIAL), [])
        self.assertEqual((await self.keys.find(self.token.id)).devices, ())


class Invites(AccessTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        await self.paired(SERIAL, "ann")

    async def states(self) -> list[str]:
        return [each.state for each in await self.people.invites(SERIAL, self.now)]

    async def test_accepted_once(self) -> None:
        token = await self.invited("write")
        answers = await gatherResults(
            [
                Deferred.fromCoroutine(self.people.accept(token, user, self.now))
                for user in ("bob", "carl", "dora")
            ]
        )
        self.assertEqual(answers, [Accepted(SERIAL, "write"), "none", "none"])
        standing = await self.people.standing(SERIAL, self.now)
        self.assertEqual(standing.shares, {"bob": "write"})
        self.assertEqual(await self.states(), ["accepted"])
        self.assertEqual([each.user for each in await self.people.all()], ["ann", "bob"])
        self.assertEqual(await self.left_of(token.secret.removeprefix("nli_")), [])

    async def test_by_who_may_as_much_already(self) -> None:
        tokens = {each: await self.invited(each) for each in ("write", "read", "admin")}
        may = []
        for token in tokens.values():
            accepted = await self.people.accept(token, "bob", self.now)
            standing = await self.people.standing(SERIAL, self.now)
            self.assertEqual(accepted, Accepted(SERIAL, standing.shares["bob"]))
            may.append(accepted.permission)
        self.assertEqual(may, ["write", "write", "admin"])
        self.assertEqual(await self.states(), ["accepted"] * 3)

    async def test_not_by_its_id(self) -> None:
        token = await self.invited()
        self.assertEqual(await self.people.accept(Token("", "0" * 64, token.id), "bob", self.now), "none")

    async def test_expired(self) -> None:
        token = await self.invited()
        self.now += HOUR
        self.assertEqual(await self.people.accept(token, "bob", self.now), "none")
        self.assertEqual(await self.states(), ["expired"])
        self.assertEqual(await self.people.revoke(token.id, self.now), "expired")
        self.assertEqual(await self.states(), ["expired"])

    async def test_revoked(self) -> None:
        token = await self.invited()
        self.assertEqual(await self.people.invited_to(token.id), SERIAL)
        self.assertEqual(await self.people.revoke(token.id, self.now), "pending")
        self.assertEqual(await self.people.accept(token, "bob", self.now), "none")
        self.assertEqual(await self.states(), ["revoked"])
        self.assertEqual(await self.people.revoke(token.id, self.now), "revoked")
        self.assertIsNone(await self.people.revoke("0" * 16, self.now))

    async def test_by_the_owner(self) -> None:
        token = await self.invited()
        self.assertEqual(await self.people.accept(token, "ann", self.now), "owner")
        self.assertEqual(await self.states(), ["pending"])

    async def test_listed_for_a_while(self) -> None:
        token = await self.invited()
        left = await self.client.command("PTTL", f"nled:invite:{token.id}")
        life = HOUR + INVITE_KEPT + LIMITS.ttl + BACKSTOP
        self.assertTrue(life - 5000 < left <= life)
        await self.client.command("DEL", f"nled:invite:{token.id}")
        self.assertEqual(await self.states(), [])
        self.assertEqual(await self.left_of(token.id), [])

    async def test_so_many_and_no_more(self) -> None:
        tokens = [await self.invited() for _ in range(MOST_INVITES)]
        more = new_invite(self.draw)
        end = self.now + HOUR
        self.assertEqual(await self.people.invite(SERIAL, more, "read", end, self.now), "full")
        await self.people.revoke(tokens[3].id, self.now)
        self.assertEqual(await self.people.invite(SERIAL, more, "read", end, self.now), "ok")
        self.assertEqual(await self.states(), ["pending"] * MOST_INVITES)

    async def test_an_id_is_one_invites(self) -> None:
        token = await self.invited("read")
        self.assertEqual(await self.people.invite(SERIAL, token, "admin", self.now + DAY, self.now), "taken")

    async def test_to_a_device_of_nobody(self) -> None:
        await self.entry(OTHER)
        again = await self.people.invite(OTHER, new_invite(self.draw), "read", self.now + HOUR, self.now)
        self.assertEqual(again, "unowned")


class Transfers(AccessTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        await self.paired(SERIAL, "ann")
        await self.paired(OTHER, "ann")
        for user in ("bob", "carl"):
            await self.people.ensure(user, None, self.now)

    async def home(self, user: str, serial: str) -> object:
        told = await self.told(serial)
        return told[f"structure.{user}"]["devices"], told[f"user.{user}"]["name"]

    async def test_into_another_home(self) -> None:
        for user in ("bob", "carl"):
            await self.people.share(SERIAL, user, "read", self.now)
        invite = await self.invited()
        await self.made("ann's", user="ann", devices=(SERIAL, OTHER))
        await self.made("all", devices=(SERIAL,))
        self.assertEqual(await self.people.transfer(SERIAL, "bob", self.now), "ok")
        standing = await self.people.standing(SERIAL, self.now)
        self.assertEqual(standing, Standing(SERIAL, "bob", {"carl": "read"}))
        self.assertEqual(await self.home("bob", SERIAL), ([f"device.{SERIAL}"], "bob"))
        self.assertEqual(await self.home("ann", OTHER), ([f"device.{OTHER}"], "ann"))
        self.assertNotIn("structure.ann", await self.told(SERIAL))
        owned = [await self.people.visible(user) for user in ("ann", "bob", "carl")]
        self.assertEqual(owned, [{OTHER}, {SERIAL}, {SERIAL}])
        self.assertEqual(await self.people.accept(invite, "dora", self.now), "none")
        lists = {key.name: key.devices for key in await self.keys.all()}
        self.assertEqual(lists, {"ann's": (OTHER,), "all": (SERIAL,)})

    async def test_not_to_everybody(self) -> None:
        self.assertEqual(await self.people.transfer(SERIAL, "nina", self.now), "nobody")
        self.assertEqual(await self.people.transfer(SERIAL, "ann", self.now), "owner")
        await self.pairing.arrived([Arrival("02AA01AC33140F99", {}, "", reset=False)], self.now)
        self.assertEqual(await self.people.transfer("02AA01AC33140F99", "bob", self.now), "unowned")
