"""The floor: the least that a server on `twisted.web` does, `python -m bench.floor PORT SIZE [held]`.

It answers every request with SIZE bytes, or with a head alone after which nothing comes.
"""

import sys
from typing import Any

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site


class Bare(Resource):
    """The same answer for everything."""

    isLeaf = True

    def __init__(self, size: int, *, held: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._body = b"x" * size
        self._held = held

    def render(self, request: Any) -> Any:
        request.setHeader(b"content-type", b"application/json")
        if self._held:
            request.write(b"")
            return NOT_DONE_YET
        return self._body


class Quiet(Site):
    """Without the access log, which nled does not write either."""

    def log(self, _request: Any) -> None:
        pass


def main() -> None:
    port, size, *held = sys.argv[1:]
    quiet: Any = Quiet
    site = quiet(Bare(int(size), held=bool(held)), parsePOSTFormSubmission=False)
    anything: Any = reactor
    anything.listenTCP(int(port), site, backlog=4096, interface="127.0.0.1")
    anything.run()


if __name__ == "__main__":
    main()
