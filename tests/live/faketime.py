"""A wall clock that can be stepped for running processes, by libfaketime; the steady clock goes on as it is."""

import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest

from nled.store.binary import find

# Where Debian has it, by the architecture, and Fedora.
_PLACES = (
    "lib/*/faketime/libfaketime.so.1",
    "lib64/faketime/libfaketime.so.1",
    "lib/faketime/libfaketime.so.1",
)


class FakeClock:
    """The wall clock of all processes that are started with `environ`.

    Args:
        folder: where the file is that they read at each look at the clock.

    Raises:
        SkipTest: there is no libfaketime here, or the store hangs with it.
    """

    def __init__(self, folder: Path) -> None:
        found = [place for pattern in _PLACES for place in Path("/usr").glob(pattern)]
        if not found:
            raise SkipTest("libfaketime is not installed; on Debian: apt install faketime")
        self._file = folder / "faketime"
        self.ahead = 0
        self.step(0)
        self.environ = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # Of older versions the second one.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        try:
            subprocess.run(
                [find(), "--version"], env=self.environ, capture_output=True, timeout=2, check=False
            )
        except subprocess.TimeoutExpired:
            # Debian's Redis does: its jemalloc looks at the clock before libfaketime is ready.
            raise SkipTest("this store does not start with libfaketime") from None

    def step(self, ahead: int) -> None:
        """Let it be so many seconds ahead of the right time from now on."""
        self.ahead = ahead
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead:+d}\n")
        # In one piece: somebody reads it all the time.
        fresh.replace(self._file)
