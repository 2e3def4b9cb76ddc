"""Series and run times, from points to answers."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from twisted.trial.unittest import SynchronousTestCase

from nled.domain.buckets import BUCKET_TYPES
from nled.domain.errors import BadRequest
from nled.domain.history import (
    FLAGS,
    NUMBERS,
    SERIES,
    Chronicle,
    Point,
    moment,
    parse_series,
    run_times,
    thin,
    thin_all,
)
from nled.domain.thermostat import VIEW

HOUR = 3_600_000
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def series(*points: tuple[int, dict[str, str]], start: int = 0) -> dict[str, list[Point]]:
    chronicle = Chronicle(start)
    for when, recorded in points:
        chronicle.add(when, recorded)
    return chronicle.points


class Chronicles(SynchronousTestCase):
    def test_points_are_changes(self) -> None:
        found = series(
            (1, {"temperature": "20", "mode": '"heat"'}),
            (2, {"temperature": "20.0"}),
            (3, {"temperature": "0", "mode": '"off"'}),
        )
        self.assertEqual(found, {"temperature": [(1, 20.0), (3, 0.0)], "mode": [(1, "heat"), (3, "off")]})

    def test_the_value_at_the_start(self) -> None:
        rows = ((1, {"target": "20"}), (2, {"target": "21"}), (9, {"target": "22"}))
        self.assertEqual(series(*rows, start=5), {"target": [(5, 21.0), (9, 22.0)]})
        self.assertEqual(series(*rows, start=2), {"target": [(2, 21.0), (9, 22.0)]})
        self.assertEqual(series(*rows, start=9), {"target": [(9, 22.0)]})
        self.assertEqual(series(*rows), {"target": [(1, 20.0), (2, 21.0), (9, 22.0)]})

    def test_any_relay_counts(self) -> None:
        found = series(
            (1, {"heater": "true"}),
            (2, {"heat_x2": "true"}),
            (3, {"heater": "false"}),
            (4, {"heat_x2": "false", "ac": "true"}),
        )
        self.assertEqual(found, {"heating": [(1, True), (4, False)], "cooling": [(4, True)]})

    def test_away_is_any_of_its_words(self) -> None:
        found = series(
            (1, {"eco": "false", "sensor": "false"}), (2, {"sensor": "true"}), (3, {"eco": "true"})
        )
        self.assertEqual(found["away"], [(1, False), (2, True)])

    def test_nothing_runs_after_the_last_contact(self) -> None:
        found = series(
            (1, {"online": "true", "heater": "true", "eco": "true"}),
            (5, {"online": "false"}),
            (6, {"heat_x2": "true"}),
            (9, {"online": "true"}),
        )
        self.assertEqual(found["heating"], [(1, True), (5, False), (9, True)])
        self.assertEqual(found["away"], [(1, True)])
        self.assertEqual(found["online"], [(1, True), (5, False), (9, True)])

    def test_rubbish_is_no_point(self) -> None:
        rubbish = {
            "temperature": '"hot"',
            "humidity": "true",
            "mode": "5",
            "heater": "1",
            "low": "{",
            "x": "1",
        }
        self.assertEqual(series((1, rubbish)), {})

    def test_what_is_recorded_is_shown(self) -> None:
        recorded = {name for each in BUCKET_TYPES.values() for name in each.recorded.values()}
        self.assertEqual(recorded, {*NUMBERS, *FLAGS, "mode"})
        shown: set[str] = set()
        for name in recorded:
            text = "1" if name in NUMBERS else '"heat"' if name == "mode" else "true"
            shown |= set(series((1, {name: text})))
        self.assertEqual(shown | {"online"}, set(SERIES))
        # Two lists of the fields of the firmware that must not drift apart.
        for kind, each in BUCKET_TYPES.items():
            self.assertEqual(set(each.recorded) - set(VIEW.get(kind, ())), set(), kind)


class RunTimes(SynchronousTestCase):
    def ran(self, points: list[Point], start: str, end: str) -> list[tuple[str, int]]:
        found = run_times({"heating": points}, at(start), at(end), BERLIN)
        return [(each.day, each.heating) for each in found]

    def test_over_midnight(self) -> None:
        points: list[Point] = [
            (at("2026-11-21T23:30:00+01:00"), True),
            (at("2026-11-22T00:15:00+01:00"), False),
            (at("2026-11-22T10:00:00+01:00"), True),
            (at("2026-11-22T10:00:01.600+01:00"), False),
        ]
        found = self.ran(points, "2026-11-21T12:00:00+01:00", "2026-11-23T00:00:00+01:00")
        self.assertEqual(found, [("2026-11-21", 1800), ("2026-11-22", 902)])

    def test_what_still_runs(self) -> None:
        points: list[Point] = [(at("2026-11-20T12:00:00+01:00"), True)]
        found = self.ran(points, "2026-11-20T12:00:00+01:00", "2026-11-22T01:00:00+01:00")
        self.assertEqual(found, [("2026-11-20", 12 * 3600), ("2026-11-21", 24 * 3600), ("2026-11-22", 3600)])

    def test_days_of_23_and_of_25_hours(self) -> None:
        for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
            start = datetime.fromisoformat(day).replace(tzinfo=BERLIN)
            since = round(start.timestamp() * 1000)
            found = run_times({"fan": [(since, True)]}, since, since + 30 * HOUR, BERLIN)
            self.assertEqual([each.fan for each in found], [hours * 3600, (30 - hours) * 3600])
            self.assertEqual(found[0].day, day)

    def test_a_day_that_has_no_midnight(self) -> None:
        beirut = ZoneInfo("Asia/Beirut")
        since = at("2026-03-28T12:00:00+02:00")
        found = run_times({"cooling": [(since, True)]}, since, since + 35 * HOUR, beirut)
        self.assertEqual(
            [(e.day, e.cooling // 3600) for e in found], [("2026-03-28", 12), ("2026-03-29", 23)]
        )

    def test_nothing(self) -> None:
        self.assertEqual(run_times({}, 5, 5, UTC), ())
        (only,) = run_times({}, 0, 1, UTC)
        self.assertEqual((only.day, only.heating, only.cooling, only.fan), ("1970-01-01", 0, 0, 0))

    def test_points_at_the_end_and_beyond(self) -> None:
        self.assertEqual(run_times({"fan": [(10_000, True)]}, 0, 10_000, UTC)[0].fan, 0)
        self.assertEqual(run_times({"fan": [(9_000, True)]}, 0, 10_000, UTC)[0].fan, 1)


class Thinning(SynchronousTestCase):
    def test_the_extremes_stay(self) -> None:
        points: list[Point] = [(i, float(i % 7)) for i in range(1000)]
        points[500] = (500, 99.0)
        points[700] = (700, -99.0)
        for most in (3, 10, 11, 500, 999):
            kept = thin(points, most)
            self.assertTrue(len(kept) <= most, (most, len(kept)))
            self.assertEqual(kept[0], points[0])
            self.assertEqual(list(kept), sorted(kept))
            self.assertIn((500, 99.0), kept)
            self.assertIn((700, -99.0), kept)
        self.assertIs(thin(points, 1000), points)

    def test_short_series_leave_room_to_long_ones(self) -> None:
        long: list[Point] = [(i, float(i)) for i in range(1000)]
        short: list[Point] = [(i, True) for i in range(10)]
        thinned = thin_all({"temperature": long, "heating": short, "humidity": long}, 410)
        self.assertEqual(list(thinned), ["temperature", "heating", "humidity"])
        self.assertEqual(thinned["heating"], short)
        lengths = [len(thinned[name]) for name in ("temperature", "humidity")]
        self.assertTrue(min(lengths) > 150 and sum(lengths) <= 400, lengths)


class Parameters(SynchronousTestCase):
    def test_times(self) -> None:
        rows = {
            "1795000000000": 1_795_000_000_000,
            "0": 0,
            "2026-11-22T10:00:00Z": at("2026-11-22T10:00:00+00:00"),
            "2026-11-22T10:00:00.5+02:00": at("2026-11-22T08:00:00.5+00:00"),
            "2026-11-22T10:00": at("2026-11-22T10:00:00+01:00"),
            "2026-07-22": at("2026-07-22T00:00:00+02:00"),
        }
        for text, ms in rows.items():
            self.assertEqual(moment(text, BERLIN), ms, text)
        for bad in ("-5", "x", "2026-13-01", "²", "2026-11-22T10:00 01:00", "x" * 5000):
            with self.assertRaises(BadRequest) as raised:
                moment(bad, BERLIN)
            self.assertLess(len(str(raised.exception)), 140)

    def test_series(self) -> None:
        self.assertEqual(parse_series(""), SERIES)
        self.assertEqual(parse_series("fan, temperature,fan,"), ("fan", "temperature"))
        with self.assertRaisesRegex(BadRequest, "temperature, humidity.*not 'pin'"):
            parse_series("fan,pin")
