"""The processes that are measured: started, pinned to a core, looked at, and ended."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.load import HERE, BenchError

_ROOT = Path(__file__).parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 20.0


class Server:
    """A child process on a core of its own; leave its `with` block to end it.

    Attributes:
        pid: its id.
        port: where it listens.
    """

    def __init__(self, arguments: Sequence[str], port: int, core: int, environment: dict[str, str]) -> None:
        self.port = port
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - the child's as long as it lives
        # Its output would come between the lines of ours.
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
        )
        self.pid = self._process.pid
        pin(self.pid, core)

    def __enter__(self) -> Self:
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_ready(self) -> None:
        """Wait until the port is open."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                socket.create_connection((HERE, self.port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise BenchError(f"The server did not start: {self.said()}") from None
                time.sleep(0.02)
            else:
                return

    def said(self) -> str:
        """Return what it wrote, the end of it."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace")[-2000:]

    def stop(self) -> None:
        """End it, by force if it takes long."""
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.output.close()

    def cpu(self) -> float:
        """Return the seconds of processor time it has used, user and system."""
        return cpu_of(self.pid)

    def rss(self) -> int:
        """Return its resident memory in bytes."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))


class Floor(Server):
    """The bare `twisted.web` server with an answer of so many bytes, or one that is held."""

    def __init__(self, size: int, core: int, *, held: bool = False) -> None:
        port = free_port()
        arguments = ["-m", "bench.floor", str(port), str(size), *(["held"] if held else [])]
        super().__init__(arguments, port, core, _environment())


class Daemon(Server):
    """nled as a user starts it, with a state of its own that goes with it.

    Attributes:
        control: the control port.
        socket: of who administers it, which needs no key.
        store_socket: of its private store.
        store: process id of its private store.
    """

    def __init__(
        self, core: int, store_core: int, *, settings: str = "", profile: Path | None = None
    ) -> None:
        """Start it: with settings (YAML), or without any file of them as `make run` does."""
        self.control = free_port()
        self._store_core = store_core
        self._state = Path(tempfile.mkdtemp(prefix="nled-bench-"))
        self.socket = self._state / "control.sock"
        self.store_socket = self._state / "store" / "store.sock"
        self.store = 0
        port = free_port()
        environment = _environment() | {
            "NLED_STATE_DIR": str(self._state),
            "SERVER_HOST": HERE,
            "SERVER_PORT": str(port),
            "CONTROL_PORT": str(self.control),
        }
        twistd = ["-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile="]
        if profile is not None:
            twistd += ["--profile", str(profile), "--profiler", "cprofile", "--savestats"]
        arguments = [*twistd, "nled"]
        if settings:
            config = self._state / "nled.yaml"
            config.write_text(settings)
            arguments += ["--config", str(config)]
        super().__init__(arguments, port, core, environment)

    def wait_ready(self) -> None:
        """Wait until it listens; then its store is there, and moves to the store's core."""
        super().wait_ready()
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        if len(children) != 1 or not self.store_socket.exists():
            raise BenchError(f"The daemon has no private store: {self.said()}")
        self.store = int(children[0])
        pin(self.store, self._store_core)

    def stop(self) -> None:
        """End it, and its state."""
        super().stop()
        shutil.rmtree(self._state, ignore_errors=True)


def room_for(count: int) -> str:
    """Write settings with which so many thermostats that nobody owns may come from here."""
    limits = f"limits: {{devices: {count}, strangers_per_address: 0}}"
    return f"{limits}\nredis: {{maxmemory_mb: 8192}}\nlog: {{level: warn}}\n"


def pin(pid: int, core: int) -> None:
    """Keep all threads of a process on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def cpu_of(pid: int) -> float:
    """Return the seconds of processor time a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def store_round_trip(daemon: Daemon, core: int, seconds: float) -> str:
    """Run bench.store on the daemon's core against its store; returns what it prints."""
    arguments = [sys.executable, "-m", "bench.store", str(daemon.store_socket), str(seconds)]
    with subprocess.Popen(arguments, cwd=_ROOT, env=_environment(), stdout=subprocess.PIPE) as process:
        pin(process.pid, core)
        try:
            output, _ = process.communicate(timeout=_PATIENCE + 3 * seconds)
        finally:
            process.kill()
    if process.returncode:
        raise BenchError("The store's round trip could not be measured; see above.")
    return output.decode()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((HERE, 0))
        port: int = sock.getsockname()[1]
    return port


def _environment() -> dict[str, str]:
    # A setting of nled in the environment would win over the file.
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
