"""The daemon as a real process."""

import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import yaml
from twisted.trial.unittest import TestCase

from tests.live.wire import PATIENCE, SERIAL, Answer, Wire

_TWISTD = "from twisted.scripts.twistd import run; run()"
_READY = re.compile(r"is ready: thermostats on \S+:(\d+), people on \S+:(\d+)\.")
# What in a log says that something went wrong in nled itself, whatever was done to it.
FAULTS = ("Traceback", "A fault in nled", "Unhandled")


def wait_until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Look again and again until the condition holds; returns what it gave."""
    end = time.monotonic() + patience
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:g} s in vain: {what}")
        time.sleep(0.01)
    return result


class LiveDaemon:
    """`twistd nled` in a process, on free ports of loopback, with a temporary state directory.

    Args:
        settings: sections of the configuration beside ports and state directory.
        state: a state directory of somebody else, which is left alone.
        ready: whether to wait until it answers; otherwise the caller looks after its end.
        first: Python statements to run in its process before anything else.
        environ: variables of its environment beside PATH.
    """

    device: int
    control: int

    def __init__(
        self,
        settings: dict[str, Any] | None = None,
        *,
        state: Path | None = None,
        ready: bool = True,
        first: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="nled-live-"))
        self.state = state or self.folder / "state"
        self.log_file = self.folder / "log"
        self._settings = settings or {}
        self._first = first
        self._environ = {"PATH": os.environ["PATH"], **(environ or {})}
        self.start(ready=ready)

    def start(self, *, ready: bool = True) -> None:
        """Start it, also again on the same state directory; its log then goes on."""
        config: dict[str, Any] = {"state_dir": str(self.state), **self._settings}
        for section in ("device", "control"):
            config[section] = {"host": "127.0.0.1", "port": 0, **self._settings.get(section, {})}
        file = self.folder / "nled.yaml"
        file.write_text(yaml.safe_dump(config))
        self._log_before = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    self._first + _TWISTD,
                    "-n",
                    "--pidfile=",
                    "nled",
                    "--config",
                    str(file),
                ],
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if ready:
            try:
                self._wait_until_ready()
            except BaseException:
                self.process.kill()
                self.process.wait()
                raise

    @property
    def log(self) -> str:
        """What it has logged since its last start."""
        return self.log_file.read_bytes()[self._log_before :].decode(errors="replace")

    @property
    def faults(self) -> list[str]:
        """The lines of its log that speak of a fault in nled."""
        return [line for line in self.log.splitlines() if any(fault in line for fault in FAULTS)]

    @property
    def store_pid(self) -> int:
        """The process id of its private store, its only child; waits until there is one."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        [pid] = wait_until(lambda: children.read_text().split(), "there is a store")
        return int(pid)

    @property
    def rss(self) -> int:
        """Its resident memory in bytes, without the store."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    @property
    def store_size(self) -> int:
        """How many keys its private store holds."""
        return int(self.ask_store("DBSIZE").strip(b":\r\n"))

    @property
    def store_memory(self) -> int:
        """How many bytes its private store has in use."""
        found = re.search(rb"used_memory:(\d+)", self.ask_store("INFO memory"))
        assert found
        return int(found[1])

    def kill_store(self) -> None:
        """End its private store at once, as by a crash, when it has handed what it acknowledged to the kernel.

        While the disk is busy the store answers up to two seconds before it does that, so nothing may come in
        between.
        """
        store = self.store_pid
        self.signal(signal.SIGSTOP)
        try:
            self.wait_for_writes()
            os.kill(store, signal.SIGKILL)
        finally:
            self.signal(signal.SIGCONT)

    def wait_for_writes(self) -> None:
        """Wait until its private store has handed all writes to the kernel, where a kill does not reach them."""
        wait_until(lambda: b"aof_buffer_length:0\r" in self.ask_store("INFO persistence"), "writes are out")

    def ask(
        self, method: str, path: str, body: Any = None, *, port: str = "device", **options: Any
    ) -> Answer:
        """Send one request on a connection of its own and read the whole answer."""
        with self.connect(port) as wire:
            return wire.ask(method, path, body, **options)

    def connect(self, port: str = "device", source: str = "127.0.0.1") -> Wire:
        """Open a connection to one of its ports from an address, or to its control socket."""
        return Wire(self.state / "control.sock" if port == "socket" else getattr(self, port), source)

    def control_ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        """Ask the control port as a person on this machine, or with an API key."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.ask(method, path, body, port="control", serial=None, headers=headers)

    def make_key(self, **about: Any) -> str:
        """Make an API key, as the administrator does."""
        body = {"name": "test", "scopes": ["read", "write"], **about}
        answer = self.ask("POST", "/api/keys", body, port="socket", serial=None)
        assert answer.status == 200, answer
        return answer.json["key"]

    def pair(self, serial: str, user: str) -> None:
        """Claim a device by the code on its screen."""
        code = self.ask("GET", "/nest/passphrase", serial=serial).json["value"]
        answer = self.control_ask("POST", "/api/register", {"code": code, "userId": user})
        assert answer.json["success"], answer

    def command(self, value: Any, serial: str = SERIAL) -> Answer:
        """Set a temperature on the control port."""
        body = {"serial": serial, "command": "set_temperature", "value": value}
        return self.ask("POST", "/command", body, port="control", serial=None)

    def put(self, kind: str, values: dict[str, Any], serial: str = SERIAL) -> dict[str, Any]:
        """Have a device write one of its buckets; returns the receipt."""
        answer = self.try_put(kind, values, serial)
        assert answer.status == 200, answer
        [receipt] = answer.json["objects"]
        return receipt

    def try_put(self, kind: str, values: dict[str, Any], serial: str = SERIAL) -> Answer:
        """Have a device try to write one of its buckets."""
        body = {"objects": [{"object_key": f"{kind}.{serial}", "value": values}]}
        return self.ask("POST", "/nest/transport/put", body, serial=serial)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """Wait for its end; returns its exit status."""
        return self.process.wait(patience)

    def stop(self) -> None:
        """End it as systemd would, and remove what it kept."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
            finally:
                shutil.rmtree(self.folder)
        else:
            shutil.rmtree(self.folder)

    def ask_store(self, command: str) -> bytes:
        """Send one inline command to its private store; returns the first bytes of the reply."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.state / "store" / "store.sock"))
            client.sendall(f"{command}\r\n".encode())
            return client.recv(65536)

    def _wait_until_ready(self) -> None:
        def ready() -> re.Match[str] | None:
            if self.process.poll() is not None:
                raise AssertionError(f"nled ended with status {self.process.returncode}:\n{self.log}")
            return _READY.search(self.log)

        self.device, self.control = map(int, wait_until(ready, "nled is ready").groups())
        assert self.ask("GET", "/nest/ping").status == 200


_shared: list[LiveDaemon] = []


def shared_daemon() -> LiveDaemon:
    """Give the one daemon of this run, for tests that do it no harm."""
    if not _shared:
        _shared.append(LiveDaemon({"pairing": {"claims_per_minute": 1000}}))
        atexit.register(_shared[0].stop)
    return _shared[0]


def serial_of(test: TestCase) -> str:
    """Make a serial of its own for each test, so that they do not see each other's buckets."""
    return f"02AA01AB{crc32(test.id().encode()):08X}"
