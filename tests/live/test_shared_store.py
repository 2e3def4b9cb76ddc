"""One server for two processes of nled: what dies or is cut off between them is made up for."""

import contextlib
import itertools
import time
from collections.abc import Sequence
from typing import Any

from tests.live.outage import SERIALS, OutageCase
from tests.live.support import LiveDaemon, wait_until
from tests.live.test_events import Stream
from tests.live.wire import Answer, Wire
from tests.store.support import Between, Server

# Requests a key may make in a minute.
RATE = 8


class SharedStoreTests(OutageCase):
    def setUp(self):
        super().setUp()
        # With the default, once a second, a killed server may lose what it has acknowledged since.
        self.server = Server("appendfsync always", appendonly=True)
        self.stack.callback(self.server.stop)
        settings = {"redis": {"url": self.server.url, "deadline": 0.2}}
        self.one, self.two = self.start(**settings), self.start(**settings)

    def test_wakes_polls_of_the_other(self):
        polls = self.hold(self.one, self.homes(self.one))
        self.all_are_woken(self.two, polls)

    def test_a_device_that_is_forgotten_leaves_no_log_at_any_of_them(self):
        files = self.start(redis={"url": self.server.url}, uploads={"store": True})
        serial = SERIALS[0]
        self.homes(files)
        files.ask("POST", "/nest/upload", b"a log", serial=serial)
        kept = files.state / "device-logs" / serial
        wait_until(lambda: list(kept.glob("*.log")), "the log is there")
        self.assertEqual(self.one.control_ask("DELETE", "/api/device", {"serial": serial}).status, 200)
        wait_until(lambda: not kept.exists(), "the log is gone")

    def test_stopped_and_started_again(self):
        polls = self.hold(self.one, self.homes(self.one))
        self.server.kill()
        for daemon in (self.one, self.two):
            self.refuses(daemon)
        # As long as the pauses between two tries are at their longest.
        end = time.monotonic() + 2
        while time.monotonic() < end:
            self.assertEqual(self.two.command(30, SERIALS[0]).status, 503)
        self.nothing_came(polls)
        self.server.start()
        # The other may write before the one that holds the polls is back.
        self.works_again(self.two)
        self.all_are_woken(self.two, {serial: polls[serial] for serial in SERIALS[1:]})
        self.all_get({SERIALS[0]: polls[SERIALS[0]]}, 15.0)
        for daemon in (self.one, self.two):
            self.assertEqual(daemon.faults, [])

    def test_other_data_on_the_way(self):
        """Behind the address may be another store by the next connection: a newer nled's, or an empty one."""

        def reconnect() -> None:
            self.server.ask("CLIENT", "KILL", "TYPE", "normal")

        polls = self.hold(self.one, self.homes(self.one))
        self.server.ask("SET", "nled:schema", "99")
        reconnect()
        wait_until(lambda: "A newer nled wrote the data" in self.one.log, "it is refused")
        self.assertEqual(self.one.command(30, SERIALS[0]).status, 503)
        self.nothing_came(polls)
        self.server.ask("SET", "nled:schema", "1")
        self.works_again(self.one)
        self.server.ask("FLUSHALL")
        reconnect()
        wait_until(lambda: b"\r\n1\r\n" in self.server.ask("GET", "nled:schema"), "its version is noted")

    def test_changes_that_were_not_told(self):
        """What was written while the connection was lost is read when it is there again."""
        polls = self.hold(self.one, self.homes(self.one))
        for value in (17.5, 18.5, 19.5):
            for line in self.server.ask("CLIENT", "LIST").splitlines():
                if b" cmd=xread " in line:
                    identifier = line.partition(b"id=")[2].split()[0].decode()
                    self.server.ask("CLIENT", "KILL", "ID", identifier)
            for serial in SERIALS:
                self.assertEqual(self.two.command(value, serial).status, 200)
            for poll in polls.values():
                while b'"target_temperature":%s,' % str(value).encode() not in poll.chunk():
                    pass

    def test_only_what_is_told_is_cut_off(self):
        """Polls are woken at once by what their own process writes, and in seconds by what another does."""
        between = Between(self.server)
        self.stack.callback(between.stop)
        daemon = self.start(redis={"url": between.url})
        polls = self.hold(daemon, self.homes(daemon))
        stream = Stream(daemon)
        self.stack.callback(stream.wire.close)
        between.deafen()
        first, *others = SERIALS
        self.all_are_woken(daemon, {first: polls[first]}, 17.5)
        self.assertIn("target_temperature", stream.next(first)["fields"])
        wait_until(lambda: "notices: " in daemon.log, "it is said", 20)
        self.all_are_woken(self.two, {serial: polls[serial] for serial in others}, 18.5)
        between.mend()
        wait_until(lambda: "notices: it is over" in daemon.log, "it is over", 20)
        self.assertEqual(daemon.log.count("] notices: "), 2)
        self.assertEqual(daemon.faults, [])

    def test_killed_under_load(self):
        """Each command that was said to be done is done, whatever became of the others."""
        claims = self.homes(self.one)
        done: dict[str, float] = {}
        for attempt in range(3):
            for number, serial in enumerate(SERIALS[1:15]):
                value = 10.0 + attempt + number / 2
                if number == 12:
                    self.server.kill()
                if self.two.command(value, serial).status == 200:
                    done[serial] = value
            self.server.start()
            self.works_again(self.two)
        self.assertEqual(len(done), 12)
        self.works_again(self.one)
        for serial, value in done.items():
            with self.one.connect() as wire:
                wire.subscribe((f"shared.{serial}", claims[serial]), serial=serial)
                self.assertIn(b'"target_temperature":%s,' % str(value).encode(), wire.chunk(), serial)


class TwoDaemonsTests(OutageCase):
    """What is done at one process holds at the other, at once; and is done once."""

    def setUp(self):
        super().setUp()
        self.server = Server()
        self.stack.callback(self.server.stop)
        self.one, self.two = self.start_another(), self.start_another()
        self.serial = SERIALS[0]
        self.addCleanup(lambda: self.assertEqual(self.one.faults + self.two.faults, []))

    def start_another(self) -> LiveDaemon:
        return self.start(
            redis={"url": self.server.url}, api={"rate_limit": RATE}, pairing={"claims_per_minute": 1000}
        )

    def follow(self, daemon: LiveDaemon, last: str | None = None) -> Stream:
        stream = Stream(daemon, last)
        self.stack.callback(stream.wire.close)
        return stream

    def at_once(self, method: str, path: str, bodies: Sequence[dict[str, Any]]) -> list[Answer]:
        """Ask both processes in turn, before any of them answers."""
        with contextlib.ExitStack() as stack:
            daemons = itertools.cycle((self.one, self.two))
            wires = [stack.enter_context(next(daemons).connect("control")) for _ in bodies]
            for wire, body in zip(wires, bodies, strict=True):
                wire.send_request(method, path, body, serial=None)
            return [wire.answer() for wire in wires]

    def test_polls_of_one_device_at_both(self):
        claim = {self.serial: self.one.put("shared", {"a": 1}, self.serial)["object_timestamp"]}
        polls = [self.hold(daemon, claim)[self.serial] for daemon in (self.one, self.two)]
        self.assertEqual(self.one.command(21.5, self.serial).status, 200)
        for poll in polls:
            self.assertIn(b'"target_temperature":21.5', poll.chunk())

    def test_waits_for_a_device_of_the_other(self):
        claim = self.one.put("shared", {"a": 1}, self.serial)["object_timestamp"]
        poll = self.hold(self.two, {self.serial: claim})[self.serial]
        with self.one.connect("control") as waiting:
            body = {"serial": self.serial, "command": "set_temperature", "value": 21.5}
            # Longer than this test has patience for.
            waiting.send_request("POST", "/command?wait=30", body, serial=None)
            self.assertIn(b'"target_temperature":21.5', poll.chunk())
            self.assertTrue(waiting.silent(0.1))
            [pending] = self.one.control_ask("GET", f"/status?serial={self.serial}").json["pending"]
            self.hold(self.two, {self.serial: pending["timestamp"]})
            self.assertEqual(waiting.answer().json["data"]["delivery"], "acknowledged")

    def test_events_of_the_other_and_on_with_it(self):
        self.one.put("shared", {"n": 0}, self.serial)
        stream = self.follow(self.one)
        for number in (1, 2, 3):
            self.two.put("shared", {"n": number}, self.serial)
        self.assertEqual([stream.next(self.serial)["revision"] for _ in range(2)], [2, 3])
        stream.wire.close()
        self.one.put("shared", {"n": 4}, self.serial)
        again = self.follow(self.two, stream.last)
        self.assertEqual([again.next(self.serial)["revision"] for _ in range(2)], [4, 5])
        self.one.put("shared", {"n": 5}, self.serial)
        self.assertEqual(again.next(self.serial)["revision"], 6)

    def test_commands_at_once(self):
        self.one.put("shared", {"a": 1}, self.serial)
        values = iter(10 + number / 16 for number in range(300))
        body = {"serial": self.serial, "command": "set_temperature"}
        answers = []
        for _ in range(3):
            bodies = [{**body, "value": value} for value in itertools.islice(values, 100)]
            answers += self.at_once("POST", "/command", bodies)
        self.assertEqual({answer.status for answer in answers}, {200})
        data = [answer.json["data"] for answer in answers]
        # None gave up for the others, each is a write of its own, and the last one stands.
        self.assertEqual(sorted(each["revision"] for each in data), list(range(2, 302)))
        last = max(data, key=lambda each: each["revision"])
        status = self.two.control_ask("GET", f"/status?serial={self.serial}").json
        self.assertEqual(status["target_temperature"], last["values"]["target_temperature"])

    def test_rate_is_of_both(self):
        key = self.one.make_key()

        def spend() -> list[Answer]:
            return [
                daemon.control_ask("GET", "/api/v1/devices", key=key)
                for _ in range(RATE // 2 + 1)
                for daemon in (self.one, self.two)
            ]

        def within_a_minute() -> list[Answer] | None:
            answers = spend()
            return answers if len({each.headers["X-RateLimit-Reset"] for each in answers}) == 1 else None

        # The first minute may end in between, the second cannot.
        answers = within_a_minute() or within_a_minute()
        assert answers is not None
        self.assertEqual([each.status for each in answers], [200] * RATE + [429] * 2)
        left = [int(each.headers["X-RateLimit-Remaining"]) for each in answers]
        self.assertEqual(left, [*reversed(range(RATE)), 0, 0])

    def test_falls_silent_once(self):
        silent, awake = SERIALS[:10], SERIALS[10]
        for serial in silent:
            self.one.put("shared", {"a": 1}, serial)
        before = self.follow(self.one)
        before.wire.close()
        long_ago = int((time.time() - 1000) * 1000)
        for serial in silent:
            self.server.ask("ZADD", "nled:online", str(long_ago), serial)
        # Each looks when it starts, before it takes what is put next on the same connection.
        for daemon in (self.start_another(), self.start_another()):
            daemon.put("shared", {"by": daemon.device}, awake)
        stream = self.follow(self.two, before.last)
        told = []
        for _ in range(2):
            while (event := stream.next())["kind"] != "changed":
                told.append((event["serial"], event.get("available")))
        fallen = [serial for serial, available in told if available is False]
        self.assertEqual(sorted(fallen), silent)

    def test_one_claims(self):
        """Of many people with the same code one has the device, whom they asked being all the same."""
        for serial in SERIALS[:4]:
            code = self.two.ask("GET", "/nest/passphrase", serial=serial).json["value"]
            people = [f"somebody{number}" for number in range(10)]
            answers = self.at_once(
                "POST", "/api/register", [{"code": code, "userId": user} for user in people]
            )
            winners = [user for user, each in zip(people, answers, strict=True) if each.json["success"]]
            self.assertEqual(len(winners), 1, answers)
            for daemon in (self.one, self.two):
                status = daemon.control_ask("GET", f"/status?serial={serial}").json
                self.assertEqual(status["owner"], winners[0])

    def test_one_accepts(self):
        self.one.pair(self.serial, "owner")
        for attempt in range(4):
            asked = {"serial": self.serial, "permission": "read"}
            token = self.one.control_ask("POST", "/api/invites", asked).json["token"]
            people = [f"guest{attempt}{number}" for number in range(10)]
            answers = self.at_once(
                "POST", "/api/invites/accept", [{"token": token, "userId": user} for user in people]
            )
            self.assertEqual(sorted(each.status for each in answers), [200] + [404] * 9)
        shares = self.two.control_ask("GET", f"/api/shares?serial={self.serial}").json["shares"]
        self.assertEqual(len(shares), 4)

    def test_revoked_at_the_other(self):
        made = self.one.ask(
            "POST", "/api/keys", {"name": "test", "scopes": ["read"]}, port="socket", serial=None
        ).json
        self.assertEqual(self.two.control_ask("GET", "/api/v1/devices", key=made["key"]).status, 200)
        gone = self.one.ask("DELETE", f"/api/keys/{made['id']}", port="socket", serial=None)
        self.assertEqual(gone.status, 200)
        self.assertEqual(self.two.control_ask("GET", "/api/v1/devices", key=made["key"]).status, 401)

    def test_forgotten_at_the_other(self):
        claims = {
            serial: self.two.put("shared", {"a": 1}, serial)["object_timestamp"] for serial in SERIALS[:2]
        }
        polls = self.hold(self.two, claims)
        stream = self.follow(self.two)
        forgotten = self.one.control_ask("DELETE", "/api/device", {"serial": self.serial})
        self.assertEqual(forgotten.status, 200)
        self.assertEqual(polls[self.serial].chunk(), b"")
        self.assertTrue(polls[SERIALS[1]].silent(0.2))
        kinds = iter(lambda: stream.next(self.serial)["kind"], "forgotten")
        self.assertLessEqual(set(kinds), {"access"})
        self.assertEqual(self.two.control_ask("GET", f"/status?serial={self.serial}").status, 404)

    def hold_all(self, daemon: LiveDaemon, serial: str) -> Wire:
        """Hold a poll of an owned device once it has been told of its home."""
        with daemon.connect() as first:
            first.subscribe((f"shared.{serial}", 0), serial=serial)
            first.chunk()
        found = daemon.ask("GET", f"/nest/transport/device/{serial}", serial=serial).json["objects"]
        poll = self.stack.enter_context(daemon.connect())
        poll.subscribe(*((each["object_key"], each["object_timestamp"]) for each in found), serial=serial)
        return poll

    def test_a_home_at_both(self):
        """What is written to a home wakes all its devices wherever they are, and is told of each once."""
        members = SERIALS[:3]
        for serial in members:
            self.one.put("shared", {"a": 1}, serial)
            self.one.pair(serial, "otto")
        self.one.put("shared", {"a": 1}, SERIALS[3])
        self.one.pair(SERIALS[3], "nora")
        polls = [
            self.hold_all(daemon, serial)
            for daemon, serial in zip((self.one, self.two, self.two), members, strict=True)
        ]
        neighbour = self.hold_all(self.two, SERIALS[3])
        stream, before = self.follow(self.two), self.follow(self.one).last
        away = {"serial": members[0], "command": "set_away", "value": True}
        self.assertEqual(self.one.control_ask("POST", "/command", away).status, 200)
        for poll in polls:
            self.assertIn(b'"manual_eco_all":true', poll.chunk())
        self.assertTrue(neighbour.silent(0.2))

        def changes(of: Stream) -> list[tuple[str, str]]:
            told: list[tuple[str, str]] = []
            while len(told) < len(members):
                event = of.next()
                if event["kind"] == "changed" and "manual_eco_all" in event["fields"]:
                    told.append((event["serial"], event["key"]))
            return told

        told = changes(stream)
        self.assertEqual([serial for serial, _ in told], sorted(members))
        self.assertEqual(len({key for _, key in told}), 1)
        self.assertEqual(changes(self.follow(self.one, before)), told)

    def test_taken_from_its_owner_at_the_other(self):
        """What it was let in by is over, so it has to ask anew."""
        ends = {
            "unpaired": ("DELETE", f"/api/registered-devices/{self.serial}?userId=otto"),
            "owner deleted": ("DELETE", "/api/people/otto"),
        }
        claim = self.one.put("shared", {"a": 1}, SERIALS[1])["object_timestamp"]
        [other] = self.hold(self.two, {SERIALS[1]: claim}).values()
        for how, (method, path) in ends.items():
            self.one.put("shared", {"a": how}, self.serial)
            self.one.pair(self.serial, "otto")
            poll = self.hold_all(self.two, self.serial)
            stream = self.follow(self.two)
            answer = self.one.ask(method, path, port="socket", serial=None)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(poll.chunk(), b"", how)
            self.assertTrue(other.silent(0.2), how)
            told = [stream.next(self.serial)["kind"] for _ in range(2)]
            self.assertEqual(told, ["access", "unpaired"], how)

    def test_given_to_somebody_at_the_other(self):
        """It goes on with what it holds, and is told on that whose it is."""
        self.one.put("shared", {"a": 1}, self.serial)
        self.one.pair(self.serial, "otto")
        self.one.control_ask("POST", "/api/ensure-user", {"userId": "nora"})
        poll = self.hold_all(self.two, self.serial)
        given = self.one.ask(
            "POST", "/api/transfer", {"serial": self.serial, "userId": "nora"}, port="socket", serial=None
        )
        self.assertEqual(given.status, 200, given)
        self.assertIn(b"user.nora", poll.chunk())
