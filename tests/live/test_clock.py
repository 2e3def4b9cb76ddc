"""The clock is stepped under daemon and store: all goes on, and nothing is lost once it is right again."""

import json
import os
import signal
import time
from typing import Any

from tests.live.faketime import FakeClock
from tests.live.outage import SERIALS, OutageCase
from tests.live.support import wait_until
from tests.live.wire import Wire

HOUR, YEAR = 3600, 365 * 86_400
ACTIVE, SILENT = SERIALS[:2]


class ClockTests(OutageCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = FakeClock(self.folder)
        self.daemon = self.start(
            environ=self.clock.environ, transport={"suspend_time_max": 5}, redis={"deadline": 0.3}
        )
        # What the active device has of each bucket.
        self.claims = {f"shared.{ACTIVE}": 0}
        self.reports(target_temperature=18.0)
        self.values = iter(range(10, 30))
        self.keys = {}
        for serial, user in ((ACTIVE, "ann"), (SILENT, "bob")):
            self.daemon.put("device", {"where": f"of {user}"}, serial)
            self.daemon.pair(serial, user)
            self.keys[serial] = self.daemon.make_key(user=user)
        self.daemon.put("shared", {"target_temperature": 19.0, "current_temperature": 20.0}, SILENT)
        body = {"objects": [], "session": ""}
        self.daemon.ask("POST", "/nest/entry", b"reset=FALSE&mac=18B430ABCDEF", serial=SILENT)
        self.daemon.ask("POST", "/nest/transport", body, serial=SILENT)
        for path, share in (
            ("/api/shares", {"serial": SILENT, "userId": "ann", "permission": "read"}),
            ("/api/invites", {"serial": SILENT, "permission": "read"}),
        ):
            answer = self.daemon.ask("POST", path, share, port="socket", serial=None)
            self.assertEqual(answer.status, 200, answer)

        # It learns of its home.
        with self.daemon.connect() as poll:
            self.hold_with(poll)
            while chunk := poll.chunk():
                self.take(chunk)

    def reports(self, **values: object) -> None:
        receipt = self.daemon.put("shared", values, ACTIVE)
        self.claims[receipt["object_key"]] = receipt["object_timestamp"]

    def hold_with(self, poll: Wire) -> None:
        poll.subscribe(*self.claims.items(), serial=ACTIVE)

    def take(self, chunk: bytes) -> None:
        for each in json.loads(chunk)["objects"]:
            self.assertGreater(each["object_timestamp"], self.claims.get(each["object_key"], 0))
            self.claims[each["object_key"]] = each["object_timestamp"]

    def kept(self) -> list[Any]:
        """All that is kept but for the doings of the active device, and for when keys and devices were used last."""
        answer = self.daemon.ask("GET", "/api/export", port="socket", serial=None)
        self.assertEqual(answer.status, 200, answer)
        records = [each for each in answer.json["records"] if each.get("serial") != ACTIVE]
        for record in records:
            for name in ("seen", "used"):
                record.pop(name, None)
        return records

    def step(self, ahead: int) -> None:
        """Step the clock while a poll is held, which ends in its time, and the step is told of."""
        with self.daemon.connect() as poll:
            self.hold_with(poll)
            way = "ahead" if ahead > self.clock.ahead else "back"
            told = self.daemon.log.count(f"clock: The clock was stepped {way} by")
            self.clock.step(ahead)
            wait_until(
                lambda: self.daemon.log.count(f"clock: The clock was stepped {way} by") > told, "it is told"
            )
            self.assertEqual(poll.chunk(), b"")

    def goes_on(self) -> None:
        """People and thermostats find all as it should be, by the clock as it is now."""
        answer = self.daemon.control_ask("GET", "/api/stats")
        now = time.time() + self.clock.ahead
        for serial in (ACTIVE, SILENT):
            about = answer.json["availability"][serial]
            self.assertEqual(about["is_available"], True, (serial, about))
        self.assertEqual(self.daemon.control_ask("GET", "/api/devices", key=self.keys[SILENT]).status, 200)
        self.reports(current_temperature=now)
        with self.daemon.connect() as poll:
            self.hold_with(poll)
            value = next(self.values)
            self.assertEqual(self.daemon.command(value, ACTIVE).status, 200)
            pushed = poll.chunk()
            self.assertIn(b'"target_temperature":%d' % value, pushed)
            self.take(pushed)

    def store_may_hang(self) -> None:
        store = self.daemon.store_pid
        os.kill(store, signal.SIGSTOP)
        try:
            self.assertEqual(self.daemon.command(9, ACTIVE).status, 503)
        finally:
            os.kill(store, signal.SIGCONT)
        wait_until(lambda: self.daemon.command(9, SILENT).status == 200, "commands work again")

    def goes_and_comes_back(self, ahead: int) -> None:
        self.goes_on()
        before = self.kept()
        for each in (ahead, 0):
            self.step(each)
            self.goes_on()
        self.assertEqual(self.kept(), before)
        self.assertEqual(self.daemon.faults, [])

    def test_an_hour_ahead(self) -> None:
        self.goes_and_comes_back(HOUR)

    def test_an_hour_back(self) -> None:
        self.goes_and_comes_back(-HOUR)

    def test_a_year_ahead(self) -> None:
        self.goes_and_comes_back(YEAR)

    def test_a_year_back(self) -> None:
        self.goes_and_comes_back(-YEAR)

    def test_the_store_hangs_after_a_step_back(self) -> None:
        self.step(-YEAR)
        self.store_may_hang()
