"""What a kind of fault is: how it is made, how it ends, and what is promised meanwhile."""

from typing import ClassVar

from faults.world import World

# An answer in the midst of a batch of pushes ends when the store is found to be away.
CUT_SHORT = "the final chunk came"


class Kind:
    """One kind of fault; a subclass in `faults/kinds/` is all that a new kind takes.

    Attributes:
        name: what it is called in the table, and on the command line.
        world: which daemon it is done to; kinds that end the daemon have one apart, so that the memory of
            the other tells something.
        line: a regular expression for the one line of the log that says what happened and what to do;
            empty if nobody has to be told.
        lines: how many of it there are, where a fault is more than one thing.
        stands: whether nled goes on listing it as a trouble when the cause is gone, for somebody to look at.
        also: regular expressions for further warnings that belong to it.
        complaints: regular expressions for what thermostats may complain about.
        outage: the longest time, in seconds, for which nothing may be acknowledged to somebody.
        refuses: whether anything at all may be refused; a 503 or a lost connection is a failure otherwise.
        resets: whether a thermostat says meanwhile that it was reset to factory state.
        codes_end: whether the code on a screen may be another one after it.
        ends: whether the daemon ends.
    """

    name: ClassVar[str]
    world: ClassVar[str] = "steady"
    line: ClassVar[str] = ""
    lines: ClassVar[int] = 1
    stands: ClassVar[bool] = False
    also: ClassVar[tuple[str, ...]] = ()
    complaints: ClassVar[tuple[str, ...]] = ()
    outage: ClassVar[float] = 30.0
    refuses: ClassVar[bool] = True
    resets: ClassVar[bool] = False
    codes_end: ClassVar[bool] = False
    ends: ClassVar[bool] = False

    def missing(self) -> str:
        """Say what this machine lacks for it; empty if nothing."""
        return ""

    async def inject(self, world: World) -> None:
        """Make the fault, and return once it was felt."""
        raise NotImplementedError

    async def heal(self, world: World) -> None:
        """End its cause; nothing else may be done for nled."""


async def refused(world: World, count: int = 3) -> None:
    """Wait until so many things were refused."""
    goal = len(world.incidents) + count
    await world.until(lambda: len(world.incidents) >= goal, "the fault is felt")
