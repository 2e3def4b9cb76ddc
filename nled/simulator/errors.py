"""What can go wrong between a thermostat and its server."""


class Unreadable(Exception):
    """What came is not HTTP/1.1 as the firmware reads it; the text says where."""


class Lost(Exception):
    """There was no connection, or it ended before the answer did."""


class Late(Lost):
    """The answer did not come, or not end, in the time the device gives it."""


class Trouble(Exception):
    """The server could not be reached, or did not answer with what was asked for."""
