"""What a thermostat is called, and the places at which one can be (protocol f.6)."""

from collections.abc import Mapping

from nled.domain.device import Device
from nled.domain.values import text

_PREFIX = "00000000-0000-0000-0000-0001000000"

# By the last two hexadecimal digits of the id.
_ROOMS: Mapping[str, str] = {
    "00": "Entryway",
    "01": "Basement",
    "02": "Hallway",
    "03": "Den",
    "04": "Attic",
    "05": "Master Bedroom",
    "06": "Downstairs",
    "07": "Garage",
    "08": "Kids Room",
    "09": "Bathroom",
    "0a": "Kitchen",
    "0b": "Family Room",
    "0c": "Living Room",
    "0d": "Bedroom",
    "0e": "Office",
    "0f": "Upstairs",
    "10": "Dining Room",
    "11": "Backyard",
    "12": "Driveway",
    "13": "Front Yard",
    "14": "Outside",
    "15": "Guest House",
    "16": "Shed",
    "17": "Deck",
    "18": "Patio",
    "1a": "Guest Room",
    "1b": "Front Door",
    "1c": "Side Door",
    "1d": "Back Door",
}

# The fields that `name_of` reads, by type of bucket.
NAMING: Mapping[str, tuple[str, ...]] = {
    "shared": ("label", "name"),
    "device": ("where_id",),
    "where": ("wheres",),
}


def name_of(device: Device) -> str | None:
    """Return what a thermostat is called: by its people, else after its room; None if by neither."""
    shared, own = device.shared.values, device.device.values
    if given := text(shared.get("label"), shared.get("name")):
        return given
    for bucket in device.buckets.values():
        if bucket.key.kind == "where" and (found := room(own.get("where_id"), bucket.values.get("wheres"))):
            return found
    return room(own.get("where_id"))


def room(where_id: object, wheres: object = None) -> str | None:
    """Name the room of a `where_id`: one of `wheres`, the home's own list, else one all homes have.

    Either may be anything, as a device has stored it; None when there is no such room.
    """
    if not isinstance(where_id, str) or not where_id:
        return None
    for where in wheres if isinstance(wheres, list) else ():
        if isinstance(where, dict) and where.get("where_id") == where_id:
            name = where.get("name")
            if isinstance(name, str) and name:
                return name
    where_id = where_id.lower()
    return _ROOMS.get(where_id.removeprefix(_PREFIX)) if where_id.startswith(_PREFIX) else None
