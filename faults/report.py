"""What came out, as one table."""

from collections import Counter

from attrs import define, field

from faults.run import Result, flat

# Memory that a daemon may take more after hours than after its first round of faults.
GROWTH = 8.0
# What a slope is worth: with fewer samples it is noise.
_SAMPLES = 20
_HEAD = ("fault", "times", "acknowledged", "lost", "longest outage", "RSS before, after", "store", "")
_MOST = 10


@define
class Report:
    """All results.

    Attributes:
        skipped: kinds that this machine cannot do, and why.
        memory: when the daemon that is never restarted had how much, after its first round of faults.
    """

    results: list[Result] = field(factory=list)
    skipped: dict[str, str] = field(factory=dict)
    memory: list[tuple[float, int]] = field(factory=list)

    @property
    def grown(self) -> str:
        """What is wrong with the memory, or an empty string."""
        if len(self.memory) < _SAMPLES:
            return ""
        growth, slope = flat(self.memory)
        if growth < GROWTH or slope < 0:
            return ""
        return f"the daemon grew by {growth:.1f} MiB, {slope:+.1f} MiB an hour"

    @property
    def failed(self) -> bool:
        """Whether anything was not as promised."""
        return any(result.problems for result in self.results) or bool(self.grown)


def line(result: Result, seconds: float) -> str:
    """One fault in one line, and its problems below it."""
    verdict = "as promised" if not result.problems else f"{len(result.problems)} problems"
    text = (
        f"{result.name} ({seconds:.1f} s): {result.acknowledged} acknowledged, {result.lost} lost, {verdict}"
    )
    return "\n".join((text, *(f"    {each}" for each in _problems(result))))


def table(report: Report) -> str:
    """Everything in one table, with the problems and the log's lines below it."""
    rows = [_HEAD, tuple("---" for _ in _HEAD)]
    names = list(dict.fromkeys(result.name for result in report.results))
    for name in names:
        of = [result for result in report.results if result.name == name]
        whole = [result for result in of if not result.broken] or of
        bad = sum(bool(result.problems) for result in of)
        rows.append(
            (
                name,
                str(len(of)),
                str(sum(result.acknowledged for result in of)),
                str(sum(result.lost for result in of)),
                f"{max(result.outage for result in of):.1f} s",
                f"{whole[0].before / 2**20:.1f}, {whole[-1].after / 2**20:.1f} MiB",
                f"{whole[-1].store / 2**20:.1f} MiB",
                f"{bad} FAILED" if bad else "as promised",
            )
        )
    rows += [(name, "0", *[""] * 5, f"skipped: {why}") for name, why in report.skipped.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines += ["", "What the log says:"]
    for name in names:
        said = next((result.line for result in report.results if result.name == name and result.line), "-")
        lines.append(f"  {name}: {said}")
    if report.memory:
        growth, slope = flat(report.memory)
        lines.append(f"Memory since the first round: {growth:+.1f} MiB, {slope:+.1f} MiB an hour.")
    for result in report.results:
        lines += [f"{result.name}: {each}" for each in _problems(result)]
    if report.grown:
        lines.append(report.grown)
    return "\n".join(lines)


def _problems(result: Result) -> list[str]:
    counted = Counter(result.problems).most_common(_MOST)
    return [f"{times} x {each}" if times > 1 else each for each, times in counted]
