"""The unix socket of the control port: its file's mode says who is an administrator."""

import socket
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from nled.store.errors import StartError

# Owner and group; Twisted sets it between bind and listen, so that nobody gets in before.
_MODE = 0o660


async def listen(reactor: Any, path: Path, factory: IProtocolFactory) -> IListeningPort:
    """Serve on a unix socket, in place of one that a dead process left there.

    Raises:
        StartError: another process serves it, or the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_room(path)
        port: IListeningPort = await UNIXServerEndpoint(reactor, str(path), mode=_MODE).listen(factory)
    except (OSError, CannotListenError) as error:
        reason = error.socketError if isinstance(error, CannotListenError) else error
        told = getattr(reason, "strerror", None) or reason
        raise StartError(
            f"control.socket: {path} cannot be made ({told}): make room for it, or set another path."
        ) from None
    return port


def _make_room(path: Path) -> None:
    """Remove a socket that nobody listens on; any other file is left alone, and is in the way.

    Twisted's own way (`wantPID`) asks whether the process that made the socket lives, by its number. In a
    container that number is the same after each restart: a nled that was killed would wait for itself.
    """
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        # One that is too busy to take a connection now is not dead.
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
    raise StartError(
        f"control.socket: another nled serves {path}; stop it, or give this one a path of its own."
    )
