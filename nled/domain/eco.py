"""Away and eco: which of the words that were said about it holds now (protocol n.3, b.6).

Several are kept. Ours is in the structure: `manual_eco_all`, with `manual_eco_timestamp` in seconds, and
`away`, by which the home goes to eco later. The device's is its `eco` object (or `eco_mode`, the same as a
text), with `mode_update_timestamp` in seconds, and `auto_away`, by which its sensor misses people.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from nled.domain.device import Bucket, Delivery, Device
from nled.domain.values import whole

EcoMode = Literal["schedule", "manual-eco", "auto-eco"]

# A device obeys `manual_eco_all` for this long after it was said (protocol h.5), in ms.
_OBEYED = 600_000
# The fields that `away_of` reads, by type of bucket.
AWAY: Final[Mapping[str, tuple[str, ...]]] = {
    "structure": ("manual_eco_all", "manual_eco_timestamp", "away"),
    "device": ("eco", "eco_mode", "auto_away"),
    "shared": ("auto_away",),
}
_MODES: Mapping[object, EcoMode] = {
    "schedule": "schedule",
    "manual-eco": "manual-eco",
    "auto-eco": "auto-eco",
}


def away_of(device: Device, now: int) -> tuple[bool, EcoMode]:
    """Return whether a home is away, and the eco mode of its device, as they are or are about to be.

    - Eco: our word holds while the device has not acknowledged it, and for as long as the device has not
      reported a later one; in the same second ours is the later. Else the device's, as where it missed ours.
    - Away: in eco of either kind; or the home's `away` says so; or the device's sensor does, unless we said
      within the last ten minutes, or the device has yet to hear, that somebody is at home.
    """
    home, own = device.home, device.device.values
    mode, changed = _reported(own)
    delivery = _delivery(home)
    said = None if delivery == "expired" else home.values.get("manual_eco_all")
    waiting = False
    if said is True or said is False:
        said_at = whole(home.values.get("manual_eco_timestamp"))
        waiting = delivery is not None
        if waiting or said_at >= changed:
            mode = "manual-eco" if said else "schedule"
        waiting = waiting or now - said_at * 1000 < _OBEYED
    away = mode != "schedule" or home.values.get("away") is True
    if not away and not (said is False and waiting):
        # Where the shared bucket has none it is in the device's (protocol b.6 no. 14).
        away = whole(device.shared.values.get("auto_away"), own.get("auto_away")) > 0
    return away, mode


def _delivery(home: Bucket) -> Delivery | None:
    """Say how far our word on eco has come; None once the device has it, or where there is none."""
    return next((each.delivery for each in home.pending if "manual_eco_all" in each.fields), None)


def _reported(own: Mapping[str, Any]) -> tuple[EcoMode, int]:
    eco = own.get("eco")
    if not isinstance(eco, dict):
        eco = own.get("eco_mode")
    if isinstance(eco, str):
        if eco in _MODES:
            return _MODES[eco], 0
        try:
            eco = msgspec.json.decode(eco)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return "schedule", 0
    if not isinstance(eco, dict) or not isinstance(eco.get("mode"), str):
        return "schedule", 0
    return _MODES.get(eco["mode"], "schedule"), whole(eco.get("mode_update_timestamp"))
