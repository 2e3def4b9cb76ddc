"""Strict thermostats in numbers: they boot, report, are held, and say which rules the server broke."""

import re
import subprocess
import sys
from dataclasses import dataclass

from bench.load import HERE, BenchError
from bench.servers import Daemon, pin, room_for

# A progress line of `nledctl simulate`, the last of which is the summary.
_SUMMARY = re.compile(r"([\d,]+) devices?: ([\d,]+) booted, ([\d,]+) held, .*?([\d,]+) complaints")


@dataclass
class Simulated:
    """What a fleet of simulated thermostats came to."""

    count: int
    booted: int
    held: int
    complaints: int
    seconds: float


def measure(core: int, load_core: int, store_core: int, count: int, seconds: float) -> Simulated:
    """Run `nledctl simulate` against a daemon of its own."""
    settings = room_for(count + 100)
    with Daemon(core, store_core, settings=settings) as daemon:
        command = [sys.executable, "-c", "from nled.ctl import main; main()", "simulate"]
        url = f"http://{HERE}:{daemon.port}"
        options = ["--url", url, "--count", str(count), "--seconds", str(seconds)]
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
            pin(process.pid, load_core)
            try:
                output, _ = process.communicate(timeout=10 * seconds)
            finally:
                process.kill()
    found = _SUMMARY.findall(output)
    if not found:
        raise BenchError(f"The simulator ended without a summary: {output[-300:]}")
    devices, booted, held, complaints = (int(number.replace(",", "")) for number in found[-1])
    return Simulated(devices, booted, held, complaints, seconds)
