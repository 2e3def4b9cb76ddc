"""All kinds of faults. A new one is a class in a module here, and a name in `KINDS`."""

from faults.kind import Kind
from faults.kinds.clock import ClockStepped
from faults.kinds.crowds import SlowReaders, ThreeThousandPolls
from faults.kinds.descriptors import Descriptors, FailedSpawn
from faults.kinds.killed import DaemonKilled, DamagedFile, StoreKilled
from faults.kinds.store import DiskFull, MemoryFull, StoreHung

KINDS: tuple[type[Kind], ...] = (
    DaemonKilled,
    StoreKilled,
    StoreHung,
    MemoryFull,
    DiskFull,
    DamagedFile,
    FailedSpawn,
    Descriptors,
    ClockStepped,
    SlowReaders,
    ThreeThousandPolls,
)
