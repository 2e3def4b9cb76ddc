"""One run of the server program: how it is configured, started, listened to and ended."""

import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet import defer
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from nled.store.version import Version

# Process id, role and time: the journal has its own.
_LINE: Final = re.compile(r"(?:\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ )?([-.*#] )?(.*)")


# What a server says when it cannot read what was written: a defect of a file, not of the machine. Of a
# damaged snapshot it says so first, and then much more.
_DAMAGE: Final = re.compile(
    r"reading the append only file|truncated file is not the last|loading DB|\bRDB\b", re.IGNORECASE
)
_SOLVED: Final = "AOF write error looks solved"
# Nobody reads more of a program that never ends its line.
_LONGEST_LINE: Final = 65_536


def configuration(socket: Path, directory: Path, maxmemory: int, version: Version) -> bytes:
    """Write the configuration of the private store, as the server reads it from its standard input."""
    # Of use when the file was damaged: how long ago the last sound entry was written.
    annotating = ("aof-timestamp-enabled yes",) if version.annotates else ()
    lines = (
        # No TCP: who may use the store is decided by the mode of the socket alone.
        "port 0",
        f"unixsocket {_quoted(socket)}",
        "unixsocketperm 700",
        f"dir {_quoted(directory)}",
        # At most the last second is lost when the power goes; the snapshots would be written besides.
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        # Cutting a damaged end off is nled's business, which keeps the piece and says so. The server would
        # take a damaged length for a short file, and drop all that stands behind it without a word.
        "aof-load-truncated no",
        *annotating,
        # A full store has to refuse writes: evicting would forget devices without a word.
        f"maxmemory {maxmemory}",
        "maxmemory-policy noeviction",
        # The default of 64 MB is much for the flash card of a gateway.
        "auto-aof-rewrite-min-size 16mb",
        # A few of the 60 to 250 fields of a bucket are read or written at a time. To search for them in a
        # list, as short hashes are kept, costs more than the 2 KB of memory are worth. It has a newer name,
        # too; servers of all versions know this one.
        "hash-max-ziplist-entries 16",
        "databases 1",
        "daemonize no",
        'logfile ""',
        "loglevel notice",
    )
    return "\n".join((*lines, "")).encode()


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        # Real-time signals have no names.
        return f"signal {number}"


class ServerProcess(ProcessProtocol):
    """A running server.

    Args:
        saves_again: called when it could not write to its file for a while, and can again.

    Attributes:
        end: How it ended, in words; None while it runs.
        last_line: What it said last.
        damage: What it said of files that it cannot read, "" where nothing.
    """

    transport: Any
    _log = Logger()

    def __init__(self, configuration: bytes, saves_again: Callable[[], None] = lambda: None) -> None:
        self.end: str | None = None
        self._waiters: list[Deferred[str]] = []
        self.last_line = self.damage = ""
        self._configuration = configuration
        self._saves_again = saves_again
        self._unfinished = b""

    def spawn(self, reactor: IReactorProcess, binary: Path, lock: int) -> None:
        """Start it; it keeps the descriptor `lock` open as long as it lives."""
        command = [str(binary), "-"]
        # Without this it would outlive a nled that was killed, and go on writing. Busybox's cannot do it.
        setpriv = shutil.which("setpriv")
        if setpriv and Path(setpriv).resolve().name != "busybox":
            command = [setpriv, "--pdeathsig", "TERM", *command]
        reactor.spawnProcess(self, command[0], command, env=None, childFDs={0: "w", 1: "r", 2: "r", 3: lock})

    @property
    def pid(self) -> int | None:
        """The process id, None once it has ended."""
        pid: int | None = self.transport.pid
        return pid

    def signal(self, name: str) -> None:
        """Send it a signal, unless it has ended."""
        try:
            self.transport.signalProcess(name)
        except ProcessExitedAlready:
            return

    def connectionMade(self) -> None:
        """Hand the configuration over."""
        self.transport.write(self._configuration)
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        """Pass what it logs on to our log."""
        *lines, rest = (self._unfinished + data).split(b"\n")
        self._unfinished = rest[:_LONGEST_LINE]
        for line in lines:
            self._pass_on(line.decode(errors="replace").strip())

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """Tell how it ended."""
        status: Any = reason.value
        killed = status.signal is not None
        self.end = _signal_name(status.signal) if killed else f"exit status {status.exitCode}"
        for waiter in self._waiters:
            waiter.callback(self.end)

    def when_ended(self) -> Deferred[str]:
        """Fire with `end` as soon as there is one."""
        if self.end is not None:
            return succeed(self.end)
        waiter: Deferred[str] = Deferred()
        self._waiters.append(waiter)
        return waiter

    def _pass_on(self, line: str) -> None:
        found = _LINE.fullmatch(line)
        if found and (text := found[2]):
            self.last_line = text
            # Only errors in the configuration come without a level.
            warning = found[1] in (None, "# ")
            if warning and _DAMAGE.search(text):
                self.damage = text
            log = self._log.warn if warning else self._log.info
            log("store: {text}", text=text)
            if _SOLVED in text:
                self._saves_again()


class _Question(ProcessProtocol):
    """A program that is run for what it prints."""

    def __init__(self) -> None:
        self.said = b""
        self.ended: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.said = (self.said + data)[:_LONGEST_LINE]

    def processEnded(self, _reason: Failure) -> None:
        self.ended.callback(None)


async def version_text(reactor: Any, binary: Path, patience: float) -> str:
    """Run a program with `--version` and return what it prints within `patience` seconds.

    Raises:
        OSError: It cannot be run.
    """
    question = _Question()
    clock: IReactorTime = reactor
    process = reactor.spawnProcess(question, str(binary), [str(binary), "--version"], env=None)
    try:
        await question.ended.addTimeout(patience, clock)
    except defer.TimeoutError:
        pass
    finally:
        # Not ended by itself: its time is over, or nobody waits for it any more.
        if process.pid is not None:
            process.signalProcess("KILL")
            process.loseConnection()
    return question.said.decode(errors="replace")
