"""What an nled shows of the data it has: to people by its API, to apps by their keys, to thermostats on the wire.

The tool that makes a version's data and the test that gives them to later versions both look through here.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.live.support import LiveDaemon
from tests.live.wire import basic

# The daemon that makes data, and those that are given them, live at the time of the data: what ends by then
# has ended, and nothing has ended since.
_CLOCK = """
import pathlib, time
_real, _real_ns, _ahead = time.time, time.time_ns, pathlib.Path({file!r})
time.time = lambda: _real() + float(_ahead.read_text())
time.time_ns = lambda: _real_ns() + int(float(_ahead.read_text()) * 10**9)
"""
SETTINGS: Mapping[str, Any] = {
    "retention": {"object_ttl_days": 3650},
    "history": {"days": 3650},
    "home": {"time_zone": "Europe/Berlin"},
    "pairing": {"pin_password": True, "claims_per_minute": 1000},
    "api": {"rate_limit": 0, "failures_per_minute": 1000},
}


def clock(file: Path) -> str:
    """Write the statements that put a process's clock ahead by as many seconds as a file says."""
    return _CLOCK.format(file=str(file))


def shown(daemon: LiveDaemon, about: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for all there is to see; `about` names serials, people, keys and the time since when there is history."""
    serials: Sequence[str] = about["serials"]
    asked = ["/api/keys", "/api/people", "/api/devices"]
    for serial in serials:
        asked += [f"{path}?serial={serial}" for path in ("/status", "/api/schedule", "/api/shares")]
        asked.append(f"/api/history?serial={serial}&from={about['since']}&to={about['until']}")
    asked += [f"/api/registered-devices?userId={user}" for user in about["people"]]
    found: dict[str, Any] = {path: _answer(daemon, path) for path in asked}
    for name, key in about["keys"].items():
        listed = _answer(daemon, "/api/v1/devices", key)
        found[f"{name}: /api/v1/devices"] = listed
        for device in listed.get("devices", ()):
            path = f"/api/v1/thermostat/{device['id']}/status"
            found[f"{name}: {path}"] = _answer(daemon, path, key)
    # Last, since a thermostat that comes changes when it was seen, and what it is pushed counts as pushed.
    for serial in serials:
        found[f"{serial}: buckets"] = _on_the_wire(daemon, serial, "GET", f"/nest/transport/device/{serial}")
        found[f"{serial}: another password"] = daemon.ask(
            "GET",
            f"/nest/transport/device/{serial}",
            serial=None,
            headers={"Authorization": basic(serial, "another")},
        ).status
        listing = [{"object_key": f"{kind}.{serial}", "object_timestamp": 1} for kind in ("shared", "device")]
        body = {"session": serial, "chunked": False, "objects": listing}
        found[f"{serial}: is told"] = _on_the_wire(daemon, serial, "POST", "/nest/transport", body)
    return found


def _answer(daemon: LiveDaemon, path: str, key: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = daemon.ask("GET", path, port="control" if key else "socket", serial=None, headers=headers)
    return answer.json if answer.status == 200 else {"status": answer.status, **answer.json}


def _on_the_wire(daemon: LiveDaemon, serial: str, method: str, path: str, body: Any = None) -> Any:
    answer = daemon.ask(method, path, body, serial=serial)
    objects = json.loads(answer.body).get("objects", []) if answer.body else []
    return {"status": answer.status, "objects": {each.pop("object_key"): each for each in objects}}


def missing(expected: Any, actual: Any, where: str = "") -> list[str]:
    """List what of the expected is not there or is other than it was; a later version may well show more."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        gone = [f"{where}/{name}: is gone" for name in expected.keys() - actual.keys()]
        both = expected.keys() & actual.keys()
        return gone + [
            line for name in both for line in missing(expected[name], actual[name], f"{where}/{name}")
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [line for number, (was, now) in pairs for line in missing(was, now, f"{where}/{number}")]
    return (
        []
        if type(expected) is type(actual) and expected == actual
        else [f"{where}: {expected!r} is {actual!r} now"]
    )
