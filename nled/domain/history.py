"""History: what a device did over time, from points at which something changed.

What is recorded are raw fields, as `nled.domain.buckets` says for each type; what is shown are the series of
`SERIES`, some of which are made of several recorded ones.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from operator import itemgetter
from typing import Final

import msgspec
from attrs import define, field

from nled.domain.errors import BadRequest
from nled.domain.relays import COOLING, HEATING
from nled.domain.values import number

Value = float | bool | str
Point = tuple[int, Value]

NUMBERS: Final = ("temperature", "humidity", "target", "low", "high")
# On when any of the recorded ones is.
_ANY: Final[Mapping[str, tuple[str, ...]]] = {
    "heating": tuple(HEATING),
    "cooling": tuple(COOLING),
    "fan": ("fan_relay",),
    "away": ("eco", "sensor", "gone"),
}
FLAGS: Final = tuple(part for parts in _ANY.values() for part in parts)
# What nobody hears of any more does not run.
RUNNING: Final = ("heating", "cooling", "fan")
SERIES: Final = (*NUMBERS, "mode", *_ANY, "online")
_MADE_OF: Final = {part: name for name, parts in _ANY.items() for part in parts}


class RunTime(msgspec.Struct, frozen=True):
    """For how many seconds of a day, an ISO date, each of them ran."""

    day: str
    heating: int
    cooling: int
    fan: int


class Series(msgspec.Struct, frozen=True):
    """The points of each series as [ms, value]; each holds until the next, the first since `from`.

    The series are temperature, humidity, target, low, high, mode, heating, cooling, fan, away and online. A
    device that went offline counts as off from its last contact on. Run times are in seconds per day of
    `time_zone`, as far as the day lies between `from` and `to`. `thinned` says that not all points are given,
    but the least and the greatest of each stretch.
    """

    serial: str
    since: int = msgspec.field(name="from")
    to: int
    time_zone: str | None
    thinned: bool
    points: Mapping[str, Sequence[Point]]
    run_times: tuple[RunTime, ...]


@define
class Chronicle:
    """Makes series of recorded points, which are given in their order.

    A series begins with its value at `start` (ms), where it had one. A running system counts as off from the
    last contact with a device that went offline until it is back.
    """

    start: int
    points: dict[str, list[Point]] = field(factory=dict)
    _last: dict[str, Value] = field(factory=dict)

    def add(self, at: int, recorded: Mapping[str, str]) -> None:
        """Take in what was recorded at `at` (ms): JSON texts by name."""
        for name, text in recorded.items():
            value = _value(name, text)
            if value is None:
                continue
            self._last[name] = value
            if name in _MADE_OF:
                self._show(at, _MADE_OF[name])
            else:
                self._keep(at, name, value)
            if name == "online":
                for each in RUNNING:
                    self._show(at, each)

    def _show(self, at: int, name: str) -> None:
        known = [self._last[part] for part in _ANY[name] if part in self._last]
        if known:
            gone = name in RUNNING and self._last.get("online") is False
            self._keep(at, name, True in known and not gone)

    def _keep(self, at: int, name: str, value: Value) -> None:
        points = self.points.setdefault(name, [])
        if points and points[-1][1] == value:
            return
        # Of two at one time the later one holds, and all up to the start are its past.
        at = max(at, self.start)
        if points and points[-1][0] == at:
            points.pop()
        points.append((at, value))


def _value(name: str, text: str) -> Value | None:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if name in NUMBERS:
        return number(value)
    wanted = str if name == "mode" else bool
    return value if isinstance(value, wanted) else None


def thin(points: Sequence[Point], most: int) -> Sequence[Point]:
    """Leave at most `most` points, at least 3: the first, then the least and the greatest of each stretch."""
    if len(points) <= most:
        return points
    kept = [points[0]]
    rest = points[1:]
    stretch = -(-len(rest) // ((most - 1) // 2))
    for i in range(0, len(rest), stretch):
        part = rest[i : i + stretch]
        kept += sorted({min(part, key=itemgetter(1)), max(part, key=itemgetter(1))})
    return kept


def thin_all(series: Mapping[str, Sequence[Point]], most: int) -> dict[str, Sequence[Point]]:
    """Leave at most `most` points of all series together; what short ones do not need the long ones get."""
    thinned: dict[str, Sequence[Point]] = {}
    for left, name in zip(
        range(len(series), 0, -1), sorted(series, key=lambda n: len(series[n])), strict=True
    ):
        thinned[name] = thin(series[name], most // left)
        most -= len(thinned[name])
    return {name: thinned[name] for name in series}


def run_times(
    series: Mapping[str, Sequence[Point]], start: int, end: int, zone: tzinfo
) -> tuple[RunTime, ...]:
    """Count how long each system ran between `start` and `end` (ms), for each day of `zone` they touch.

    A day has 23 or 25 hours where the clock changes. What still runs at `end` has run until then.
    """
    if start >= end:
        return ()
    days, bounds = _days(start, end, zone)
    ran = {name: _seconds(series.get(name, ()), bounds) for name in RUNNING}
    return tuple(
        RunTime(day.isoformat(), **{name: ran[name][i] for name in RUNNING}) for i, day in enumerate(days)
    )


def _days(start: int, end: int, zone: tzinfo) -> tuple[list[date], list[int]]:
    """List the days, and the moments (ms) at which each begins, those of `start` and `end` included."""
    day, last = (datetime.fromtimestamp(at / 1000, zone).date() for at in (start, end - 1))
    days, bounds = [day], [start]
    while day < last:
        day += timedelta(days=1)
        days.append(day)
        bounds.append(round(datetime.combine(day, time(), zone).timestamp() * 1000))
    return days, [*bounds, end]


def _seconds(points: Sequence[Point], bounds: Sequence[int]) -> list[int]:
    ran = [0] * (len(bounds) - 1)
    for (since, running), (until, _) in pairwise([*points, (bounds[-1], False)]):
        day = bisect_right(bounds, since) - 1
        while running and since < until and day < len(ran):
            upto = min(until, bounds[day + 1])
            ran[day] += upto - since
            since, day = upto, day + 1  # noqa: PLW2901 - the rest of it is of the next day
    return [round(each / 1000) for each in ran]


def parse_series(text: str) -> tuple[str, ...]:
    """Read names of series with commas between them; all of them where there is none.

    Raises:
        BadRequest: there is no such series.
    """
    wanted = [name for name in text.replace(" ", "").split(",") if name]
    for name in wanted:
        if name not in SERIES:
            raise BadRequest(
                f"fields may be {', '.join(SERIES)}, with commas between them, not {name[:40]!r}."
            )
    return tuple(dict.fromkeys(wanted)) or SERIES


def moment(text: str, zone: tzinfo) -> int:
    """Read ms since the epoch, or an ISO 8601 time, which is of `zone` where it names none; returns ms.

    Raises:
        BadRequest: it is neither.
    """
    try:
        if text.isdecimal():
            return int(text[: len("1795000000000") + 1])
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadRequest(
            f"from and to must be ms since the epoch, or ISO 8601 times (+ is %2B there), not {text[:40]!r}."
        ) from None
