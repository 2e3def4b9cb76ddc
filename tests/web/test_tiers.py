"""Who may come in: pairing tiers, pinned passwords and MACs for serials, over HTTP (protocol e.1, m)."""

import json
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent

from nled.app import Daemon
from nled.config import Config, Control, Device, Pairing, Redis, Uploads
from tests.store.support import shared_server

SERIAL = "02AA01AC33140F61"
MAC = "18B430119E95"
GATED = (
    "/nest/transport",
    "/nest/transport/v7/subscribe",
    "/nest/transport/subscribe",
    "/transport",
    "/transport/",
    "//czfe",
    "/czfe/v7/subscribe",
    "/nest/transport/put",
    "/transport/v5/put/",
    "/czfe/put",
    "/",
    "/v7/subscribe",
    "/v5/put",
    "/nest/upload",
    "/upload/",
)


class TierTestCase(TestCase):
    pairing = Pairing()

    async def setUp(self) -> None:
        self.daemon = Daemon(
            reactor,
            Config(
                device=Device(host="127.0.0.1", port=0),
                control=Control(port=0),
                redis=Redis(url=shared_server().url),
                pairing=self.pairing,
                uploads=Uploads(store=True, dir=Path(self.mktemp())),
            ),
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(self.daemon.stop()))
        await self.daemon.start()
        self.http = treq.client.HTTPClient(Agent(reactor))

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        user: str = f"d.{SERIAL}.X",
        password: str = "secret",
    ) -> tuple[int, Any]:
        control = path.startswith("/api")
        port = (self.daemon.control_port if control else self.daemon.device_port).getHost().port
        answer = await self.http.request(
            method,
            f"http://127.0.0.1:{port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={} if body is None else {"Content-Type": "application/json"},
            auth=(user, password),
        )
        self.assertIsNone(answer.headers.getRawHeaders("WWW-Authenticate"))
        return answer.code, await answer.json()

    async def put(self, **more: str) -> tuple[int, Any]:
        body = {"objects": [{"object_key": f"shared.{SERIAL}", "value": {"x": 1}}]}
        return await self.ask("POST", "/nest/transport/put", body, **more)

    async def reset(self, password: str) -> None:
        """Come to the entry as after a factory reset."""
        port = self.daemon.device_port.getHost().port
        answer = await self.http.post(
            f"http://127.0.0.1:{port}/entry", data={"reset": "TRUE"}, auth=(f"d.{SERIAL}.X", password)
        )
        self.assertEqual((answer.code, len(await answer.json())), (200, 11))

    async def claim(self) -> None:
        _, key = await self.ask("GET", "/nest/passphrase")
        status, answer = await self.ask(
            "POST", "/api/register", {"code": key["value"].lower(), "userId": "ann"}
        )
        self.assertEqual((status, answer["success"], answer["serial"]), (200, True, SERIAL))


class Required(TierTestCase):
    pairing = Pairing(required=True)

    async def test_an_unknown_device_on_every_alias(self) -> None:
        for path in GATED:
            status, answer = await self.ask("POST", path, {"objects": []})
            self.assertEqual((status, "error" in answer), (401, True), path)
        self.assertEqual((await self.ask("GET", f"/nest/transport/device/{SERIAL}"))[0], 401)

    async def test_everything_else_is_open(self) -> None:
        for path in (
            "/entry",
            "/nest/passphrase/status",
            "/nest/ping",
            "/info",
            "/nest/pro_info/x",
            "/nest/passphrase",
        ):
            self.assertEqual((await self.ask("GET", path))[0], 200, path)

    async def test_a_pending_one(self) -> None:
        await self.ask("GET", "/nest/passphrase")
        self.assertEqual(await self.put(), (200, {"objects": []}))
        inline = {"object_key": f"shared.{SERIAL}", "object_timestamp": 0, "value": {"x": 1}}
        for listed in ([], [inline]):
            status, answer = await self.ask("POST", "/nest/transport", {"objects": listed})
            self.assertEqual((status, answer), (200, {"objects": []}))
        self.assertEqual(await self.ask("POST", "/nest/upload", 1), (401, {"error": "Not authorized"}))
        await self.claim()
        _, metadata = await self.ask("GET", f"/nest/transport/device/{SERIAL}")
        self.assertNotIn(f"shared.{SERIAL}", [each["object_key"] for each in metadata["objects"]])

    async def test_a_paired_one(self) -> None:
        await self.claim()
        status, answer = await self.put()
        self.assertEqual((status, answer["objects"][0]["object_revision"]), (200, 1))
        self.assertEqual(await self.ask("POST", "/nest/upload", 1), (200, {"status": "ok"}))

    async def test_a_failed_claim(self) -> None:
        rows = [
            ({}, 400, "Missing required fields: code, userId"),
            (
                {"code": "ABC", "userId": "ann"},
                400,
                "Invalid entry code format. Must be exactly 7 alphanumeric characters.",
            ),
            ({"code": "ABCDEFG", "userId": "ann"}, 200, "Invalid, expired, or already claimed entry key"),
        ]
        for body, status, sentence in rows:
            self.assertEqual(
                await self.ask("POST", "/api/register", body),
                (status, {"success": False, "message": sentence, "error": sentence}),
            )

    async def test_claims_are_limited(self) -> None:
        tries = [
            (await self.ask("POST", "/api/register", {"code": "ABCDEFG", "userId": "ann"}))[0]
            for _ in range(self.pairing.claims_per_minute + 1)
        ]
        self.assertEqual(tries, [200] * self.pairing.claims_per_minute + [429])


class Pinned(TierTestCase):
    pairing = Pairing(pin_password=True)

    async def test_the_first_password_of_a_device_that_was_met(self) -> None:
        self.assertEqual(
            [(await self.put(password=word))[0] for word in ("one", "one", "two", "one")],
            [200, 200, 401, 200],
        )
        for path in GATED:
            self.assertEqual((await self.ask("POST", path, {"objects": []}, password="two"))[0], 401, path)

    async def test_nobody_else_sees_its_code_or_resets_it(self) -> None:
        await self.put(password="one")
        await self.put(password="one")
        for path in ("/nest/passphrase", "/passphrase/status/"):
            self.assertEqual((await self.ask("GET", path, password="two"))[0], 401)
        _, key = await self.ask("GET", "/nest/passphrase", password="one")
        await self.ask("POST", "/api/register", {"code": key["value"], "userId": "ann"})
        for password, status in (("two", "claimed"), ("one", "no_key")):
            await self.reset(password)
            self.assertEqual(
                (await self.ask("GET", "/nest/passphrase/status", password="one"))[1]["status"], status
            )


class Open(TierTestCase):
    async def test_a_mac_for_a_serial(self) -> None:
        self.assertEqual(
            await self.ask("GET", "/nest/passphrase", user=MAC), (400, {"error": "Device serial required"})
        )
        body = {
            "session": MAC.lower() + SERIAL,
            "objects": [{"object_key": f"shared.{SERIAL}", "value": {"x": 1}}],
        }
        for _ in range(2):
            status, answer = await self.ask("POST", "/nest/transport/put", body, user=MAC.lower())
            self.assertEqual((status, answer["objects"][0]["object_key"]), (200, f"shared.{SERIAL}"))
        self.assertEqual((await self.ask("GET", "/nest/passphrase", user=MAC))[0], 200)
        self.assertEqual(
            (await self.ask("GET", "/nest/passphrase", user=MAC))[1],
            (await self.ask("GET", "/nest/passphrase"))[1],
        )

    async def test_a_reset_is_known_to_what_comes_next(self) -> None:
        await self.claim()
        self.assertEqual((await self.ask("GET", "/nest/passphrase/status"))[1]["status"], "claimed")
        await self.reset("secret")
        self.assertEqual((await self.ask("GET", "/nest/passphrase/status"))[1]["status"], "no_key")
