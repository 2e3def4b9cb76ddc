"""What can go wrong between a thermostat and its server."""


class Unreadable(Exception):
    """What came is not HTTP/1.1 as the firmware reads it; the text says where."""


class Lost(Exception):
    """There was no connection, or it ended before the answer did."""


class Late(Lost):
    """A plain answer, or the headers of a chunked one, took longer than the device waits."""


class Trouble(Exception):
    """The server could not be reached, or did not answer with what was asked for."""
