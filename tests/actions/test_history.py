"""The history use case: what is asked of the store, and what becomes of it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from nled.actions.history import MOST_POINTS, Histories, zone_of
from nled.domain.access import Principal
from nled.domain.buckets import ObjectKey
from nled.domain.device import Bucket, Device
from nled.domain.errors import BadRequest
from nled.domain.history import Series

SERIAL = "02AA01AC33140F61"
WHO = Principal("test", frozenset({"read"}))
HOUR = 3_600_000
DAY = 24 * HOUR
# 2026-11-18 13:00 in Berlin.
NOW = 1_795_003_200_000


@define
class Home:
    """Thermostats of one home in a time zone."""

    time_zone: Any = "Europe/Berlin"

    def now(self) -> int:
        return NOW

    async def one(self, _who: Principal, serial: str, _fields: object, *, expired: bool) -> Device:
        assert expired, "a history is kept longer than a state"
        key = ObjectKey("structure", "home")
        return Device(
            serial, structure="home", buckets={str(key): Bucket(key, values={"time_zone": self.time_zone})}
        )


@define
class Recorded:
    """A store that gives what it holds, and remembers what it was asked for."""

    points_: list[tuple[int, Mapping[str, str]]] = field(factory=list)
    asked: list[tuple[int, int]] = field(factory=list)

    async def points(
        self, _serial: str, start: int, end: int
    ) -> AsyncIterator[tuple[int, Mapping[str, str]]]:
        self.asked.append((start, end))
        for at, recorded in self.points_:
            if at <= end:
                yield at, recorded


class Reading(SynchronousTestCase):
    def setUp(self) -> None:
        self.home, self.store = Home(), Recorded()
        self.archive = Histories(self.home, self.store, 30 * DAY, None)

    def read(self, start: str = "", end: str = "", series: str = "") -> Series:
        reading = Deferred.fromCoroutine(self.archive.read(WHO, SERIAL, start, end, series))
        return self.successResultOf(reading)

    def test_the_last_day_unless_told(self) -> None:
        past = self.read()
        self.assertEqual((past.since, past.to), (NOW - DAY, NOW))
        self.assertEqual(self.store.asked, [(NOW - DAY, NOW)])
        past = self.read(end=str(NOW - DAY))
        self.assertEqual((past.since, past.to), (NOW - 2 * DAY, NOW - DAY))

    def test_times_are_cut_to_what_is_kept_and_to_now(self) -> None:
        rows = [
            ("0", "", (NOW - 30 * DAY, NOW)),
            ("0", str(NOW + DAY), (NOW - 30 * DAY, NOW)),
            ("0", "1", (1, 1)),
            (str(NOW + DAY), str(NOW + 2 * DAY), (NOW, NOW)),
            ("0", "9999-12-31", (NOW - 30 * DAY, NOW)),
            ("", "9999-12-31", (NOW - DAY, NOW)),
            # The store takes no ids below 0.
            ("", "1900-01-01", (0, 0)),
            ("0001-01-01", "1969-12-31T23:59:59.999Z", (0, 0)),
        ]
        for start, end, expected in rows:
            past = self.read(start, end)
            self.assertEqual((past.since, past.to), expected)
            self.assertTrue(len(past.run_times) <= 31)
        self.failureResultOf(
            Deferred.fromCoroutine(self.archive.read(WHO, SERIAL, str(NOW), str(NOW - 1), "")), BadRequest
        )

    def test_series_and_run_times(self) -> None:
        self.store.points_ = [
            (NOW - 3 * DAY, {"temperature": "19", "target": "21", "heater": "false"}),
            (NOW - 14 * HOUR, {"heater": "true"}),
            (NOW - 12 * HOUR, {"temperature": "20", "heater": "false"}),
            (NOW - HOUR, {"heater": "true"}),
        ]
        past = self.read(series="temperature,target")
        self.assertEqual(
            past.points,
            {
                "temperature": [(NOW - DAY, 19.0), (NOW - 12 * HOUR, 20.0)],
                "target": [(NOW - DAY, 21.0)],
            },
        )
        self.assertFalse(past.thinned)
        # It was midnight in Berlin 13 hours ago.
        self.assertEqual([(e.day[-2:], e.heating) for e in past.run_times], [("17", 3600), ("18", 7200)])

    def test_an_answer_is_bounded(self) -> None:
        self.store.points_ = [
            (NOW - DAY + i, {"temperature": str(i % 50), "heater": ("true", "false")[i % 2]})
            for i in range(9000)
        ]
        past = self.read()
        self.assertTrue(past.thinned)
        count = sum(map(len, past.points.values()))
        self.assertTrue(0.9 * MOST_POINTS <= count <= MOST_POINTS, count)
        # Run times are of all points.
        self.assertEqual(sum(each.heating for each in past.run_times), 4)

    def test_zones(self) -> None:
        self.assertEqual(self.read().time_zone, "Europe/Berlin")
        self.archive = Histories(self.home, self.store, DAY, "Asia/Tokyo")
        for other in (
            None,
            "",
            5,
            {"id": 1},
            "Nowhere/Else",
            "Europe",
            "../../etc/passwd",
            "a\0b",
            "x" * 9999,
        ):
            self.home.time_zone = other
            self.assertEqual(self.read().time_zone, "Asia/Tokyo", other)
        self.assertIsNotNone(zone_of(None))
