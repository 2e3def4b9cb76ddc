"""Replies of the server, parsed and decoded in C: the library does it element by element in Python."""

from typing import Any

import hiredis
import txredisapi


class Replies(txredisapi.RedisProtocol):
    """Takes replies as text.

    Attributes:
        undecodable: what becomes of bytes that are not UTF-8, as codecs call it. nled stores
            text only; a foreign value must not end the connection.
    """

    undecodable = "replace"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parser = hiredis.Reader(
            encoding="utf-8",
            errors=self.undecodable,
            protocolError=txredisapi.InvalidData,
            replyError=txredisapi.ResponseError,
        )

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the server."""
        self._parser.feed(data)
        while (reply := self._parser.gets()) is not False:
            self.replyReceived(reply)
