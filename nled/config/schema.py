"""Every setting with its type, default, bounds and unit; `etc/nled.yaml` says why each exists.

A bound stands here and nowhere else: the reader checks it and words its refusal from it. A section that is
built by hand is not checked, so that a test can ask for values that an installation may not have.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

KIB = 1024
MIB = 1024 * KIB
TIB = MIB * MIB

# The state of all thermostats that nobody keeps may take up a quarter of the memory.
STRANGERS_SHARE = 4
# What a change in a history takes up; measured, as `etc/nled.yaml` has it.
POINT_BYTES = 32


# The kernel's room for the path of a unix socket, less the zero that ends it.
MOST_SOCKET_PATH = 107


def fits_socket(path: Path) -> bool:
    """Whether a unix socket can have this path."""
    return len(os.fsencode(path)) <= MOST_SOCKET_PATH


class Secret(str):
    """Text that may hold a password: a `str` like any other, except that its repr does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'(hidden)'"


def _range(low: float, high: float, note: str = "") -> Meta:
    """Inclusive bounds of a number; a refusal has the note, mostly a unit, in brackets."""
    return Meta(ge=low, le=high, extra={"note": note})


Port = Annotated[int, _range(0, 65535, "0 takes any free port")]


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """What all sections share."""


class Device(Section, frozen=True, kw_only=True):
    """The port that thermostats dial."""

    host: str = "0.0.0.0"  # noqa: S104 - a thermostat dials in from the network; this port exists for it
    port: Port = 8000
    origin: str | None = None
    """`http(s)://host[:port]` without a path: the base of every URL a thermostat is given."""
    tier: Literal["local", "hosted"] = "local"
    cert_dir: Path | None = None
    """Directory with `fullchain.pem` and `privkey.pem`, both readable when the settings were read."""
    trusted_proxies: tuple[str, ...] = ()


class Control(Section, frozen=True, kw_only=True):
    """The port for people, apps and home automation."""

    host: str = "127.0.0.1"
    port: Port = 8082
    socket: Path | None = None
    """None: see `Config.control_socket`, which is what to use."""
    trusted_networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    trusted_proxies: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """Names in lower case, without ports."""
    origins: tuple[str, ...] = ()
    """`scheme://host[:port]` in lower case, without a port that is the scheme's own."""


class Api(Section, frozen=True, kw_only=True):
    """What API keys may do, and who has none."""

    rate_limit: Annotated[int, _range(0, 1_000_000, "requests; 0 for no limit")] = 100
    failures_per_minute: Annotated[int, _range(1, 1000, "keys that are not valid, per client address")] = 10


class Redis(Section, frozen=True, kw_only=True):
    """Where the state is kept."""

    url: Secret | None = None
    """None: a private server in the state directory."""
    binary: str | None = None
    maxmemory_mb: Annotated[int, _range(32, 1_048_576, "MiB")] = 512
    least_free_mb: Annotated[int, _range(0, 1_048_576, "MiB of free disk; 0 for no such bound")] = 32
    deadline: Annotated[float, _range(0.1, 30, "seconds")] = 5.0


class Transport(Section, frozen=True, kw_only=True):
    """Long polls, and what a thermostat is told about them (protocol b.2)."""

    suspend_time_max: Annotated[int, _range(5, 350, "seconds")] = 300
    defer_device_window: Annotated[int, _range(0, 3599, "seconds")] = 15
    disable_defer_window: Annotated[int, _range(0, 3599, "seconds")] = 60
    subscriptions_per_device: Annotated[int, _range(1, 1000)] = 100

    @property
    def hold(self) -> float:
        """Seconds a poll is held: the end must reach the device before its own timer does."""
        return max(self.suspend_time_max - 10, self.suspend_time_max / 2)


class Pairing(Section, frozen=True, kw_only=True):
    """How a thermostat gets its owner."""

    required: bool = False
    entry_key_ttl: Annotated[
        int, _range(2100, 604800, "seconds; a thermostat refuses a code with less than 30 minutes left")
    ] = 3600
    pin_password: bool = False
    claims_per_minute: Annotated[int, _range(1, 1000, "claims per client address")] = 10


class Retention(Section, frozen=True, kw_only=True):
    """How long state outlives its use."""

    object_ttl_days: Annotated[int, _range(1, 3650, "days")] = 90
    momentary_minutes: Annotated[int, _range(1, 1440, "minutes")] = 30


class History(Section, frozen=True, kw_only=True):
    """What is kept of the past of each thermostat."""

    days: Annotated[int, _range(1, 3650, "days")] = 30
    points: Annotated[int, _range(100, 100_000, "changes of one thermostat")] = 20_000


class Home(Section, frozen=True, kw_only=True):
    """Where the thermostats are."""

    time_zone: str | None = None
    """A name that this machine knows; None: the machine's own zone."""


class Uploads(Section, frozen=True, kw_only=True):
    """The logs that thermostats upload."""

    store: bool = False
    dir: Path | None = None
    """None: see `Config.upload_dir`, which is what to use."""
    max_bytes: Annotated[int, _range(KIB, 64 * MIB, "bytes")] = MIB
    max_unpacked_bytes: Annotated[int, _range(KIB, 256 * MIB, "bytes")] = 8 * MIB
    device_quota_bytes: Annotated[int, _range(KIB, TIB, "bytes")] = 16 * MIB
    total_quota_bytes: Annotated[int, _range(KIB, TIB, "bytes")] = 256 * MIB


class Limits(Section, frozen=True, kw_only=True):
    """Bounds on what clients can make the daemon hold."""

    devices: Annotated[int, _range(1, 1_000_000)] = 500
    strangers_per_address: Annotated[int, _range(0, 1_000_000, "0 for any number")] | None = None
    """None: half of what `devices` leaves beside those that are kept."""
    buckets_per_device: Annotated[int, _range(16, 4096)] = 64
    device_bytes: Annotated[int, _range(64 * KIB, 64 * MIB, "bytes")] = 256 * KIB
    body_bytes: Annotated[int, _range(64 * KIB, 16 * MIB, "bytes")] = 256 * KIB
    connections: Annotated[int, _range(10, 1_000_000)] = 20_000


class Log(Section, frozen=True, kw_only=True):
    """What the daemon tells the journal."""

    level: Literal["debug", "info", "warn", "error"] = "info"


class Config(Section, frozen=True, kw_only=True):
    """All settings of one daemon.

    `warnings` is no setting: it has sentences about settings that were accepted but that the operator should
    hear of, for the daemon to log once logging works.
    """

    state_dir: Path = Path("var")
    device: Device = Device()
    control: Control = Control()
    api: Api = Api()
    redis: Redis = Redis()
    transport: Transport = Transport()
    pairing: Pairing = Pairing()
    retention: Retention = Retention()
    history: History = History()
    home: Home = Home()
    uploads: Uploads = Uploads()
    limits: Limits = Limits()
    log: Log = Log()
    warnings: tuple[str, ...] = ()

    @property
    def control_socket(self) -> Path | None:
        """The control port's unix socket; None where the state directory's path leaves no room for it."""
        socket = self.control.socket or self.state_dir / "control.sock"
        return socket if fits_socket(socket) else None

    @property
    def upload_dir(self) -> Path:
        """Where uploaded logs go when `uploads.store` is on."""
        return self.uploads.dir or self.state_dir / "device-logs"
