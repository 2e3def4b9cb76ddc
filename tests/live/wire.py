"""A connection to the daemon that shows every byte, and requests and answers as they are on the wire."""

import json
import select
import socket
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from attrs import frozen

SERIAL = "02AA01AB12345678"
# Nothing here takes this long; a busy machine may.
PATIENCE = 20.0


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
    """A blocking connection to a port or a unix socket. Every read raises TimeoutError after `PATIENCE`.

    Args:
        source: the address of loopback that it comes from.
    """

    def __init__(self, where: int | Path, source: str = "127.0.0.1") -> None:
        if isinstance(where, Path):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(str(where))
        else:
            self.socket = socket.create_connection(("127.0.0.1", where), PATIENCE, (source, 0))
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
