"""Rooms: what the ids of places that a thermostat can be put at stand for (PROTOCOL.md f.6)."""

from collections.abc import Mapping

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
