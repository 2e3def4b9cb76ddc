"""Each rule, kept and broken; what the server wrote is the only difference."""

import contextlib
import json

from twisted.trial.unittest import TestCase

from nled.simulator import Trouble
from nled.simulator.rules import HOSTED_ENTRY_KEYS
from tests.simulator.fake import (
    CLOSE,
    END,
    NOW,
    SERIAL,
    DeviceMixin,
    chunk,
    entry_urls,
    http,
    nl_headers,
    poll_head,
    pushed,
    receipts,
)

SOON = (NOW + 3600) * 1000
T1, T2 = NOW * 1000 + 500, NOW * 1000 + 600
PUSH = chunk(pushed(T1, target_temperature=21.0))
ONE = json.loads(pushed(T1, target_temperature=21.0))["objects"][0]


def reordered(document, *first):
    return {key: document[key] for key in [*first, *(key for key in document if key not in first)]}


def listed(*objects):
    return chunk(json.dumps({"objects": objects}).encode())


def recased(head):
    return head.replace(b"X-nl-service-timestamp", b"X-Nl-Service-Timestamp")


def transport(**changes):
    return http({"objects": []}, headers=nl_headers(**changes))


PORTLESS = entry_urls() | {"upload_url": "http://nled.test/nest/upload"}
HOSTED = dict.fromkeys(HOSTED_ENTRY_KEYS, "http://nled.test:8000") | {"tier_name": "hosted"}
KEY = {"value": "A3XR7M2", "expires": SOON}
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

ANSWERS = [
    # step, the answer, a part of the one complaint or None for none
    ("entry", http(entry_urls()), None),
    ("entry", http(entry_urls("https://[fd00::1]:443")), None),
    ("entry", http(reordered(entry_urls(), "transport_url")), "entry has the keys transport_url, czfe_url"),
    ("entry", http(entry_urls() | {"extra": "x"}), "tier_name, extra"),
    ("entry", http(HOSTED), None),
    ("entry", http(HOSTED | {"ping_url": "http://x:1/"}), "tier_name, ping_url"),
    ("entry", http(HOSTED | {"czfe_url": "http://x"}), "czfe_url has no explicit port"),
    ("entry", http(PORTLESS), "upload_url has no explicit port"),
    ("entry", http(entry_urls() | {"ping_url": "http://x:99999/"}), "ping_url has no explicit port"),
    ("entry", http(entry_urls() | {"weather_url": "http://x:1/w"}), "weather_url does not end"),
    ("entry", http({"service_urls": entry_urls()}), "no flat object of strings"),
    ("entry", http(b'{"a":"b"}{}'), "not one complete JSON document"),
    ("entry", http(entry_urls()).replace(b"application/json", b"text/html"), "Content-Type is b'text/html'"),
    ("entry", http(b"oops", status=500), "a well-formed POST was answered 500"),
    ("entry", http(b"{}", status=503), None),
    ("entry", b"HTTP/1.1 200 OK\r\n\r\n", "neither a Content-Length nor chunked"),
    ("entry", b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "status line"),
    ("entry", b"HTTP/1.1 200 OK\r\nContent-Length 0\r\n\r\n", "header line"),
    ("entry", http({}) + b"more", "bytes nobody asked for"),
    ("passphrase", http(KEY), None),
    ("passphrase", http(KEY | {"expires": str(SOON)}), "not a JSON number"),
    ("passphrase", http(KEY | {"expires": True}), "not a JSON number"),
    ("passphrase", http(KEY | {"expires": (NOW + 1799) * 1000}), "expires is only 1799 s ahead"),
    ("passphrase", http(KEY | {"expires": (NOW + 1800) * 1000}), None),
    ("passphrase", http(KEY | {"value": "a3xr7m2"}), "not seven of A-Z and 0-9"),
    ("passphrase", http(KEY | {"value": "A3XR7M"}), "not seven of A-Z and 0-9"),
    ("passphrase", http(KEY | {"value": 1234567}), "not seven of A-Z and 0-9"),
    ("passphrase", CHUNKED + chunk(json.dumps(KEY).encode()) + END, "answered chunked"),
    ("status", http({"status": "no_key", "claimed": False, "message": "x"}), None),
    ("status", http({"status": "claimed", "claimed": True, "claimedBy": "u", "claimedAt": 1}), None),
    ("status", http({"status": "claimed", "claimed": False, "claimedAt": 1}), "claimed is False"),
    ("status", http({"status": "pending", "claimed": False, "expiresAt": "1"}), "expiresAt is '1'"),
    ("status", http({"status": "lost"}), "the status is"),
    ("metadata", transport(), None),
    ("metadata", transport(now=NOW + 500), None),
    ("metadata", transport(now=NOW + 700), "X-nl-service-timestamp is +700 s off"),
    ("metadata", transport(suspend=400), "X-nl-suspend-time-max is missing or not in 5 to 350"),
    ("metadata", recased(transport()), "X-Nl-Service-Timestamp must be written X-nl-service-timestamp"),
    ("metadata", http({"objects": []}, headers=nl_headers()[:2]), "X-nl-defer-device-window is missing"),
    (
        "metadata",
        transport().replace(b"window: 15", b"window: 3600"),
        "X-nl-defer-device-window is missing or",
    ),
    ("metadata", transport().replace(b"time-max: 300", b"time-max: 5m"), "X-nl-suspend-time-max is missing"),
    (
        "metadata",
        http({"objects": []}, headers=(*nl_headers(), b"X-nl-set-client-credentials: a b")),
        "into a loop",
    ),
    ("metadata", http({"objects": [ONE]}, headers=nl_headers()), "the names are"),
    ("metadata", http({"x": []}, headers=nl_headers()), "an answer is"),
    ("metadata", http([], headers=nl_headers()), "no JSON object"),
]

# One push each two seconds, for ten seconds.
AGAIN_AND_AGAIN = [
    each for number in range(6) for each in (chunk(pushed(T1 + number, name=str(number))), 2.0)
][:-1]

POLLS = [
    # what the server does after a subscribe, a part of the one complaint or None for none
    ([poll_head(), 290.0, END], None),
    ([poll_head(), 270.0, END], None),
    ([poll_head(), 60.0, PUSH, 3.0, END], None),
    ([poll_head(), 60.0, PUSH, 2.0, chunk(pushed(T2, name="Hall")), 3.0, END], None),
    ([poll_head(), 60.0, *AGAIN_AND_AGAIN, 0.1, END], None),
    ([poll_head(), 60.0, PUSH[:20], 0.1, PUSH[20:], 3.0, END], None),
    ([poll_head() + PUSH + END], None),
    ([poll_head(), 0.1, PUSH, 0.1, END], None),
    ([poll_head(), 0.1, PUSH, 3.0, END], None),
    ([0.9, poll_head(), 200.0, END], None),
    ([1.5, poll_head(), 200.0, END], "the headers took 1.5 s"),
    ([40.0, poll_head(), END], "no end of the answer within 30 s"),
    ([http({"objects": [ONE]}, headers=nl_headers())], "without Transfer-Encoding"),
    ([recased(poll_head()), 100.0, END], "must be written X-nl-service-timestamp"),
    (
        [poll_head(b"Content-Type: text/plain", b"Transfer-Encoding: chunked", *nl_headers()), 99.0, END],
        "text/plain",
    ),
    (
        [poll_head(b"Transfer-Encoding: chunked", b"Content-Length: 3", *nl_headers())],
        "both Content-Length and",
    ),
    ([poll_head(), 9.0, b"zz\r\n"], "chunk size b'zz'"),
    ([poll_head(), 9.0, b"2\r\n{}}\r\n"], "does not end where it says"),
    ([poll_head(), 9.0, b"0\r\nX: y\r\n\r\n"], "does not end where it says"),
    ([poll_head(), 295.0, END], "the hold ended after 295.0 s, 290 s are due"),
    ([poll_head(), 400.0, END], "the poll was held for 300.0 s"),
    ([poll_head(), 290.0, CLOSE], "closed in place of the final chunk"),
    ([poll_head(), 100.0, CLOSE], None),
    ([poll_head(), 60.0, PUSH, END], "the final chunk came 0.0 s after the last data"),
    ([poll_head(), 60.0, PUSH, 6.0, END], "the final chunk came 6.0 s after the last data"),
    ([poll_head(), 60.0, PUSH, 3.0, CLOSE], "closed in place of the final chunk"),
    ([poll_head(), 60.0, PUSH, 5.0, chunk(pushed(T2, name="Hall")), 3.0, END], "more than 4 s apart"),
    ([poll_head(), 60.0, *AGAIN_AND_AGAIN, 3.0, END], "for 13.0 s, 10 s are the most"),
    ([poll_head() + PUSH, 3.0, END], "due at once when data answers the request"),
    ([poll_head() + PUSH, CLOSE], "closed in place of the final chunk"),
    ([poll_head() + chunk(b"{}") + END], "an answer is"),
    ([poll_head() + chunk(b'{"objects":[]}') + END], "an empty list of objects"),
    ([poll_head() + chunk(b" ") + END], "not one complete JSON document"),
    ([poll_head() + chunk(pushed(T1, a=1) * 2) + END], "not one complete JSON document"),
    ([poll_head() + chunk(pushed(T1, a=float("nan"))) + END], "NaN is no JSON"),
    ([poll_head() + chunk(pushed(T1, a=float("inf"))) + END], "Infinity is no JSON"),
    ([poll_head() + chunk(pushed(T1, a=5).replace(b"5}", b"1e999}")) + END], "1e999 is no JSON"),
    ([poll_head() + chunk(pushed(T1, a=5).replace(b"5}", b'5,"a":6}')) + END], "a name stands twice"),
    (
        [poll_head() + chunk(pushed(T1, name="x").replace(b'"x"', '"ö"'.encode())) + END],
        "bytes outside ASCII",
    ),
    ([poll_head() + listed(reordered(ONE, "object_key")) + END], "the names are object_key, object_rev"),
    ([poll_head() + listed(reordered(ONE, "value")) + END], "the names are value, object_revision"),
    (
        [poll_head() + listed(reordered(ONE | {"updatedAt": 1}, *list(ONE)[:3], "updatedAt")) + END],
        "updatedAt",
    ),
    ([poll_head() + listed({**ONE, "object_timestamp": str(T1)}) + END], "must be whole numbers"),
    ([poll_head() + listed({**ONE, "object_revision": 1.5}) + END], "must be whole numbers"),
    ([poll_head() + listed({**ONE, "object_key": "shared"}) + END], "not type.id"),
    ([poll_head() + listed({**ONE, "value": {}}) + END], "the value is {}"),
    ([poll_head() + listed(1) + END], "an object is 1"),
    (
        [poll_head() + chunk(pushed(T1, current_temperature=3.0)) + END],
        "only the device writes current_temperature",
    ),
    ([poll_head() + chunk(pushed(T1, f"device.{SERIAL}", leaf=True)) + END], "only the device writes leaf"),
    ([poll_head() + chunk(pushed(T1, f"device.{SERIAL}", eco={"mode": "schedule"})) + END], None),
    (
        [poll_head() + chunk(pushed(T1, "shared.02AA01AC99999999", name="x")) + END],
        "belongs to another device",
    ),
    ([poll_head() + chunk(pushed(T1, "structure.h", away=True)) + END], None),
    ([poll_head(), 9.0, PUSH, 1.0, PUSH, 3.0, END], f"the device has {T1}"),
]


class AnswerTests(DeviceMixin, TestCase):
    """Answers that come whole."""

    def hear(self, step, answer):
        word = {"metadata": "device"}.get(step, step)
        if step != "entry":
            self.finish(self.device.entry())
        self.server.answers[word] = answer
        with contextlib.suppress(Trouble):
            self.finish(getattr(self.device, step)())
        self.finish(self.device.stop())

    def test_table(self):
        for step, answer, part in ANSWERS:
            with self.subTest(step=step, part=part):
                self.setUp()
                self.hear(step, answer)
                self.assertEqual(
                    len(self.device.violations), 1 if part else 0, (part, self.device.violations)
                )
                self.assertIn(part or "", self.device.violations[0] if part else "")

    def test_same_code(self):
        self.hear("passphrase", http(KEY))
        self.hear("passphrase", http(KEY | {"value": "B3XR7M2"}))
        self.assertIn("changed from A3XR7M2 to B3XR7M2", self.device.violations[0])

    def test_another_code_after_the_first_has_ended(self):
        self.hear("passphrase", http(KEY))
        self.clock.advance(3601)
        self.hear("passphrase", http({"value": "B3XR7M2", "expires": SOON + 3600_000}))
        self.assertEqual((self.device.violations, self.device.code), ([], "B3XR7M2"))


class PollTests(DeviceMixin, TestCase):
    """Polls, by what comes when."""

    def poll(self, steps):
        if not self.device.cloud.urls:
            self.finish(self.device.entry())
        self.server.answers["subscribe"] = list(steps)
        try:
            return self.finish(self.device.subscribe_once())
        except Trouble:
            return None

    def test_table(self):
        for steps, part in POLLS:
            with self.subTest(part=part, steps=steps):
                self.setUp()
                self.poll(steps)
                self.finish(self.device.stop())
                self.assertEqual(
                    len(self.device.violations), 1 if part else 0, (part, self.device.violations)
                )
                self.assertIn(part or "", self.device.violations[0] if part else "")
                self.assertFalse(self.server.lines)

    def test_nothing_newer(self):
        """What the device has already is not to be sent, neither older nor equal."""
        self.finish(self.device.boot())
        had = self.device.bucket("shared").timestamp
        self.poll([poll_head() + chunk(pushed(had, name="x")) + END])
        self.assertIn(f"timestamp {had}, the device has {had}", self.device.violations[0])
        self.assertEqual((self.device.refused, self.device.pushes), (1, 0))

    def test_pending_again(self):
        """A change the device has shown and taken back is not shown a second time."""
        again = chunk(pushed(T1, target_change_pending=True))
        self.poll([poll_head() + again + END])
        self.assertEqual(self.device.violations, [])
        self.assertEqual(self.device.bucket("shared").cleared, T1)
        self.poll([poll_head() + again + END])
        self.assertIn("sent again after the device cleared it", "".join(self.device.violations))

    def test_bounces(self):
        """One poll may end early, as when the server stops; not one after the other."""
        self.poll([poll_head(), 0.1, END])
        self.assertEqual(self.device.violations, [])
        self.poll([poll_head(), 0.1, END])
        self.assertIn("again and again", self.device.violations[0])


class PutTests(DeviceMixin, TestCase):
    """Receipts."""

    def put(self, change, *, claimed=True):
        self.finish(self.device.boot())
        self.device.cloud.claimed = claimed

        def answer(request):
            document = receipts(request)
            return http(change(document["objects"]) or document, headers=nl_headers())

        self.server.answers["put"] = answer
        self.finish(self.device.put({"shared": {"auto_away": 1}, "device": {"rssi": 50}}))
        self.finish(self.device.stop())
        return self.device.violations

    def test_table(self):
        table = [
            (lambda _objects: None, None),
            (lambda objects: objects[0].update(value={"auto_away": 1}), "the names are"),
            (
                lambda objects: {"objects": [reordered(each, "object_key") for each in objects]},
                "the names are",
            ),
            (lambda objects: objects.reverse(), "receipts for"),
            (lambda objects: objects.__delitem__(0), "receipts for"),
            (lambda objects: objects.clear(), "receipts for"),
            (lambda objects: objects[0].update(object_timestamp=5), "the receipt goes back"),
            (lambda objects: {"objects": objects, "x": 1}, "an answer is"),
        ]
        for change, part in table:
            with self.subTest(part=part):
                self.setUp()
                violations = self.put(change)
                self.assertEqual(bool(violations), bool(part), violations)
                self.assertIn(part or "", violations[0] if part else "")

    def test_no_receipts_before_pairing(self):
        self.assertEqual(self.put(lambda objects: objects.clear(), claimed=False), [])
