"""Series over time, drawn with characters."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import cycle
from math import inf
from types import ModuleType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nled.ctl.errors import Failure

_TICKS = 5
# How times are told, by how many ms they span.
_FORMS = ((600_000, "%H:%M:%S"), (2 * 86_400_000, "%H:%M"), (inf, "%d %b"))
_LEAST_WIDTH = 40
# Columns of the numbers beside the canvas.
_AXIS = 10
# How each series is drawn, and how that looks.
_MARKERS = (("braille", "⢕"), ("hd", "▚"), ("▾", "▾"), ("▴", "▴"), ("•", "•"))


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

    Raises:
        Failure: what draws is not installed.
    """
    plotext = _plotext()
    figure = plotext.figure
    figure.clear()
    figure.theme("default" if colour else "colorless")
    legend = "   ".join(f"{shown} {name}" for name, (_, shown) in zip(series, cycle(_MARKERS), strict=False))
    # Of what does not fit, the library shows nothing.
    figure.plot_size(max(_LEAST_WIDTH, len(legend) + _AXIS, size[0] - 1), size[1])
    start = min(points[0][0] for points in series.values())
    until = max(until, *(points[-1][0] for points in series.values()), start + 1)
    for points, (marker, _) in zip(series.values(), cycle(_MARKERS), strict=False):
        figure.draw(figure.signal(*_steps(points, until), marker=marker).lines())
    # Above the canvas: the library's own legend lies on top of the lines, and counts on colours.
    figure.title(legend)
    ticks = [start + (until - start) * each / (_TICKS - 1) for each in range(_TICKS)]
    form = next(form for longest, form in _FORMS if until - start <= longest)
    zone = zone_of(time_zone)
    figure.ruler("x").ticks(ticks, [datetime.fromtimestamp(at / 1000, zone).strftime(form) for at in ticks])
    text = figure.build()
    return str(text) if colour else str(plotext.uncolorize(text))


def _plotext() -> ModuleType:
    try:
        import plotext  # noqa: PLC0415 - an extra, which times and lists do without
    except ImportError:
        raise Failure(
            "Plots need the package plotext: run `pip install '.[plot]'` in a checkout of nled, or ask for "
            "--csv or --json."
        ) from None
    module: ModuleType = plotext
    return module


def _steps(points: Sequence[tuple[int, float]], until: float) -> tuple[list[float], list[float]]:
    times: list[float] = []
    values: list[float] = []
    ends = [at for at, _ in points[1:]] + [until]
    for (at, value), end in zip(points, ends, strict=True):
        times += [at, end]
        values += [value, value]
    return times, values


def zone_of(name: str | None) -> tzinfo | None:
    """Find a time zone by its name; None, which is that of this machine, where it is unknown."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
