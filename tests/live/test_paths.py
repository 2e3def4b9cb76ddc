"""Every path a thermostat may come on, in all its spellings (protocol a.1)."""

from typing import Any

from twisted.trial.unittest import TestCase

from tests.live.support import serial_of, shared_daemon
from tests.live.wire import SERIAL, Answer

# What is asked for, by its paths: as they are written, without /nest, with a version, and by its first name.
ENTRY = ("/nest/entry", "/entry")
PING = ("/nest/ping", "/ping", "/nest/transport", "/transport", "/czfe")
PASSPHRASE = ("/nest/passphrase", "/passphrase")
STATUS = ("/nest/passphrase/status", "/passphrase/status")
PRO_INFO = ("/nest/pro_info/ABC123", "/pro_info/ABC123")
WEATHER = ("/nest/weather/v1?query=07719,US", "/weather/v1?query=ipv4", "/nest/weather/forecast/x?query=")
UPLOAD = ("/nest/upload", "/upload")
_BASES = ("/nest/transport", "/transport", "/czfe")
_VERSIONS = ("", "/v7", "/v5", "/X-9.z", "/%C3%A9", "/device", "/put", "/subscribe")
# `spelt` escapes the first letter, which may not be an escape itself.
_ROOTS = (
    *(f"{base}{version}" for base in _BASES for version in _VERSIONS),
    *(version for version in _VERSIONS if "%" not in version),
)
SUBSCRIBE = (*_BASES, *(f"{root}/subscribe" for root in _ROOTS))
PUT = tuple(f"{root}/put" for root in _ROOTS)
METADATA = tuple(
    f"{base}{version}/device/{prefix}{SERIAL}"
    for base, versions in (
        *((base, ("", "/v7", "/any/thing")) for base in _BASES),
        ("", ("", "/v7", "/X-9.z")),
    )
    for version in versions
    for prefix in ("", "device.")
)
NOWHERE = (
    *(
        "/nest",
        "/x",
        "/nest/x",
        "/transportfoo",
        "/nest/transportfoo",
        "/entryx",
        "/nest/entry/x",
        "/pingpong",
    ),
    *(
        "/nest/passphrase/x",
        "/nest/pro_info",
        "/nest/pro_info/a/b",
        "/nest/weather",
        "/czfex",
        "/uploads",
        "/nest/info",
    ),
    # What has a name is not the version of a transport without a base.
    *("/nest/subscribe", "/nest/put", f"/nest/device/{SERIAL}", "/info/put", "/info/subscribe", "/entry/put"),
    *("/ping/subscribe", "/upload/put", f"/passphrase/device/{SERIAL}", "/a/b/subscribe", "/a/b/put"),
    *("/device", "/v7/device", f"/a/b/device/{SERIAL}", f"/device/{SERIAL}/x", "/putx", "/v7/x", "/07719,US"),
    *("/command", "/api/register", "/health", "/nest/nest/entry", "/nest/../info", "/%2e%2e/info", "/INFO"),
)


def spelt(path: str) -> tuple[str, ...]:
    """The spellings of one path that mean the same: slashes doubled and trailing, and escaped letters."""
    path, mark, query = path.partition("?")
    every = (
        path,
        f"{path}/",
        f"{path}//",
        f"/{path}",
        path.replace("/", "//"),
        f"/%{ord(path[1]):x}{path[2:]}",
    )
    return tuple(f"{each}{mark}{query}" for each in every)


class PathTests(TestCase):
    def setUp(self):
        self.daemon = shared_daemon()
        self.serial = serial_of(self)

    def tearDown(self):
        self.assertEqual(self.daemon.faults, [])

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        answer = self.daemon.ask(method, path, body, serial=self.serial)
        if method != "HEAD":
            self.assertEqual(answer.headers["Content-Type"], "application/json", path)
        return answer

    def same_everywhere(self, paths: tuple[str, ...], body: Any = None, **status_of: int) -> list[Any]:
        """Ask on every path; gives the JSON of the good answers to all but HEAD."""
        found = []
        for path in paths:
            for each in spelt(path):
                for method, status in status_of.items():
                    answer = self.ask(method, each, body if method == "POST" else None)
                    self.assertEqual(answer.status, status, (method, each))
                    if method != "HEAD":
                        self.assertEqual("error" in answer.json, status >= 400, (method, each))
                    if status == 405:
                        allowed = {name for name, code in status_of.items() if code != 405}
                        self.assertLessEqual(
                            allowed, set(answer.headers["Allow"].split(", ")), (method, each)
                        )
                    elif method != "HEAD" and status == 200:
                        found.append(answer.json)
        return found

    def test_entry(self):
        for answer in self.same_everywhere(ENTRY, b"reset=FALSE", GET=200, POST=200, HEAD=200, PUT=405):
            self.assertEqual(answer["transport_url"], f"http://127.0.0.1:{self.daemon.device}/nest/transport")
            self.assertEqual(len(answer), 11)

    def test_info(self):
        for answer in self.same_everywhere(("/info",), b"", GET=200, POST=405, HEAD=200):
            self.assertEqual(answer["cloudregisterurl"], f"http://127.0.0.1:{self.daemon.device}/entry")

    def test_ping(self):
        for path in PING:
            for answer in self.same_everywhere((path,), GET=200, HEAD=200):
                self.assertEqual([*answer], ["status", "timestamp"])
        self.same_everywhere(("/nest/ping", "/ping"), b"", POST=200, DELETE=405)

    def test_passphrase(self):
        answers = self.same_everywhere(PASSPHRASE, b"", GET=200, HEAD=200, POST=405)
        self.assertEqual({answer["value"] for answer in answers}, {answers[0]["value"]})
        answers = self.same_everywhere(STATUS, b"", GET=200, HEAD=200, POST=405)
        self.assertEqual({answer["status"] for answer in answers}, {"pending"})

    def test_pro_info(self):
        for answer in self.same_everywhere(PRO_INFO, b"", GET=200, HEAD=200, POST=405):
            self.assertEqual(answer["pro_id"], "ABC123")

    def test_weather(self):
        self.same_everywhere(WEATHER, b"", GET=503, HEAD=503, POST=405)
        self.same_everywhere(("/nest/weather/v1", "/weather/v1?serial=x"), GET=400)

    def test_upload(self):
        answers = self.same_everywhere(UPLOAD, b"a log", GET=405, HEAD=405, POST=200)
        self.assertEqual(answers, [{"status": "ok"}] * len(answers))

    def test_subscribe(self):
        body = {"objects": [{"object_key": f"shared.{self.serial}", "object_timestamp": 0}]}
        for answer in self.same_everywhere(SUBSCRIBE, body, POST=200, PUT=405):
            self.assertEqual(answer, {"objects": []})

    def test_the_origin_alone_takes_a_subscribe(self):
        """`device.tier: hosted` hands out a transport URL without a path (protocol a.3)."""
        body = {"objects": [{"object_key": f"shared.{self.serial}", "object_timestamp": 0}]}
        for path in ("/", "//", "/?x=1"):
            answer = self.ask("POST", path, body)
            self.assertEqual((answer.status, answer.json), (200, {"objects": []}), path)
            for method in ("GET", "PUT", "HEAD"):
                answer = self.ask(method, path)
                self.assertEqual((answer.status, answer.headers["Allow"]), (405, "POST"), (method, path))

    def test_put(self):
        body = {"objects": [{"object_key": f"shared.{self.serial}", "value": {"a": 1}}]}
        answers = self.same_everywhere(PUT, body, POST=200, DELETE=405)
        self.assertEqual([answers[0]] * len(answers), answers)
        self.assertEqual(answers[0]["objects"][0]["object_revision"], 1)

    def test_metadata(self):
        self.daemon.put("shared", {"a": 1}, self.serial)
        for path in METADATA:
            for each in spelt(path.replace(SERIAL, self.serial)):
                for serial in (self.serial, None):
                    answer = self.daemon.ask("GET", each, serial=serial)
                    self.assertEqual(answer.status, 200, (each, serial))
                    [only] = answer.json["objects"]
                    self.assertEqual([*only], ["object_revision", "object_timestamp", "object_key"])
        self.assertEqual(self.ask("GET", "/nest/transport/device/02AA01AB0000FFFF").status, 200)
        answer = self.daemon.ask("GET", "/nest/transport/device/x", serial=None)
        self.assertEqual((answer.status, answer.json), (400, {"error": "Serial required"}))

    def test_unknown_device_has_no_buckets(self):
        answer = self.daemon.ask("GET", "/nest/transport/device/02AA01AB0000FFFE", serial=None)
        self.assertEqual((answer.status, answer.json), (200, {"objects": []}))

    def test_other_posts_below_the_transport_are_not_404(self):
        self.same_everywhere(
            (
                "/nest/transport/x",
                "/transport/v7/x",
                "/czfe/a/b/c",
                f"/nest/transport/device/{SERIAL}",
                "/czfe/v7/put/x",
            ),
            {},
            POST=400,
        )

    def test_nowhere(self):
        for path in NOWHERE:
            for method in ("GET", "POST", "HEAD", "DELETE"):
                self.assertEqual(self.ask(method, path, b"" if method == "POST" else None).status, 404, path)

    def test_control(self):
        for path, good in (("/health", "GET"), ("/command", "POST"), ("/api/register", "POST")):
            for each in spelt(path):
                for method in ("GET", "POST", "DELETE"):
                    answer = self.daemon.ask(method, each, {}, port="control")
                    self.assertEqual(
                        answer.status, 405 if method != good else 200 if good == "GET" else 400, each
                    )
                    if answer.status == 405:
                        self.assertIn(good, answer.headers["Allow"].split(", "))
        for path in (*ENTRY, *UPLOAD, *PUT[:3], "/", "/transport", "/command/x"):
            for method in ("GET", "POST"):
                self.assertEqual(self.daemon.ask(method, path, {}, port="control").status, 404, path)

    def test_head_has_no_body(self):
        for path in ("/nest/ping", "/nest/entry", "/nest/pro_info/x", "/nowhere", "/nest/upload"):
            with self.daemon.connect() as wire:
                wire.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                length = int(wire.answer("HEAD").headers["Content-Length"])
                self.assertGreater(length, 0)
                # What came after the head would be read as the head of this one.
                self.assertEqual(wire.ask("GET", "/nest/ping").status, 200)

    def test_every_source_of_a_serial(self):
        """The sources in their order (protocol a.2); a later one counts only where an earlier one has none."""
        wanted, other = self.serial, "02AA01AB00009999"
        self.daemon.put("shared", {"a": 1}, wanted)

        def sees_itself(path: str, headers: dict[str, str]) -> bool:
            return len(self.daemon.ask("GET", path, serial=None, headers=headers).json["objects"]) == 1

        base = "/nest/transport/v7/any"
        for headers in (
            {"X-nl-client-id": f"d.{wanted}.SUFFIX"},
            {"X-nl-client-id": f"nest.{wanted.lower()}"},
            {"X-nl-device-id": wanted},
            {"X-NL-Device-Serial": f"{wanted[:4]}-{wanted[4:]}"},
            {"x-nl-device-serial": wanted, "Authorization": "Basic garbage"},
            {"X-nl-device-id": wanted, "X-NL-Device-Serial": other},
            {"X-nl-client-id": f"d.{wanted}", "X-nl-device-id": other},
        ):
            self.assertTrue(sees_itself(f"{base}?serial={other}", headers), headers)
            self.assertTrue(sees_itself(f"{base}/device/{other}", headers), headers)
        self.assertTrue(sees_itself(f"{base}?serial={wanted}", {}))
        self.assertTrue(sees_itself(f"{base}/device/device.{wanted.lower()}", {}))
        self.assertTrue(sees_itself(f"{base}/device/{other}?serial={wanted}", {}))
