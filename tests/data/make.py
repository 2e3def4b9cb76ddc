"""Make data with the version of this checkout, for the tests of all later ones: `python -m tests.data.make`.

An installation in which much has happened is lived through at a real daemon. What is left of it goes into
`tests/data/VERSION`: `store.tar.gz`, the files of its private store; `export.jsonl.gz`, what `nledctl export`
wrote; `shown.json.gz`, all that it showed.

It lives nine years ahead of its time. Lifetimes in the store's files are counted by the server's own clock, so
they are made as long as they can be (ten years); and what ends at a given time, like an invite, has not ended for
the server either.
"""

import gzip
import json
import subprocess
import sys
import tarfile
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nled import __version__
from tests.data.shown import SETTINGS, clock, shown
from tests.live.support import LiveDaemon, wait_until

_YEARS = 9 * 365 * 86_400
_MINUTE = 60
SERIALS = tuple(f"02AA01AC0000010{number}" for number in range(8))
MAIN, SECOND, RESET, LOOSE, NEW, MOVED, LEFT, ODD = SERIALS
FORGOTTEN = "02AA01AC00000108"
PEOPLE = ("ann", "bob", "cat@example.org", "homeassistant", "dora")
SHARED = {
    "current_temperature": 20.5,
    "target_temperature": 20.0,
    "target_temperature_low": 18.0,
    "target_temperature_high": 24.0,
    "target_temperature_type": "heat",
    "target_change_pending": False,
    "hvac_heater_state": False,
    "hvac_ac_state": False,
    "hvac_fan_state": False,
    "can_heat": True,
    "can_cool": True,
    "auto_away": 0,
}
DEVICE = {
    "current_humidity": 41,
    "current_version": "5.9.4-5",
    "local_ip": "192.168.1.20",
    "mac_address": "18b430abcd01",
    "has_fan": True,
    "temperature_scale": "C",
    "away_temperature_low": 15.0,
    "away_temperature_low_enabled": True,
    "away_temperature_high": 28.0,
    "away_temperature_high_enabled": True,
    "eco": {"mode": "schedule", "mode_update_timestamp": 0, "touched_by": 1},
    "fan_timer_timeout": 0,
    "fan_timer_duration": 900,
    "battery_level": 3.91,
    "temperature_lock": False,
}
ODDITIES = {
    "rcs_settings": {
        "active_rcs_sensors": [],
        "rcs_control_setting": "OFF",
        "nested": {"a": [{"b": [[1, 2.5]]}]},
    },
    "tuneups": {"empty": {}, "none": None, "text": "", "list": [], "deep": [{}, [], {"x": []}]},
    "kryptonite": {"größe": "3 µm", "名前": "居間", "emoji": "🔥", "quoted": 'a "b" \\ c\n'},
    "gone": {"big": 2**60, "bigger": 2**80, "small": -0.0, "tiny": 1e-300, "float": 21.0, "exp": 1e22},
}
WEEK = {
    "ver": 2,
    "schedule_mode": "HEAT",
    "name": "Winter",
    "days": {
        str(day): [
            {"time": 21600, "type": "HEAT", "temp": 20.5, "entry_type": "setpoint"},
            {"time": 79200, "type": "HEAT", "temp": 17, "entry_type": "setpoint"},
        ]
        for day in range(7)
    },
}


class Life:
    """One installation and the people in it, from its first day."""

    def __init__(self, ahead: Path) -> None:
        self.ahead = ahead
        self.seconds = float(_YEARS)
        self.later(0)
        self.daemon = LiveDaemon(dict(SETTINGS), first=clock(ahead))
        self.keys: dict[str, str] = {}
        self.since = self.now

    @property
    def now(self) -> int:
        return int((time.time() + self.seconds) * 1000)

    def later(self, minutes: float) -> None:
        self.seconds += minutes * _MINUTE
        # In one step: the daemon looks all the time.
        fresh = self.ahead.with_suffix(".new")
        fresh.write_text(str(self.seconds))
        fresh.rename(self.ahead)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.daemon.ask(method, path, body, port="socket", serial=None)
        assert answer.status == 200, (method, path, body, answer)
        return answer.json

    def command(self, serial: str, command: str, value: Any = None) -> None:
        self.ask("POST", "/command", {"serial": serial, "command": command, "value": value})

    def enter(self, serial: str, *, reset: bool = False) -> None:
        form = {
            "reset": "TRUE" if reset else "FALSE",
            "mac": f"18B430ABCD{serial[-2:]}",
            "model": "Diamond-2.6",
            "software_version": "5.9.3-5",
            "wireless_reg_domain": "EU",
            "backplate_model": "Backplate-5.8",
        }
        text = "&".join(f"{name}={value}" for name, value in form.items()).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert self.daemon.ask("POST", "/nest/entry", text, serial=serial, headers=headers).status == 200

    def take(self, serial: str, *, everything: bool = True) -> None:
        """Have a device take what waits for it; with `everything`, and say that it has it."""
        with self.daemon.connect() as wire:
            wire.subscribe((f"shared.{serial}", 1), (f"device.{serial}", 1), serial=serial)
            told = json.loads(wire.chunk())["objects"]
        if everything:
            with self.daemon.connect() as wire:
                wire.subscribe(
                    *((each["object_key"], each["object_timestamp"]) for each in told), serial=serial
                )

    def key(self, name: str, *scopes: str, **about: Any) -> str:
        made = self.ask("POST", "/api/keys", {"name": name, "scopes": list(scopes), **about})
        self.keys[name] = made["key"]
        return made["id"]

    def begin(self) -> None:
        """Thermostats come and are claimed."""
        for serial in (*SERIALS, FORGOTTEN):
            self.enter(serial)
            self.daemon.ask("GET", "/nest/passphrase", serial=serial)
            if serial == NEW:
                continue
            self.daemon.put("device", {**DEVICE, "local_ip": f"192.168.1.{int(serial[-2:])}"}, serial)
            self.daemon.put("shared", {**SHARED, "name": f"Zimmer {serial[-1]} für alle"}, serial)
        owners = {MAIN: "ann", SECOND: "ann", RESET: "bob", MOVED: "bob", LEFT: "homeassistant", ODD: "ann"}
        for serial, user in owners.items():
            self.daemon.pair(serial, user)
            self.take(serial)
        self.daemon.put("schedule", WEEK, MAIN)
        for kind, values in ODDITIES.items():
            self.daemon.put(kind, values, ODD)
        self.daemon.put("where", {"wheres": [{"name": "Küche", "where_id": "0-0-0-1"}]}, ODD)

    def share(self) -> None:
        """People, shares, invites and keys of every kind."""
        self.ask("POST", "/api/ensure-user", {"userId": "cat@example.org", "email": "cat@example.org"})
        self.ask("POST", "/api/ensure-user", {"userId": "dora"})
        for user, permission in (("bob", "write"), ("cat@example.org", "admin"), ("dora", "read")):
            self.ask("POST", "/api/shares", {"serial": MAIN, "userId": user, "permission": permission})
        self.ask("POST", "/api/shares", {"serial": MOVED, "userId": "dora", "permission": "write"})
        self.ask("POST", "/api/transfer", {"serial": MOVED, "userId": "cat@example.org"})
        self.ask("DELETE", f"/api/registered-devices/{LEFT}?userId=homeassistant")
        invites = [
            self.ask("POST", "/api/invites", {"serial": SECOND, "permission": each, "hours": hours})
            for each, hours in (("read", 720), ("write", 720), ("admin", 720), ("read", 1))
        ]
        self.ask("POST", "/api/invites/accept", {"token": invites[0]["token"], "userId": "bob"})
        self.ask("DELETE", f"/api/invites/{invites[1]['id']}")
        self.key("everything", "read", "write", "admin")
        self.key("looks only", "read")
        self.key("sets only", "write")
        self.key("of ann", "read", "write", userId="ann", days=3650)
        self.key("of bob", "read", "write", userId="bob")
        self.key("for one", "read", "write", devices=[MAIN])
        self.key("of ann for one", "read", userId="ann", devices=[SECOND])
        self.key("for none any more", "read", devices=[FORGOTTEN])
        self.key("over", "read", "write", days=1)
        self.ask("DELETE", f"/api/keys/{self.key('revoked', 'read')}")
        self.ask("DELETE", "/api/device", {"serial": FORGOTTEN})
        for name in ("everything", "of ann", "for one"):
            assert self.daemon.control_ask("GET", "/api/v1/devices", key=self.keys[name]).status in (200, 403)
        # What only the settings pages of thermostats on a network could tell.
        records = [
            {"kind": "unit", "ip": "192.168.1.77", "url": "http://1.2.3.4:80/entry"},
            {"kind": "device", "serial": MAIN, "previous": "https://frontdoor.example/nest/entry"},
        ]
        self.ask("POST", "/api/import", {"records": records, "merge": True})

    def days(self) -> None:
        """Weather, heating, cooling, people who turn the dial, and some days of silence."""
        for step in range(90):
            # Close together at first: who is silent for longer than a poll is held counts as off.
            self.later(4 if step < 40 else 53)
            warm, heats = 18 + (step * 7 % 10) / 2, step % 3 == 0
            for serial in (MAIN, SECOND, LOOSE):
                cools = serial == SECOND and step % 5 == 0
                values = {"current_temperature": warm, "hvac_heater_state": heats, "hvac_ac_state": cools}
                self.daemon.put("shared", {**values, "hvac_fan_state": heats or cools}, serial)
            self.daemon.put("device", {"current_humidity": 35 + step % 13}, MAIN)
            if step == 10:
                self.command(MAIN, "set_temperature", 21.5)
                self.take(MAIN)
                self.command(SECOND, "set_mode", "heat-cool")
                self.take(SECOND)
            if step == 20:
                self.command(MAIN, "set_away", value=True)
                self.take(MAIN)
            if step == 25:
                self.command(MAIN, "set_away", value=False)
                self.take(MAIN)
        self.later(2 * 24 * 60)

    def end(self) -> None:
        """Leave writes on each stage of their way, and devices that are there, silent, or reset."""
        # These go stale: never taken, and taken but not acknowledged.
        self.command(SECOND, "set_temperature", {"low": 19, "high": 23})
        self.command(LOOSE, "set_temperature", 16.5)
        self.take(LOOSE, everything=False)
        self.later(45)
        self.daemon.put("shared", {"current_temperature": 19.5}, SECOND)
        self.command(LOOSE, "set_away", value=True)
        self.enter(RESET, reset=True)
        self.later(10)
        wait_until(lambda: f"{RESET}: silent" in self.daemon.log, "the sweep")
        self.daemon.put("shared", {"current_temperature": 20.25, "hvac_heater_state": True}, MAIN)
        self.daemon.put("shared", {"current_temperature": 22.75}, ODD)
        # Queued, pushed, and on top of each other.
        self.command(MAIN, "set_device_setting", {"temperature_scale": "F", "fan_duty_cycle": 600})
        self.command(
            MAIN, "set_lock", {"pin_hash": "kFRc/skLylZUKACup2bPzjQDUII=", "temp_min": 18, "temp_max": 24}
        )
        self.command(ODD, "set_temperature", 23.0)
        self.take(ODD, everything=False)
        self.command(ODD, "set_device_setting", {"temperature_scale": "F"})
        self.command(MAIN, "set_temperature", 19.5)
        self.command(SECOND, "set_schedule", {**WEEK, "name": "Sommer"})
        self.command(MAIN, "set_fan", 1800)


def main() -> None:
    """Live it, and keep what is left."""
    folder = Path(__file__).parent / __version__
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory() as place:
        ahead = Path(place) / "ahead"
        life = Life(ahead)
        with ExitStack() as stack:
            stack.callback(life.daemon.stop)
            life.begin()
            life.share()
            life.days()
            life.end()
            life.daemon.process.terminate()
            life.daemon.wait()
            with tarfile.open(folder / "store.tar.gz", "w:gz") as tar:
                for name in ("appendonlydir", "server-version"):
                    tar.add(life.daemon.state / "store" / name, name)
            moment = life.now
            life.daemon.start()
            export = Path(place) / "export.jsonl"
            statements = f"{clock(ahead)}\nfrom nled.ctl import main\nmain()"
            where = ("--socket", str(life.daemon.state / "control.sock"))
            subprocess.run([sys.executable, "-c", statements, *where, "export", str(export)], check=True)
            (folder / "export.jsonl.gz").write_bytes(gzip.compress(export.read_bytes(), mtime=0))
            about = {
                "serials": SERIALS,
                "people": PEOPLE,
                "keys": life.keys,
                "since": life.since,
                "until": moment,
            }
            seen = {"moment": moment, "about": about, "shown": shown(life.daemon, about)}
            text = json.dumps(seen, indent=1, ensure_ascii=False).encode()
            (folder / "shown.json.gz").write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    main()
