"""The daemon as a real process, and connections that show every byte."""

import atexit
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from zlib import crc32

import yaml
from attrs import frozen
from twisted.trial.unittest import TestCase

SERIAL = "02AA01AB12345678"
# Nothing here takes this long; a busy machine may.
PATIENCE = 20.0
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
    """

    device: int
    control: int

    def __init__(
        self, settings: dict[str, Any] | None = None, *, state: Path | None = None, ready: bool = True
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="nled-live-"))
        self.state = state or self.folder / "state"
        self.log_file = self.folder / "log"
        self._settings = settings or {}
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
                [sys.executable, "-c", _TWISTD, "-n", "--pidfile=", "nled", "--config", str(file)],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if ready:
            self._wait_until_ready()

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
        return int(self._ask_store("DBSIZE").strip(b":\r\n"))

    def kill_store(self) -> None:
        """End its private store at once, as by a crash, when it has handed what it acknowledged to the kernel."""
        wait_until(lambda: b"aof_buffer_length:0\r" in self._ask_store("INFO persistence"), "writes are out")
        os.kill(self.store_pid, signal.SIGKILL)

    def ask(
        self, method: str, path: str, body: Any = None, *, port: str = "device", **options: Any
    ) -> "Answer":
        """Send one request on a connection of its own and read the whole answer."""
        with self.connect(port) as wire:
            return wire.ask(method, path, body, **options)

    def connect(self, port: str = "device") -> "Wire":
        """Open a connection to one of its ports."""
        return Wire(getattr(self, port))

    def command(self, value: Any, serial: str = SERIAL) -> "Answer":
        """Set a temperature on the control port."""
        body = {"serial": serial, "command": "set_temperature", "value": value}
        return self.ask("POST", "/command", body, port="control", serial=None)

    def put(self, kind: str, values: dict[str, Any], serial: str = SERIAL) -> dict[str, Any]:
        """Have a device write one of its buckets; returns the receipt."""
        answer = self.try_put(kind, values, serial)
        assert answer.status == 200, answer
        [receipt] = answer.json["objects"]
        return receipt

    def try_put(self, kind: str, values: dict[str, Any], serial: str = SERIAL) -> "Answer":
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

    def _ask_store(self, command: str) -> bytes:
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


@frozen
class Answer:
    """A whole answer as it came: the head's lines, and the body out of its chunks if it had any."""

    head: bytes
    body: bytes = b""
    chunks: tuple[bytes, ...] = ()

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        """The header lines, names exactly as sent."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines)

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


class Closed(Exception):
    """The daemon has closed the connection; the text is what came before."""


def basic(serial: str = SERIAL, password: str = "password") -> str:
    """Write the credentials a thermostat sends."""
    return "Basic " + b64encode(f"d.{serial}.BC7C9039:{password}".encode()).decode()


def request(
    method: str,
    path: str,
    body: Any = None,
    *,
    serial: str | None = SERIAL,
    headers: dict[str, str] | None = None,
) -> bytes:
    """Write a request; a body that is not bytes becomes JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = {"Host": "127.0.0.1", **({"Authorization": basic(serial)} if serial else {}), **(headers or {})}
    if body is not None:
        lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), **lines}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape") + content


class Wire:
    """A blocking connection, as a device has one. Every read raises TimeoutError after `PATIENCE`."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def close(self) -> None:
        self.socket.close()

    def send_request(self, method: str, path: str, body: Any = None, **options: Any) -> None:
        """Send one request."""
        self.send(request(method, path, body, **options))

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """Send one request and read the whole answer."""
        self.send_request(method, path, body, **options)
        return self.answer(method)

    def subscribe(self, *listed: Any, serial: str = SERIAL, chunked: bool = True) -> Answer:
        """Send a subscribe and read the head of its answer; `listed` are (key, timestamp)."""
        objects = [
            {"object_key": key, "object_revision": 0, "object_timestamp": timestamp}
            for key, timestamp in listed
        ]
        body = {"chunked": chunked, "session": f"18B430ABCDEF{serial}", "objects": objects}
        self.send_request("POST", "/nest/transport", body, serial=serial)
        answer = Answer(self.head())
        assert answer.status == 200, answer
        return answer

    def answer(self, method: str = "") -> Answer:
        """Read one whole answer."""
        head = self.head()
        headers = {name.lower(): value for name, value in Answer(head).headers.items()}
        if method == "HEAD":
            return Answer(head)
        if headers.get("transfer-encoding") == "chunked":
            chunks = tuple(iter(self.chunk, b""))
            return Answer(head, b"".join(chunks), chunks)
        return Answer(head, self.exactly(int(headers["content-length"])))

    def head(self) -> bytes:
        """Read the head of an answer, without the empty line."""
        return self.until(b"\r\n\r\n")

    def chunk(self) -> bytes:
        """Read one chunk; the final one is empty."""
        size = int(self.until(b"\r\n"), 16)
        data = self.exactly(size)
        assert self.exactly(2) == b"\r\n"
        return data

    def until(self, mark: bytes) -> bytes:
        """Read up to a mark, which is dropped."""
        while mark not in self._buffer:
            self._more()
        data, self._buffer = self._buffer.split(mark, 1)
        return data

    def exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        while len(self._buffer) < size:
            self._more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def piece(self) -> bytes:
        """Read what comes next in one piece, empty at the end of the connection."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        return self.socket.recv(65536)

    def rest(self) -> bytes:
        """Read until the daemon closes the connection, by whichever means."""
        with suppress(ConnectionError):
            while data := self.socket.recv(65536):
                self._buffer += data
        data, self._buffer = self._buffer, b""
        return data

    def silent(self, seconds: float) -> bool:
        """Tell whether nothing comes for some time, not even the end of the connection."""
        return not self._buffer and not select.select([self], [], [], seconds)[0]

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise Closed(self._buffer)
        self._buffer += data
