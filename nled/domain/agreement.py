"""Since when the wall clock can be trusted: since it last disagreed with one that never steps."""

import re
from typing import Final, Self

from attrs import frozen

# For so long the clocks have to agree before anything is deleted for its age.
TRUSTED: Final = 86_400_000
# Looks are some seconds apart; chrony turns a clock by at most a tenth of that, and a leap second is one.
_TOLERANCE: Final = 2000
_SAVED: Final = re.compile("[0-9]{1,15}( [0-9]{1,15}){3}")


@frozen
class Sample:
    """What both clocks said at one moment, in ms."""

    wall: int
    steady: int


@frozen
class Agreement:
    """Both clocks went on at the same pace from `since` to `last`."""

    since: Sample
    last: Sample

    @classmethod
    def begun(cls, sample: Sample) -> Self:
        """Begin with the first look."""
        return cls(sample, sample)

    def step(self, sample: Sample) -> int:
        """Say by how many ms the wall clock was stepped since the last look, 0 if it was not."""
        step = (sample.wall - self.last.wall) - (sample.steady - self.last.steady)
        return step if abs(step) > _TOLERANCE else 0

    def then(self, sample: Sample) -> "Agreement":
        """Go on with the next look: with a step it begins anew."""
        return Agreement(sample if self.step(sample) else self.since, sample)

    def lasted(self, ms: int) -> bool:
        """Whether they have agreed for so long."""
        return self.last.steady - self.since.steady >= ms

    def saved(self) -> str:
        """Write it down for the next process."""
        return f"{self.since.wall} {self.since.steady} {self.last.wall} {self.last.steady}"

    @classmethod
    def recalled(cls, text: str | None, sample: Sample) -> Self:
        """Read what a process before this one wrote down, if it was of the same boot of the machine.

        The steady clock begins anew with each boot, and what the wall clock did meanwhile nobody has seen.
        """
        if text is None or not _SAVED.fullmatch(text):
            return cls.begun(sample)
        wall, steady, last_wall, last_steady = map(int, text.split())
        if sample.steady < last_steady:
            return cls.begun(sample)
        return cls(Sample(wall, steady), Sample(last_wall, last_steady))
