"""HTTP to the daemon, through its unix socket or at a URL: plain, synchronous, one connection per request."""

import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from attrs import field, frozen

from nled import __version__
from nled.ctl.errors import Failure, Refused, Unreachable

# Seconds of silence after which the daemon counts as away; its own call to the store ends after at most 30.
PATIENCE = 35.0
_MOST_ANSWER = 256 * 2**20
_MOST_SENTENCE = 500
_MOST_AGAIN = 3600.0

_ELSEWHERE = "name another place with --socket or --url"
_EXPLAINED = (
    (TimeoutError, "No answer from {place} in time: is a firewall in the way, or the machine overloaded?"),
    (PermissionError, "You may not use {place}: run nledctl as root or as the user of nled."),
    (FileNotFoundError, f"There is no socket at {{place}}: start nled, or {_ELSEWHERE}."),
    (ConnectionRefusedError, f"Nobody listens at {{place}}: start nled, or {_ELSEWHERE}."),
    (ssl.SSLError, "No TLS with {place} ({reason}): is its certificate good for that name?"),
    (HTTPException, f"What answers at {{place}} does not speak HTTP as nled does: {_ELSEWHERE}."),
)


class _UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@frozen
class Client:
    """Where the daemon is.

    Attributes:
        socket: the path of its unix socket; or
        url: where it answers over the network, with the path in front of its own, if any.
        key: the API key, which the socket does without.
    """

    socket: str | None = None
    url: str | None = None
    key: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """Where it is, as sentences name it."""
        return self.url or self.socket or ""

    def get(self, path: str, patience: float = PATIENCE, **query: str | None) -> Any:
        """Read something: `send` without a body."""
        return self.send("GET", path, query=query, patience=patience)

    def send(
        self,
        method: str,
        *path: str,
        body: object = None,
        query: Mapping[str, object] | None = None,
        patience: float = PATIENCE,
    ) -> Any:
        """Send a request and return the decoded answer.

        Args:
            method: of HTTP.
            path: its segments, of which those after the first are quoted.
            body: sent as JSON, None for none.
            query: what is None is left out.
            patience: seconds of silence to bear.

        Raises:
            Refused: the daemon says no; with its sentence.
            Unreachable: it is not there, or does not answer as nled does.
        """
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        with closing(self._connection(patience)) as connection:
            response = self._exchange(connection, method, _target(path, query), content, headers)
            try:
                text = response.read(_MOST_ANSWER)
            except (OSError, HTTPException) as error:
                raise Unreachable(f"The answer of {self.place} broke off ({_reason(error)}).") from None
            if response.length:
                raise Unreachable(
                    f"The answer of {self.place} broke off ({response.length} bytes before its end)."
                )
        return self._result(response, text)

    def listen(self, path: str, headers: Mapping[str, str], patience: float) -> HTTPResponse:
        """Open an answer that goes on; reading it raises OSError or HTTPException where it breaks off.

        Raises: as `send`.
        """
        connection = self._connection(patience)
        response = self._exchange(connection, "GET", path, None, headers)
        if response.status != 200:  # noqa: PLR2004 - nothing else goes on
            with closing(connection):
                self._result(response, response.read(_MOST_SENTENCE))
        return response

    def _connection(self, patience: float) -> HTTPConnection:
        if self.url is None:
            return _UnixConnection(self.socket or "", patience)
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=patience)

    def _exchange(
        self,
        connection: HTTPConnection,
        method: str,
        target: str,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> HTTPResponse:
        prefix = urlsplit(self.url).path.rstrip("/") if self.url else ""
        key = {"Authorization": f"Bearer {self.key}"} if self.url and self.key else {}
        common = {"User-Agent": f"nledctl/{__version__}", "Accept": "*/*", "Connection": "close"}
        try:
            connection.request(method, prefix + target, content, {**common, **key, **headers})
            return connection.getresponse()
        except (OSError, HTTPException) as error:
            connection.close()
            raise Unreachable(self._explained(error)) from None

    def _explained(self, error: Exception) -> str:
        for kind, sentence in _EXPLAINED:
            if isinstance(error, kind):
                return sentence.format(place=self.place, reason=_reason(error))
        return f"Cannot reach {self.place} ({_reason(error)}): {_ELSEWHERE}."

    def _result(self, response: HTTPResponse, text: bytes) -> Any:
        try:
            answer = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable(
                f"{self.place} answered {response.status} without JSON: is that the control port of nled?"
            ) from None
        said = answer if isinstance(answer, dict) else {}
        if response.status < 400 and said.get("success", True) is not False:  # noqa: PLR2004
            return answer
        sentence = str(said.get("message") or said.get("error") or f"The daemon answered {response.status}.")
        raise Refused(
            sentence[:_MOST_SENTENCE] + _advice(response, said),
            response.status,
            again=_again(response),
            key_of_thermostat=said.get("auth_required") is True,
        )


def check_url(text: str) -> str:
    """Return a URL of the control port that can be one.

    Raises:
        ValueError: with a sentence.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http://HOST:PORT or https://HOST:PORT")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must have no user, query or fragment; the key goes into NLED_KEY or --key-file")
    parts.port  # noqa: B018 - raises ValueError
    return text.rstrip("/")


def read_secret(path: str) -> str:
    """Read the first line of a file; raises Failure."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.readline(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"Cannot read {path}: {_reason(error)}.") from None


def _target(path: tuple[str, ...], query: Mapping[str, object] | None) -> str:
    first, *rest = path
    if "" in rest:
        raise Failure("A name, a serial or an id has at least one letter.")
    asked = urlencode({name: value for name, value in (query or {}).items() if value is not None})
    return "/".join([first, *(quote(each, safe="") for each in rest)]) + (f"?{asked}" if asked else "")


def _advice(response: HTTPResponse, said: Mapping[str, object]) -> str:
    if response.status == 401 and "auth_required" not in said:  # noqa: PLR2004
        return " Give an API key in NLED_KEY or with --key-file."
    if response.status == 429 and said.get("retryAfter"):  # noqa: PLR2004
        return f" Try again after {said['retryAfter']}."
    return ""


def _again(response: HTTPResponse) -> float:
    # A moment, as HTTP allows it, too, would need a clock that agrees.
    said = response.headers.get("Retry-After", "")
    return min(float(said), _MOST_AGAIN) if said.isascii() and said.isdecimal() else 0.0


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
