"""What `nledctl doctor` looks at on this machine: files, disk, clock, ports, the program of the store."""

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

from nled.config import Config
from nled.ctl.finding import Finding, bad, doubtful, good
from nled.ctl.settings import usual_file
from nled.store.binary import find
from nled.store.cutoff import pieces
from nled.store.errors import StartError

_MIB = 2**20
_LEAST_DISK, _SCARCE_DISK = 64 * _MIB, 512 * _MIB
# 2026-01-01: nled is younger than any clock that tells less.
_YOUNGEST = 1_767_225_600
_PATIENCE = 3.0


def permissions(config: Config, file: str | None) -> Iterator[Finding]:
    """Who may read and write what nled keeps secret."""
    name = "permissions"
    state = config.state_dir.absolute()
    there = _nearest(state)
    if not os.access(there, os.W_OK | os.X_OK):
        yield bad(
            name,
            f"The user of this shell may not write to {there}.",
            f"If nled runs as this user: chown {there}, or set state_dir. Else run doctor as nled's user.",
        )
    if _mode(state / "store") & stat.S_IRWXO:
        yield bad(
            name, f"{state / 'store'} is open to all users of this machine.", f"chmod o= {state / 'store'}"
        )
    secrets = [config.device.cert_dir / "privkey.pem"] if config.device.cert_dir else []
    used = file or usual_file()
    if used is not None and config.redis.url and urlsplit(config.redis.url).password:
        secrets.append(Path(used))
    for path in secrets:
        if _mode(path) & stat.S_IROTH:
            yield bad(
                name, f"All users of this machine can read {path}, which holds a secret.", f"chmod o= {path}"
            )
    place = config.control_socket
    if place is not None and _mode(place) & stat.S_IWOTH:
        yield bad(name, f"All users of this machine can use {place}.", f"chmod o= {place}")


def disk(config: Config) -> Finding:
    """Whether there is room for the state."""
    there = _nearest(config.state_dir.absolute())
    free = shutil.disk_usage(there).free
    seen = f"{free // _MIB} MiB are free at {there}."
    fix = "Free some space, or set state_dir to a larger disk; a full one loses what thermostats report."
    if free < _LEAST_DISK:
        return bad("disk", seen, fix)
    return doubtful("disk", seen, fix) if free < _SCARCE_DISK else good("disk", seen)


def clock(now: float) -> Finding:
    """Whether the clock is right (`now` in s), as far as this machine knows."""
    if now < _YOUNGEST:
        return bad(
            "clock", "The clock is years behind.", "Install chrony or systemd-timesyncd, then restart nled."
        )
    try:
        asked = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    if said.strip() == "no":
        return doubtful(
            "clock",
            "Nothing sets the clock of this machine.",
            "timedatectl set-ntp true, or install chrony: schedules, timers and expiries follow the clock.",
        )
    return good("clock", "The clock is synchronized." if said.strip() else "The clock tells a possible time.")


def ports(config: Config) -> Iterator[Finding]:
    """Whether a daemon that is not running could have its ports."""
    for name, host, port in (
        ("device", config.device.host, config.device.port),
        ("control", config.control.host, config.control.port),
    ):
        if port == 0:
            continue
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind((host, port))
        except OSError as error:
            yield bad(
                "ports",
                f"nled could not listen on {host} port {port}: {error.strerror}.",
                f"Stop what uses it (ss -ltnp 'sport = :{port}' names it), or change {name}.port.",
            )
        else:
            yield good("ports", f"{host} port {port} is free for nled.")


def store(config: Config) -> Finding:
    """Whether a daemon that is not running could have its store."""
    if config.redis.url is not None:
        return good("store", "It is what redis.url names; start nled, which says whether that answers.")
    try:
        return good("store", f"nled would run {find(config.redis.binary)}.")
    except StartError as error:
        return bad("store", str(error), "Then start nled.")


def repairs(config: Config) -> Iterator[Finding]:
    """What nled cut off a damaged file of its private store, as long as it is kept."""
    try:
        found = pieces(config.state_dir.absolute() / "store") if config.redis.url is None else []
    except OSError:
        # What may not be looked at is told of elsewhere.
        return
    for piece in found:
        fix = "See that the settings of that time are as they should be (nledctl devices), then remove it: "
        yield doubtful("store", str(piece), f"{fix}rm {quote(str(piece.path))}")


def own_address(host: str) -> bool:
    """Whether a name or address is this machine's; raises OSError where it cannot be looked up."""
    for family, _, _, _, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            try:
                trial.bind((address[0], 0))
            except OSError:
                continue
            return True
    return False


def _nearest(path: Path) -> Path:
    """The path, or what can be seen of it: the daemon makes the rest."""
    return next(each for each in (path, *path.parents) if _mode(each))


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0
