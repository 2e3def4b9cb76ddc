"""What a thermostat does, step by step and left to itself."""

import base64
import json
from urllib.parse import parse_qs

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from nled.simulator import Trouble, life
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
)

# Later than every receipt of the server in memory.
T1, T2 = (NOW + 5000) * 1000, (NOW + 5001) * 1000
SHARED, DEVICE, SCHEDULE = (f"{name}.{SERIAL}" for name in ("shared", "device", "schedule"))
CLAIMED = http({"status": "claimed", "claimed": True, "claimedBy": "u", "claimedAt": 1})


class StepTests(DeviceMixin, TestCase):
    """Steps taken one by one."""

    def tearDown(self):
        self.finish(self.device.stop())
        self.assertFalse(self.server.lines)
        self.assertFalse(self.clock.getDelayedCalls())

    def test_boot(self):
        self.finish(self.device.boot())
        self.assertEqual(
            self.server.paths(),
            [
                "POST /entry",
                "GET /nest/passphrase",
                "GET /nest/passphrase/status",
                "POST /nest/transport/v7/put",
                f"GET /nest/transport/v7/device/device.{SERIAL}",
            ],
        )
        self.assertEqual(
            (self.device.state, self.device.code, self.device.claimed), ("awake", "A3XR7M2", False)
        )
        self.assertEqual(self.device.violations, [])
        self.assertEqual({bucket.revision for bucket in self.device.buckets.values()}, {1})
        self.assertEqual(len(self.server.lines), 1)

    def test_what_it_says(self):
        self.finish(self.device.boot())
        entry, *_, put, _ = self.server.requests
        head = dict(line.split(": ") for line in entry.head.decode().split("\r\n")[1:])
        user, password = base64.b64decode(head["Authorization"].removeprefix("Basic ")).decode().split(":")
        self.assertRegex(user, rf"^d\.{SERIAL}\.[0-9A-F]{{8}}$")
        self.assertRegex(password, "^[0-9A-F]{16}$")
        self.assertEqual(head["Host"], "nled.test:8000")
        self.assertEqual(parse_qs(entry.body.decode())["reset"], ["FALSE"])
        self.assertEqual([each["object_key"] for each in put.json["objects"]], [SCHEDULE, SHARED, DEVICE])
        self.assertEqual({each["base_object_revision"] for each in put.json["objects"]}, {0})
        self.assertGreater(len(put.json["objects"][2]["value"]), 50)
        self.assertTrue(put.json["session"].endswith(SERIAL))

    def test_same_serial_same_password(self):
        self.finish(self.device.entry())
        again = self.make_device()
        self.finish(again.entry())
        self.finish(again.stop())
        first, second = self.server.requests
        self.assertEqual((first.head, first.body), (second.head, second.body))

    def test_waits_for_the_claim(self):
        self.device.claim_polls = 5
        pending = self.server.answers["status"]
        self.server.answers["status"] = lambda request: (
            CLAIMED if len(self.server.of("status")) > 2 else pending(request)
        )
        self.finish(self.device.boot())
        self.assertEqual((self.device.claimed, len(self.server.of("status"))), (True, 3))
        self.assertIn(("state", "unclaimed"), self.events)
        self.assertIn(("claimed", "A3XR7M2"), self.events)

    def test_goes_on_unclaimed(self):
        self.device.claim_polls = 4
        self.finish(self.device.boot())
        self.assertEqual((self.device.claimed, len(self.server.of("status"))), (False, 4))

    def test_metadata(self):
        """A bucket the server has joins the polls, with a claim of nothing."""
        listed = {"object_revision": 3, "object_timestamp": T1, "object_key": "structure.home"}
        self.server.answers["device"] = http({"objects": [listed]}, headers=nl_headers())
        self.finish(self.device.boot())
        self.finish(self.device.subscribe_once())
        poll = self.server.of("subscribe")[0].json
        self.assertIn(b'"chunked":true', self.server.of("subscribe")[0].body)
        self.assertEqual(
            [each["object_key"] for each in poll["objects"]], [SCHEDULE, SHARED, DEVICE, "structure.home"]
        )
        self.assertEqual(poll["objects"][3]["object_timestamp"], 0)
        self.assertEqual(poll["objects"][1]["object_timestamp"], self.device.bucket("shared").timestamp)

    def test_push(self):
        self.finish(self.device.boot())
        self.server.answers["subscribe"] = [
            poll_head(),
            9.0,
            chunk(pushed(T1, target_temperature=25.5)),
            3.0,
            END,
        ]
        poll = Deferred.fromCoroutine(self.device.subscribe_once())
        self.until(self.device.when(lambda device: device.state == "held"))
        self.assertEqual(self.device.pushes, 0)
        self.until(self.device.when(lambda device: device.pushes))
        shared = self.device.bucket("shared")
        self.assertEqual(
            (shared.value["target_temperature"], shared.timestamp, shared.revision), (25.5, T1, 9)
        )
        self.assertTrue(shared.value["can_heat"])
        answer = self.until(poll)
        self.assertTrue(answer.whole)
        self.assertEqual((self.device.state, len(self.server.requests)), ("awake", 6))

    def test_clears_pending(self):
        self.finish(self.device.boot())
        change = pushed(T1, target_temperature=25.5, target_change_pending=True)
        self.server.answers["subscribe"] = [poll_head(), 9.0, chunk(change), 3.0, END]
        self.server.answers["put"] = http(
            {"objects": [{"object_revision": 10, "object_timestamp": T2, "object_key": SHARED}]},
            headers=nl_headers(),
        )
        self.finish(self.device.subscribe_once())
        put = self.server.of("put")[-1].json["objects"]
        self.assertEqual(
            put,
            [{"object_key": SHARED, "base_object_revision": 9, "value": {"target_change_pending": False}}],
        )
        self.assertEqual((self.device.bucket("shared").timestamp, self.device.violations), (T2, []))

    def test_schedule_is_replaced(self):
        self.server.answers["subscribe"] = [poll_head() + chunk(pushed(T1, SCHEDULE, ver=2, days={})) + END]
        self.finish(self.device.boot())
        self.finish(self.device.subscribe_once())
        self.assertEqual(self.device.bucket("schedule").value, {"ver": 2, "days": {}})

    def test_user_completes_pairing(self):
        self.server.answers["subscribe"] = [poll_head() + chunk(pushed(T1, "user.u", name="u")) + END]
        self.finish(self.device.boot())
        self.finish(self.device.subscribe_once())
        self.assertTrue(self.device.claimed)

    def test_compare(self):
        self.finish(self.device.boot())
        before = self.device.bucket("shared").timestamp
        self.finish(self.device.put({"shared": {"target_temperature": 19.0}}, compare=True))
        put = self.server.of("put")[-1].json
        self.assertEqual(
            put[SHARED], {"object_key": SHARED, "if_object_revision": 1, "target_temperature": 19.0}
        )
        self.assertEqual(
            (self.device.bucket("shared").revision, self.device.bucket("shared").timestamp), (2, before)
        )

    def test_dial_again_after_a_refusal(self):
        self.finish(self.device.boot())
        honest = self.server.answers["put"]
        other = {"objects": [{"object_revision": 7, "object_timestamp": T1, "object_key": SHARED}]}

        def refuse_once(_request):
            self.server.answers["put"] = honest
            return http(other, headers=nl_headers())

        self.server.answers["put"] = refuse_once
        self.finish(life.turn_dial(self.device))
        conditions = [put.json[SHARED]["if_object_revision"] for put in self.server.of("put")[1:]]
        self.assertEqual(conditions, [1, 7])

    def test_transition(self):
        """The relays are reported before the setpoint, in a PUT of their own."""
        self.finish(self.device.boot())
        self.finish(life.transition(self.device))
        first, second = (put.json["objects"] for put in self.server.of("put")[1:])
        self.assertIn("hvac_heater_state", first[0]["value"])
        self.assertEqual(list(second[0]["value"]), ["target_temperature"])

    def test_drop(self):
        self.finish(self.device.boot())
        poll = Deferred.fromCoroutine(self.device.subscribe_once())
        self.until(self.device.when(lambda device: device.state == "held"))
        self.device.drop()
        self.assertFalse(self.until(poll).whole)
        self.assertEqual(self.device.violations, [])
        self.assertFalse(self.server.lines)

    def test_trouble(self):
        for answer in (http({}, status=503), [CLOSE]):
            self.server.answers["entry"] = answer
            with self.assertRaises(Trouble):
                self.finish(self.device.entry())
        self.server.refuse = True
        with self.assertRaises(Trouble):
            self.finish(self.device.entry())
        self.server.refuse = False
        self.server.answers["entry"] = http(entry_urls("ftp://nled.test:8000"))
        self.finish(self.device.entry())
        with self.assertRaises(Trouble):
            self.finish(self.device.passphrase())


class LifeTests(DeviceMixin, TestCase):
    """A thermostat left to itself."""

    def live(self, seconds, **changes):
        self.device = self.make_device(**changes)
        life = Deferred.fromCoroutine(self.device.run())
        self.let_pass(seconds)
        return life

    def let_pass(self, seconds):
        pause = Deferred()
        self.clock.callLater(seconds, pause.callback, None)
        self.until(pause, seconds + 1)

    def end(self, life):
        self.finish(self.device.stop())
        self.assertIsNone(self.successResultOf(life))
        self.assertFalse(self.server.lines)
        self.assertFalse(self.clock.getDelayedCalls())

    def test_polls_on(self):
        life = self.live(300)
        self.assertEqual((len(self.server.of("subscribe")), self.device.state), (2, "held"))
        self.assertEqual(len(self.server.lines), 1)
        self.end(life)
        self.assertEqual((self.device.state, self.device.violations), ("stopped", []))

    def test_outlasts_the_server(self):
        """It tries again at growing intervals, and does not boot again for it."""
        life = self.live(10)
        self.server.refuse = True
        for line in list(self.server.lines):
            line.loseConnection()
        self.let_pass(600)
        gone = [detail for kind, detail in self.events if kind == "gone"]
        self.assertIn(len(gone), range(12, 30))
        self.server.refuse = False
        self.let_pass(70)
        self.assertEqual(self.device.state, "held")
        self.assertEqual((len(self.server.of("entry")), len(self.server.of("put"))), (2, 1))
        self.end(life)
        self.assertEqual(self.device.violations, [])

    def test_waits_for_a_server(self):
        self.server.refuse = True
        life = self.live(100)
        self.assertEqual((self.device.state, self.device.cloud.reached), ("away", False))
        self.server.refuse = False
        self.let_pass(70)
        self.assertEqual(self.device.state, "held")
        self.end(life)

    def test_reports_again_when_paired(self):
        """A server that keeps nothing before the pairing gets the complete state after it."""
        honest = self.server.answers["put"]
        self.server.answers["put"] = http({"objects": []}, headers=nl_headers())
        self.server.answers["subscribe"] = [
            poll_head(),
            30.0,
            chunk(pushed(T1, "user.u", name="u")),
            3.0,
            END,
        ]
        life = self.live(20)
        self.assertFalse(self.device.reported)
        self.server.answers["put"] = honest
        self.let_pass(15)
        self.assertTrue(self.device.reported)
        self.end(life)

    def test_own_doings(self):
        life = self.live(3000, activity=10.0)
        puts = [json.loads(put.body) for put in self.server.of("put")]
        self.assertGreater(len(puts), 200)
        self.assertTrue(any(SHARED in put for put in puts))
        self.end(life)
        self.assertEqual(self.device.violations, [])

    def test_drops(self):
        life = self.live(3000, activity=20.0, drop_rate=0.5)
        drops = sum(kind == "dropped" for kind, _ in self.events)
        self.assertGreater(drops, 20)
        self.assertGreater(len(self.server.of("subscribe")), drops)
        self.end(life)
        self.assertEqual(self.device.violations, [])

    def test_stop_at_any_moment(self):
        for seconds in (0.0, 1.0, 2.5, 50.0, 290.05):
            self.setUp()
            self.end(self.live(seconds, claim_polls=3))
