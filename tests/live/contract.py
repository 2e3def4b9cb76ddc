"""A daemon to try the API's description on: two thermostats, their owners, and an administrator's key."""

from random import Random
from typing import Any

from attrs import frozen

from nled.simulator.facts import Identity, boot
from tests.live.support import LiveDaemon
from tests.live.wire import Answer, Wire

OWNERS = {"02AA01AB01234567": "ann", "02AA01AB00000002": "bob"}
# Nobody without a key, no limits that many requests reach, and no network to scan.
SETTINGS = {
    "control": {"trusted_networks": []},
    "api": {"rate_limit": 0, "failures_per_minute": 1000},
    "pairing": {"claims_per_minute": 1000},
    "limits": {"devices": 100_000, "strangers_per_address": 0},
}
DETACHED = "import nled.lan.networks as networks; networks.attached = lambda: (); "


@frozen
class Household:
    """The thermostats of the daemon with these ports, seen with an administrator's key."""

    device: int
    control: int
    key: str

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask the control port, with the key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        with Wire(self.control) as wire:
            return wire.ask(method, path, body, serial=None, headers=headers)

    def settle(self) -> None:
        """See that the thermostats are there, belong to their owners, and are shared with each other's."""
        owners = {each["serial"]: each["owner"] for each in self.ask("GET", "/api/devices").json["devices"]}
        for serial, owner in OWNERS.items():
            if serial not in owners:
                self._introduce(serial)
            if owners.get(serial) is None:
                self._claim(serial)
            elif owners[serial] != owner:
                self.ask("POST", "/api/transfer", {"serial": serial, "userId": owner})
        for serial, other in zip(OWNERS, reversed(OWNERS.values()), strict=True):
            self.ask("POST", "/api/shares", {"serial": serial, "userId": other, "permission": "read"})

    def unlock(self) -> None:
        """Lift what limits the setpoints of the thermostats, which would fail most that is asked of them."""
        limits = ("temperature_lock", "upper_safety_temp_enabled", "lower_safety_temp_enabled")
        value = dict.fromkeys(limits, False)
        for serial in OWNERS:
            self.ask("POST", "/command", {"serial": serial, "command": "set_device_setting", "value": value})

    def invite(self) -> str:
        """Make an invite; returns its id."""
        serial = next(iter(OWNERS))
        answer = self.ask("POST", "/api/invites", {"serial": serial, "permission": "read"})
        assert answer.status == 200, answer
        identifier: str = answer.json["id"]
        return identifier

    def _introduce(self, serial: str) -> None:
        buckets = boot(Identity.of(serial), Random(serial))
        own = buckets["device"]
        # One that can do everything, so that no command fails for what it is about.
        buckets["device"] = {name: True if name.startswith("has_") else own[name] for name in own}
        buckets["device"] |= {"has_hot_water_temperature": True, "lower_safety_temp_enabled": False}
        objects = [{"object_key": f"{kind}.{serial}", "value": value} for kind, value in buckets.items()]
        with Wire(self.device) as wire:
            answer = wire.ask("POST", "/nest/transport/put", {"objects": objects}, serial=serial)
        assert answer.status == 200, answer

    def _claim(self, serial: str) -> None:
        with Wire(self.device) as wire:
            code = wire.ask("GET", "/nest/passphrase", serial=serial).json["value"]
        answer = self.ask("POST", "/api/register", {"code": code, "userId": OWNERS[serial]})
        assert answer.json["success"], answer


def household_daemon() -> tuple[LiveDaemon, Household]:
    """Start such a daemon."""
    daemon = LiveDaemon(SETTINGS, first=DETACHED)
    try:
        household = Household(
            daemon.device, daemon.control, daemon.make_key(scopes=["read", "write", "admin"])
        )
        household.settle()
    except BaseException:
        daemon.stop()
        raise
    return daemon, household
