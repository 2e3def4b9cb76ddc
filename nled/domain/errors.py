"""What can be wrong with a request, as values every edge can turn into its own kind of answer."""


class BadRequest(Exception):
    """The sender's mistake; the text is one sentence that says what, where and what to do."""


class NotKnown(Exception):
    """What the request names does not exist; the text is one sentence."""


class Refused(Exception):
    """The sender may not do this now; the text is one sentence."""


class TooLarge(Exception):
    """What was sent has more bytes than are taken; the text says how many it may have."""


class TooMany(Exception):
    """The sender tried too often; the text says when to come back."""


class Denied(Exception):
    """The sender is known, and this is not for them; the text is one sentence."""


class Conflict(Exception):
    """What is asked does not go with how things stand; the text says with what."""


class Full(Exception):
    """A limit of this installation is reached; the text names it."""


class Unreachable(Exception):
    """Another machine that this needs is not there, or is not what it should be; the text says which."""


class Silent(Unreachable):
    """Another machine took the connection and then did not answer in time."""
