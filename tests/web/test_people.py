"""The routes of keys, people and shares, on a real store: what they take, answer and refuse."""

import json

from twisted.internet.testing import StringTransport

from nled.actions.people import Household
from nled.domain.access import Rate, of_key
from nled.web.api_keys import KeyRoutes
from nled.web.people import PeopleRoutes
from nled.web.shares import ShareRoutes
from tests.actions.test_access import BOTH, AuthorityTestCase
from tests.store.support import until
from tests.store.test_pairing import SERIAL
from tests.web.edge import KEY, LOCAL, SOCKET, Edge, _address

GUEST = KEY[:-1] + "0"


class PeopleTestCase(AuthorityTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.edge = Edge()
        for key, user in ((KEY, "ann"), (GUEST, "bob")):
            who = of_key("0" * 16, "k", BOTH, user, None)
            self.edge.authority.keys[key] = (who, Rate(100, 99, self.now))
        household = Household(self.people, self.authority, self.draw, lambda: self.now)
        KeyRoutes(self.authority).register(self.edge.api)
        PeopleRoutes(household).register(self.edge.api)
        ShareRoutes(household).register(self.edge.api)

    async def ask(
        self, method: str, path: str, body: object = None, peer: str = SOCKET, key: str | None = None
    ) -> tuple[int, object]:
        """Send a request; returns the status and the JSON of its answer."""
        transport = StringTransport(peerAddress=_address(peer))
        channel = self.edge.site.buildProtocol(None)
        channel.makeConnection(transport)
        bearer = f"Authorization: Bearer {key}\r\n" if key else ""
        content = b"" if body is None else json.dumps(body).encode()
        kind = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}{kind}\r\n"
        channel.dataReceived(head.encode() + content)
        await until(transport.value)
        answer, _, text = transport.value().partition(b"\r\n\r\n")
        return int(answer.split(b" ")[1]), json.loads(text)


class Keys(PeopleTestCase):
    async def test_made_listed_and_revoked(self) -> None:
        wanted = {"name": "Phone", "scopes": ["read"], "userId": "ann", "devices": [SERIAL], "days": 1}
        status, made = await self.ask("POST", "/api/keys", wanted)
        self.assertEqual(status, 200)
        secret = made.pop("key")
        self.assertRegex(secret, "^nle_[0-9a-f]{64}$")
        expected = {
            "name": "Phone",
            "scopes": ["read"],
            "userId": "ann",
            "devices": [SERIAL],
            "created": self.now,
            "expires": self.now + 86_400_000,
            "lastUsed": None,
        }
        self.assertEqual(made, expected | {"id": made["id"]})
        self.assertEqual(await self.ask("GET", "/api/keys"), (200, {"keys": [made]}))
        status, _ = await self.ask("DELETE", f"/api/keys/{made['id']}")
        self.assertEqual(status, 200)
        self.assertEqual(await self.ask("GET", "/api/keys"), (200, {"keys": []}))
        status, _ = await self.ask("DELETE", f"/api/keys/{made['id']}")
        self.assertEqual(status, 404)

    async def test_what_cannot_be(self) -> None:
        for body, field in (
            ({}, "name"),
            ({"name": "k", "scopes": "read"}, "scopes"),
            ({"name": "k", "scopes": ["root"]}, "scopes"),
            ({"name": "k", "scopes": []}, "scopes"),
            ({"name": "k", "scopes": ["read"], "days": 0}, "days"),
            ({"name": "k", "scopes": ["read"], "userId": 5}, "userId"),
            ({"name": "k" * 65, "scopes": ["read"]}, "name"),
        ):
            status, answer = await self.ask("POST", "/api/keys", body)
            self.assertEqual((status, field in answer["error"]), (400, True), answer)

    async def test_only_for_administrators(self) -> None:
        for method, path in (
            ("GET", "/api/keys"),
            ("POST", "/api/keys"),
            ("DELETE", "/api/keys/0123456789abcdef"),
            ("GET", "/api/people"),
            ("DELETE", "/api/people/ann"),
        ):
            for peer, key in ((LOCAL, None), (LOCAL, KEY)):
                status, _ = await self.ask(method, path, {} if method == "POST" else None, peer, key)
                self.assertEqual(status, 403, path)


class People(PeopleTestCase):
    async def test_made_known_listed_and_forgotten(self) -> None:
        body = {"userId": "bob"}
        self.assertEqual(
            await self.ask("POST", "/api/ensure-user", body, LOCAL), (200, {"created": True, "success": True})
        )
        self.assertEqual(
            await self.ask("POST", "/api/ensure-user", body), (200, {"created": False, "success": True})
        )
        _, everybody = await self.ask("GET", "/api/people")
        ann, bob = everybody["people"]
        self.assertEqual((ann["userId"], ann["devices"], ann["shared"]), ("ann", [SERIAL], []))
        self.assertEqual((bob["email"], bob["created"]), ("bob@local", self.now))
        answer = await self.ask("DELETE", "/api/people/ann")
        self.assertEqual(answer, (200, {"userId": "ann", "devices": 1, "success": True}))
        self.assertEqual((await self.ask("DELETE", "/api/people/ann"))[0], 404)

    async def test_nobody_named(self) -> None:
        for body in ({}, {"userId": ""}, {"userId": None}):
            status, answer = await self.ask("POST", "/api/ensure-user", body)
            self.assertEqual((status, answer["error"]), (400, "Missing required field: userId"))


class Shares(PeopleTestCase):
    async def test_shared_and_not_any_more(self) -> None:
        await self.ask("POST", "/api/ensure-user", {"userId": "bob"})
        share = {"serial": SERIAL.lower(), "userId": "bob", "permission": "read"}
        self.assertEqual((await self.ask("POST", "/api/shares", share, LOCAL, KEY))[0], 200)
        self.assertEqual((await self.ask("POST", "/api/shares", share, LOCAL, GUEST))[0], 403)
        expected = {
            "serial": SERIAL,
            "owner": "ann",
            "shares": [{"userId": "bob", "permission": "read"}],
            "invites": [],
        }
        self.assertEqual(await self.ask("GET", f"/api/shares?serial={SERIAL}"), (200, expected))
        self.assertEqual((await self.ask("DELETE", f"/api/shares/{SERIAL}/bob"))[0], 200)
        self.assertEqual((await self.ask("DELETE", f"/api/shares/{SERIAL}/bob"))[0], 404)

    async def test_invited(self) -> None:
        wanted = {"serial": SERIAL, "permission": "write"}
        status, invite = await self.ask("POST", "/api/invites", wanted, LOCAL, KEY)
        self.assertEqual((status, invite["expires"]), (200, self.now + 72 * 3_600_000))
        accepting = {"token": invite["token"], "userId": "bob"}
        answer = await self.ask("POST", "/api/invites/accept", accepting, LOCAL, GUEST)
        self.assertEqual(answer, (200, {"serial": SERIAL, "permission": "write", "success": True}))
        self.assertEqual((await self.ask("POST", "/api/invites/accept", accepting))[0], 404)
        self.assertEqual((await self.ask("DELETE", f"/api/invites/{invite['id']}"))[0], 409)
        _, shares = await self.ask("GET", f"/api/shares?serial={SERIAL}")
        self.assertEqual([each["state"] for each in shares["invites"]], ["accepted"])
        self.assertNotIn("token", shares["invites"][0])

    async def test_transferred(self) -> None:
        await self.ask("POST", "/api/ensure-user", {"userId": "bob"})
        transfer = {"serial": SERIAL, "userId": "bob"}
        for peer, key in ((LOCAL, None), (LOCAL, GUEST)):
            self.assertEqual((await self.ask("POST", "/api/transfer", transfer, peer, key))[0], 403)
        self.assertEqual((await self.ask("POST", "/api/transfer", transfer, LOCAL, KEY))[0], 200)
        self.assertEqual((await self.ask("POST", "/api/transfer", transfer))[0], 409)

    async def test_what_cannot_be(self) -> None:
        for method, path, body, status in (
            ("GET", "/api/shares", None, 400),
            ("GET", "/api/shares?serial=short", None, 400),
            ("GET", "/api/shares?serial=02AA01AC33140F99", None, 404),
            ("POST", "/api/shares", {"serial": SERIAL, "userId": "bob", "permission": "own"}, 400),
            ("POST", "/api/shares", {"serial": SERIAL, "userId": "bob", "permission": "read"}, 404),
            ("POST", "/api/invites", {"serial": SERIAL, "permission": "read", "hours": 0.5}, 400),
            ("POST", "/api/invites/accept", {"token": "x", "userId": "bob"}, 400),
            ("DELETE", "/api/invites/x", None, 404),
            ("POST", "/api/transfer", {"serial": SERIAL, "userId": ["bob"]}, 400),
        ):
            got, answer = await self.ask(method, path, body)
            self.assertEqual((got, answer["success"]), (status, False), (path, answer))
