"""Who gets at what on the control port: every endpoint there is, tried by everybody who must not."""

import atexit
import contextlib
from collections.abc import Iterator
from typing import Any

from attrs import frozen
from twisted.trial.unittest import TestCase

from tests.live.support import LiveDaemon
from tests.live.wire import Answer, basic, request

# The device that others are after, one more of its owner, and one of a stranger.
VICTIM, BROTHER, OTHER = "02AA01AB0000A001", "02AA01AB0000A002", "02AA01AB0000A003"
OWNER, GUEST, STRANGER = "user_owner", "guest", "stranger"
HASH = "c2VjcmV0cyBvZiBhIGhvdXNl/wA="
_CALLS = {"rate_limit": 0, "failures_per_minute": 1000}
_WEEK = {"ver": 2, "schedule_mode": "HEAT", "days": {}}


@frozen
class Try:
    """A way to call an endpoint, complete but for `{victim}` and the like.

    Attributes:
        about: what it is about: `read`, `write`, `own`, `share` or `transfer` a device; `list` some; `self`, in
            whose name it is; `network`; `admin`; `anybody`.
    """

    about: str
    query: str = ""
    body: Any = None


_ON_DEVICE = {"serial": VICTIM}
# What is here is tried, and whatever the description has must be here: a new endpoint says what it is about.
TRIES: dict[str, Try] = {
    "GET /openapi.json": Try("anybody"),
    "GET /health": Try("anybody"),
    "GET /api/config": Try("list"),
    "GET /api/stats": Try("list"),
    "GET /api/devices": Try("list"),
    "GET /api/v1/devices": Try("list"),
    "GET /api/registered-devices": Try("list", query=f"userId={OWNER}"),
    "GET /api/events": Try("list"),
    "GET /status": Try("read", query=f"serial={VICTIM}"),
    "GET /api/schedule": Try("read", query=f"serial={VICTIM}"),
    "GET /api/history": Try("read", query=f"serial={VICTIM}"),
    "GET /api/v1/thermostat/{device_id}/status": Try("read"),
    "GET /api/v1/thermostat/{device_id}/schedule": Try("read"),
    "POST /command": Try(
        "write", query="wait=0.1", body={**_ON_DEVICE, "command": "set_temperature", "value": 30}
    ),
    "POST /notify-device": Try("write", body=_ON_DEVICE),
    "POST /api/dismiss-pairing/{serial}": Try("write"),
    "PUT /api/v1/thermostat/{device_id}/schedule": Try("write", body={"schedule": _WEEK}),
    "POST /api/v1/thermostat/{device_id}/temperature": Try("write", body={"value": 30, "mode": "heat"}),
    "POST /api/v1/thermostat/{device_id}/temperature/range": Try("write", body={"low": 20, "high": 30}),
    "POST /api/v1/thermostat/{device_id}/mode": Try("write", body={"mode": "off"}),
    "POST /api/v1/thermostat/{device_id}/away": Try("write", body={"away": True}),
    "POST /api/v1/thermostat/{device_id}/fan": Try("write", body={"mode": "auto"}),
    "POST /api/v1/thermostat/{device_id}/lock": Try("write", body={"enabled": False}),
    "DELETE /api/device": Try("own", body=_ON_DEVICE),
    "DELETE /api/registered-devices/{serial}": Try("own", query=f"userId={OWNER}"),
    "DELETE /api/v1/thermostat/{device_id}": Try("own"),
    "GET /api/shares": Try("share", query=f"serial={VICTIM}"),
    "POST /api/shares": Try("share", body={**_ON_DEVICE, "userId": STRANGER, "permission": "admin"}),
    "DELETE /api/shares/{serial}/{user}": Try("share"),
    "POST /api/invites": Try("share", body={**_ON_DEVICE, "permission": "admin"}),
    "DELETE /api/invites/{identifier}": Try("share"),
    "POST /api/transfer": Try("transfer", body={**_ON_DEVICE, "userId": STRANGER}),
    "POST /api/register": Try("self", body={"code": "ABC2345", "userId": OWNER}),
    "POST /api/ensure-user": Try("self", body={"userId": OWNER, "email": "mine@example.org"}),
    "POST /api/invites/accept": Try("self", body={"token": "nli_" + "0" * 64, "userId": OWNER}),
    "POST /api/scan-network": Try("network"),
    "GET /api/scan-network": Try("network"),
    "POST /api/configure-nest": Try("network", body={"ip": "127.0.0.1"}),
    "POST /api/restore-nest": Try("network", body={"ip": "127.0.0.1"}),
    "GET /api/keys": Try("admin"),
    "POST /api/keys": Try("admin", body={"name": "mine", "scopes": ["admin"]}),
    "DELETE /api/keys/{identifier}": Try("admin"),
    "GET /api/troubles": Try("admin"),
    "GET /api/arrivals": Try("admin"),
    "GET /api/unowned-devices": Try("admin"),
    "DELETE /api/unowned-devices": Try("admin"),
    "GET /api/people": Try("admin"),
    "DELETE /api/people/{user}": Try("admin"),
    "GET /api/export": Try("admin"),
    "POST /api/import": Try("admin", body={"records": []}),
}
_NAMES_A_DEVICE = ("read", "write", "own", "share", "transfer")
_shared: list[LiveDaemon] = []


class AccessCase(TestCase):
    """A house with an owner of two devices, a guest who may read one, and a stranger with a device."""

    def setUp(self) -> None:
        if not _shared:
            _shared.append(LiveDaemon({"api": _CALLS}))
            atexit.register(_shared[0].stop)
            self.daemon = _shared[0]
            self.furnish()
        self.daemon = _shared[0]
        self.owners = self.daemon.make_key(userId=OWNER)
        self.key_id = self.admin("GET", "/api/keys")["keys"][0]["id"]
        [self.invite] = [each["id"] for each in self.admin("GET", f"/api/shares?serial={VICTIM}")["invites"]]

    def tearDown(self) -> None:
        self.assertEqual(self.daemon.faults, [])

    def furnish(self) -> None:
        for serial in (VICTIM, BROTHER, OTHER):
            self.daemon.put("shared", {"target_temperature": 20.0, "name": "Bedroom"}, serial)
            self.daemon.put("device", {"has_fan": True, "temperature_lock": False}, serial)
            self.daemon.pair(serial, STRANGER if serial is OTHER else OWNER)
        self.admin("POST", "/api/ensure-user", {"userId": GUEST})
        self.admin("POST", "/api/shares", {"serial": VICTIM, "userId": GUEST, "permission": "read"})
        self.admin("POST", "/api/invites", {"serial": VICTIM, "permission": "read"})

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.daemon.ask(method, path, body, port="socket", serial=None)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def attempt(self, name: str, key: str | None, *, query: str | None = None) -> Answer:
        """Call an endpoint by its name in the table."""
        method, template = name.split(" ")
        path = template.format(
            device_id=VICTIM.lower(),
            serial=VICTIM,
            user=GUEST,
            identifier=self.key_id if "keys" in template else self.invite,
        )
        wanted = TRIES[name].query if query is None else query
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with self.daemon.connect("control") as wire:
            wire.send_request(
                method,
                f"{path}?{wanted}" if wanted else path,
                TRIES[name].body,
                serial=None,
                headers=headers,
            )
            head = Answer(wire.head())
            if "Content-Length" not in head.headers:
                return head
            return Answer(head.head, wire.exactly(int(head.headers["Content-Length"])))

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        before = self.state()
        yield
        self.assertEqual(self.state(), before)

    def state(self) -> Any:
        answer = self.daemon.control_ask("GET", f"/api/v1/thermostat/{VICTIM}/status", key=self.owners)
        keys = [key["id"] for key in self.admin("GET", "/api/keys")["keys"]]
        shares = self.admin("GET", f"/api/shares?serial={VICTIM}")
        return answer.json, self.admin("GET", "/api/people"), shares, sorted(keys)

    def all_denied(self, key: str | None, kinds: tuple[str, ...], status: int = 403) -> None:
        for name, how in TRIES.items():
            if how.about in kinds:
                with self.subTest(name=name):
                    answer = self.attempt(name, key)
                    self.assertEqual(answer.status, status, answer)
                    for secret in ("Bedroom", "target_temperature", "nle_", "nli_"):
                        self.assertNotIn(secret, answer.body.decode())

    def check_lists(self, key: str, shown: set[str]) -> None:
        """Lists hold the devices somebody may see, and no word of another."""
        for name, how in TRIES.items():
            if how.about == "list" and name != "GET /api/events":
                with self.subTest(name=name):
                    answer = self.attempt(name, key)
                    self.assertEqual(answer.status, 200)
                    text = answer.body.decode()
                    found = {serial for serial in (VICTIM, BROTHER, OTHER) if serial in text}
                    self.assertLessEqual(found, shown)


class EveryEndpointTests(AccessCase):
    def test_each_is_in_the_table(self) -> None:
        described = self.daemon.control_ask("GET", "/openapi.json").json["paths"]
        names = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
        self.assertEqual(names - set(TRIES), set(), "say in TRIES what these are about")
        self.assertEqual(set(TRIES) - names, set(), "these are gone")

    def test_a_stranger(self) -> None:
        key = self.daemon.make_key(userId=STRANGER)
        with self.unchanged():
            self.all_denied(key, (*_NAMES_A_DEVICE, "self", "network", "admin"))
            self.check_lists(key, {OTHER})

    def test_a_key_for_other_devices(self) -> None:
        """Also one of the owner: its list narrows, whatever its user may do."""
        for more in ({"userId": OWNER, "devices": [BROTHER]}, {"devices": [BROTHER]}):
            key = self.daemon.make_key(**more)
            with self.unchanged():
                self.all_denied(key, (*_NAMES_A_DEVICE, "self", "network", "admin"))
                self.check_lists(key, {BROTHER})

    def test_a_guest_who_may_read(self) -> None:
        key = self.daemon.make_key(userId=GUEST)
        # To leave is the one thing they may, and in the table it is this guest who is to leave.
        leave = "DELETE /api/shares/{serial}/{user}"
        with self.unchanged():
            for name, how in TRIES.items():
                if how.about in ("write", "own", "share", "transfer", "network", "admin") and name != leave:
                    self.assertEqual(self.attempt(name, key).status, 403, name)
            self.check_lists(key, {VICTIM})
            for name, how in TRIES.items():
                if how.about == "read":
                    self.assertEqual(self.attempt(name, key).status, 200, name)

    def test_a_key_that_may_only_read(self) -> None:
        for more in ({"userId": OWNER}, {}):
            key = self.daemon.make_key(scopes=["read"], **more)
            with self.unchanged():
                self.all_denied(key, ("write", "own", "share", "transfer", "self", "network", "admin"))

    def test_a_key_that_may_only_write(self) -> None:
        key = self.daemon.make_key(scopes=["write"], userId=OWNER)
        with self.unchanged():
            self.all_denied(key, ("read", "admin"))
            for name, how in TRIES.items():
                if how.about == "list":
                    self.assertEqual(self.attempt(name, key).status, 403, name)

    def test_somebody_from_a_trusted_network_is_no_administrator(self) -> None:
        with self.unchanged():
            self.all_denied(None, ("admin", "transfer"))

    def test_a_key_that_is_none(self) -> None:
        revoked = self.daemon.make_key()
        self.admin("DELETE", f"/api/keys/{self.admin('GET', '/api/keys')['keys'][0]['id']}")
        for key in (revoked, "nle_" + "0" * 64, "nle_", "undefined", ""):
            for name in TRIES:
                if "/v1/" in name:
                    answer = self.attempt(name, key)
                    self.assertEqual((answer.status, answer.json), (401, {"error": "Unauthorized"}), name)


# What a proxy, or somebody who would like to be one, may say of who is behind.
FORWARDED = (
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-For": "192.168.1.5, 127.0.0.1"},
    {"Forwarded": "for=127.0.0.1"},
    {"X-Real-IP": "127.0.0.1"},
    {"X-Forwarded-For": ""},
)


class DoorTests(TestCase):
    def start(self, **control: Any) -> None:
        self.daemon = LiveDaemon({"control": control, "api": _CALLS})
        self.addCleanup(self.daemon.stop)
        self.daemon.put("shared", {"target_temperature": 20.0}, VICTIM)

    def head(self, name: str, path: str, body: Any = None, **headers: str) -> Answer:
        with self.daemon.connect("control") as wire:
            wire.send(request(name, path, body, serial=None, headers=headers))
            return Answer(wire.head())

    def test_nobody_is_trusted(self) -> None:
        self.start(trusted_networks=[])
        for name, how in TRIES.items():
            method, path = name.split(" ")
            expected = 200 if how.about == "anybody" else 401
            for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer undefined"}):
                answer = self.head(method, f"{path}?{how.query}", how.body, **headers)
                self.assertEqual(answer.status, expected, name)
        self.assertEqual(self.head("HEAD", "/api/devices").status, 401)
        # Nor does anything else tell who has no key what there is.
        self.assertEqual(self.head("POST", "/command", b"{").status, 401)
        self.assertEqual(self.head("POST", "/command", b"x", **{"Content-Type": "text/plain"}).status, 401)
        key = self.daemon.make_key()
        self.assertEqual(self.daemon.control_ask("GET", "/api/devices", key=key).json["total"], 1)
        self.assertEqual(self.daemon.faults, [])

    def test_who_pretends_to_be_behind_a_proxy(self) -> None:
        self.start(trusted_networks=["127.0.0.0/8", "192.168.0.0/16"])
        self.assertEqual(self.head("GET", "/api/devices").status, 200)
        for headers in FORWARDED:
            self.assertEqual(self.head("GET", "/api/devices", **headers).status, 401, headers)

    def test_behind_a_proxy(self) -> None:
        self.start(trusted_networks=["127.0.0.0/8", "192.168.0.0/16"], trusted_proxies=["127.0.0.1/32"])
        for chain, status in (
            ("192.168.1.5", 200),
            ("192.168.1.5, 127.0.0.1", 200),
            ("192.168.1.5, 203.0.113.9", 401),
            ("127.0.0.1", 401),
            ("192.168.1.5, nonsense", 401),
            ("192.168.1.5,", 401),
            ("", 401),
        ):
            answer = self.head("GET", "/api/devices", **{"X-Forwarded-For": chain})
            self.assertEqual(answer.status, status, chain)
        # A proxy that says nothing of whom it serves may serve anybody.
        self.assertEqual(self.head("GET", "/api/devices").status, 401)

    def test_pages_in_a_browser_on_the_network(self) -> None:
        self.start(origins=["https://home.example"])
        body = {"serial": VICTIM, "command": "set_temperature", "value": 30}
        simple = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "")
        for kind in simple:
            self.assertEqual(self.head("POST", "/command", body, **{"Content-Type": kind}).status, 415, kind)
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "https://home.example.evil"):
            for method, path in (("POST", "/command"), ("OPTIONS", "/command"), ("GET", "/status")):
                answer = self.head(method, path, body if method == "POST" else None, Origin=origin)
                self.assertEqual(answer.status, 403, origin)
                self.assertNotIn(b"access-control", answer.head.lower())
        # A name that leads here by the trick of another's DNS.
        for host in ("evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", ""):
            self.assertIn(self.head("GET", "/api/devices", Host=host).status, (400, 403), host)
        answer = self.head("OPTIONS", "/command", Origin="https://home.example")
        self.assertEqual(answer.status, 204)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "https://home.example")
        self.assertEqual(self.daemon.control_ask("GET", f"/status?serial={VICTIM}").json["pending"], [])


class SecretTests(TestCase):
    def test_nothing_secret_is_told_twice(self) -> None:
        """After a session in which all of them were used: nowhere in the log, in no answer, in no event."""
        daemon = LiveDaemon({"api": _CALLS, "log": {"level": "debug"}})
        self.addCleanup(daemon.stop)
        password = "s3cr3t-0f-th3-d3v1c3"
        with daemon.connect("control") as stream:
            stream.send_request("GET", "/api/events", serial=None)
            stream.head()
            identity = {"Authorization": basic(VICTIM, password)}
            daemon.ask("POST", "/nest/entry", b"reset=FALSE&mac=18B430ABCDEF", headers=identity)
            code = daemon.ask("GET", "/nest/passphrase", headers=identity).json["value"]
            daemon.put("device", {"has_fan": True}, VICTIM)
            for wrong in ("ABC2345", code):
                body = {"code": wrong, "userId": OWNER}
                self.assertEqual(daemon.control_ask("POST", "/api/register", body).status, 200)
            key = daemon.make_key(userId=OWNER)
            lock = {"pin_hash": HASH, "temp_min": 18, "temp_max": 24}
            for command, value, status in (
                ("set_lock", lock, 200),
                ("set_device_setting", {"temperature_lock_pin_hash": HASH}, 200),
                ("set_lock", {**lock, "temp_min": 25}, 400),
                ("set_lock", {**lock, "pin": "1234"}, 400),
            ):
                body = {"serial": VICTIM, "command": command, "value": value}
                answer = daemon.control_ask("POST", "/command", body, key=key)
                self.assertEqual(answer.status, status)
                self.assertNotIn(HASH, answer.body.decode())
            about = {"serial": VICTIM, "permission": "read"}
            token = daemon.control_ask("POST", "/api/invites", about, key=key).json["token"]
            for _ in range(2):
                daemon.control_ask("POST", "/api/invites/accept", {"token": token, "userId": GUEST})
            daemon.control_ask("GET", "/api/devices", key="nle_" + "0" * 64)
            secrets = {HASH, key, token, password, basic(VICTIM, password)[6:], code}
            secrets |= {each.replace("/", "\\/") for each in secrets}

            shown = [daemon.log]
            for name, how in TRIES.items():
                # What is exported is everything, for administrators.
                if name.startswith("GET ") and name not in ("GET /api/events", "GET /api/export"):
                    path = name[4:].format(device_id=VICTIM)
                    for port, who in (("socket", None), ("control", key)):
                        headers = {"Authorization": f"Bearer {who or key}"} if who or "/v1/" in path else {}
                        answer = daemon.ask(
                            "GET", f"{path}?{how.query}", port=port, serial=None, headers=headers
                        )
                        shown.append(answer.body.decode())
            daemon.put("device", {"the_last": True}, VICTIM)
            events = b""
            while b"the_last" not in events:
                events += stream.chunk()
            shown += [events.decode(), daemon.log]
        for text in shown:
            for secret in secrets:
                self.assertFalse(secret in text, f"{secret} is in {text[:200]}...")
        self.assertIn("set_lock", daemon.log)
        self.assertEqual(daemon.faults, [])
