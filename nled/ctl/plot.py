"""Series over time, drawn with characters."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import plotext

_TICKS = 5
_DAYS = 2 * 86_400_000
_LEAST_WIDTH = 40


def plot(
    series: Mapping[str, Sequence[tuple[int, float]]],
    until: float,
    time_zone: str | None,
    size: tuple[int, int],
    *,
    colour: bool,
) -> str:
    """Draw series of change points: each value holds until the next.

    Args:
        series: at least one, none of them empty; times in ms.
        until: when the last values end, in ms.
        time_zone: by which times are told; None for that of this machine.
        size: columns and rows.
        colour: whether the terminal shows colours.
    """
    figure = plotext.figure
    figure.clear()
    figure.theme("default" if colour else "colorless")
    figure.plot_size(max(_LEAST_WIDTH, size[0] - 1), size[1])
    start = min(points[0][0] for points in series.values())
    until = max(until, *(points[-1][0] for points in series.values()), start + 1)
    for name, points in series.items():
        figure.draw(figure.signal(*_steps(points, until), marker="braille").lines().label(name))
    ticks = [start + (until - start) * each / (_TICKS - 1) for each in range(_TICKS)]
    form = "%H:%M" if until - start <= _DAYS else "%d %b"
    zone = _zone(time_zone)
    figure.ruler("x").ticks(ticks, [datetime.fromtimestamp(at / 1000, zone).strftime(form) for at in ticks])
    text = figure.build()
    return str(text) if colour else str(plotext.uncolorize(text))


def _steps(points: Sequence[tuple[int, float]], until: float) -> tuple[list[float], list[float]]:
    times: list[float] = []
    values: list[float] = []
    ends = [at for at, _ in points[1:]] + [until]
    for (at, value), end in zip(points, ends, strict=True):
        times += [at, end]
        values += [value, value]
    return times, values


def _zone(name: str | None) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
