"""What `nledctl doctor` asks over the network: the daemon, and the URL that thermostats are given."""

import email.utils
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import IPv4Address, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from nled.config import Config
from nled.config.schema import Redis
from nled.ctl.client import Client
from nled.ctl.errors import Refused, Unreachable
from nled.ctl.finding import Finding, bad, doubtful, good
from nled.ctl.machine import own_address

_PATIENCE = 3.0
_MOST_ANSWER = 64 * 1024
# Seconds by which two clocks may differ: the answer took some of them.
_CLOCK_SKEW = 5.0
_UNAVAILABLE = 503
# A serial that no thermostat has; whoever sees it in a log knows whose it is.
_SERIAL = "00NLEDDOCTOR"
_BEAR_SILENCE = (
    "What stands in between must pass on each byte at once and bear silence (nginx: proxy_buffering off; "
    "proxy_read_timeout 360s. HAProxy: timeout server 360s); or make transport.suspend_time_max smaller."
)


def daemon(client: Client, config: Config | None) -> Iterator[Finding]:
    """Whether the daemon answers, and whether it has its store; without `config` it is on another machine."""
    try:
        client.get("/health", patience=_PATIENCE)
    except (Unreachable, Refused) as error:
        yield bad("daemon", error.message, "systemctl status nled, and journalctl -u nled, say more.")
        return
    yield good("daemon", f"nled answers at {client.place}.")
    # It says itself that its store is away, after the time that it gives that.
    deadline = Redis().deadline if config is None else config.redis.deadline
    try:
        stats = client.get("/api/stats", patience=deadline + _PATIENCE)
    except (Unreachable, Refused) as error:
        away = isinstance(error, Unreachable) or error.status == _UNAVAILABLE
        if not away:
            yield bad("daemon", error.message, "Use the unix socket, or a key that may read.")
            return
        cure = "See that Redis runs and that redis.url is right; nled goes on by itself then."
        if config is not None and config.redis.url is None:
            cure = (
                "See the lines with `store:` in the log (journalctl -u nled), and whether the disk is full."
            )
        yield bad("store", error.message, cure)
        return
    devices = stats["devices"]
    yield good(
        "store", f"It knows {devices['total']} thermostats, of which {devices['available']} are online."
    )


def troubles(client: Client) -> Iterator[Finding]:
    """What the daemon itself finds wrong; nothing where only an administrator may see that."""
    try:
        found = client.get("/api/troubles", patience=_PATIENCE)["troubles"]
    except (Refused, Unreachable):
        return
    for each in found:
        yield bad(each["what"], each["seen"], each["fix"])


def unseen() -> Finding:
    """Say what cannot be seen over the network: a row of good findings would pass for all there is."""
    return doubtful(
        "not looked at",
        "The settings, the permissions of files, the room on the disk, what sets the clock, the store's "
        "program and files, and the log cannot be seen from here.",
        "Run nledctl doctor on the machine of the daemon, as its user, without --url.",
    )


def advertised(origin: str, config: Config | None) -> Iterator[Finding]:
    """Whether a thermostat that is given `origin` gets here; without `config` nled is on another machine."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    name = "advertised URL"
    if config is not None and config.device.origin and urlsplit(config.device.origin).port is None:
        yield doubtful(
            name,
            f"device.origin, {config.device.origin}, has no port, so thermostats are given {origin}.",
            "Write the port into it: a thermostat that sleeps is only woken through an explicit one.",
        )
    if not _is_ipv4(host):
        yield doubtful(
            name,
            f"{host} is no IPv4 address.",
            "A thermostat can only be pointed to an address: set device.origin (API_ORIGIN) to one.",
        )
    if _is_loopback(host):
        yield bad(
            name,
            f"Thermostats are given {origin}, which is themselves.",
            "See that this machine is on a network, that device.host (SERVER_HOST) is not loopback, and that "
            "device.origin (API_ORIGIN), if it is set, has an address of this machine.",
        )
        return
    try:
        response, answer = _ask(parts, "/info")
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        yield bad(
            name,
            f"{origin} does not lead to nled ({reason}).",
            "Open the port in the firewall, see that device.host is not loopback, or correct device.origin "
            "(API_ORIGIN).",
        )
        return
    if answer.get("server") != "nolongerevil":
        yield bad(name, f"What answers at {origin} is not nled.", "Correct device.origin (API_ORIGIN).")
        return
    yield good(name, f"{origin} leads to nled.")
    if config is not None:
        yield _between(parts, response, config)


def held(origin: str, seconds: float, client: Client) -> Finding:
    """Hold a poll through the advertised URL for so long, as a thermostat does, and have it forgotten."""
    name = "held poll"
    body = msgspec.json.encode({"session": _SERIAL, "chunked": True, "objects": []})
    headers = {"X-NL-Device-Serial": _SERIAL, "Content-Type": "application/json"}
    connection = _connection(urlsplit(origin), _PATIENCE)
    with closing(connection):
        try:
            connection.request("POST", "/nest/transport", body, headers)
            response = connection.getresponse()
        except (OSError, HTTPException):
            return bad(name, f"No answer to a poll began within {_PATIENCE:g} s.", _BEAR_SILENCE)
        if response.status != 200:  # noqa: PLR2004 - what a poll is answered
            return bad(
                name, f"A poll was answered {response.status}.", "See journalctl -u nled; pairing.required?"
            )
        begun = time.monotonic()
        try:
            connection.sock.settimeout(seconds)
            while response.read(1):
                pass
        except TimeoutError:
            return good(name, f"A poll was held for {seconds:g} s.")
        except (OSError, HTTPException):
            return bad(name, f"A poll was cut off after {time.monotonic() - begun:.0f} s.", _BEAR_SILENCE)
        finally:
            # Unknown is what it is to be.
            with suppress(Refused, Unreachable):
                client.send("DELETE", "/api/device", body={"serial": _SERIAL})
    return good(name, f"A poll was held for {time.monotonic() - begun:.0f} s, until nled ended it.")


def clock_of(client: Client, now: float) -> Iterator[Finding]:
    """Whether a daemon elsewhere has the same time (`now` in s)."""
    try:
        told = client.listen("/health", {}, _PATIENCE).headers.get("Date", "")
        theirs = email.utils.parsedate_to_datetime(told).timestamp()
    except (Unreachable, Refused, ValueError):
        return
    off = abs(theirs - now)
    if off > _CLOCK_SKEW:
        yield doubtful(
            "clock", f"Its clock and this one differ by {off:.0f} s.", "Install chrony on both machines."
        )
    else:
        yield good("clock", "Its clock and this one agree.")


def _between(parts: SplitResult, response: HTTPResponse, config: Config) -> Finding:
    proxy = response.headers.get("Via") or response.headers.get("Server")
    if not proxy and own_address(parts.hostname or "") and parts.port == config.device.port:
        return good("proxy", "Nothing stands between thermostats and nled.")
    seconds = config.transport.suspend_time_max
    return doubtful(
        "proxy",
        f"{proxy or 'A proxy or a port mapping'} stands between thermostats and nled.",
        f"{_BEAR_SILENCE} `nledctl doctor --hold {seconds}` tries it.",
    )


def _ask(parts: SplitResult, path: str) -> tuple[HTTPResponse, dict[str, Any]]:
    with closing(_connection(parts, _PATIENCE)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        answer = msgspec.json.decode(response.read(_MOST_ANSWER))
    return response, answer if isinstance(answer, dict) else {}


def _connection(parts: SplitResult, patience: float) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme != "https":
        return HTTPConnection(host, parts.port, timeout=patience)
    # Whether a thermostat takes this certificate nobody here knows; this is about the way there.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(host, parts.port, timeout=patience, context=context)


def _is_loopback(host: str) -> bool:
    """Whether a name or an address leads whoever asks to themselves."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_ipv4(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv4Address)
    except ValueError:
        return False
