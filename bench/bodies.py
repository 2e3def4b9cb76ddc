"""Large bodies: what they take while they are under way, and what stays when they are gone."""

import socket
import time
from dataclasses import dataclass

from bench import requests
from bench.load import HERE, exchange
from bench.servers import Daemon

# As many addresses take all the room there is, each its share.
_ADDRESSES = 4
_SHARE = 16 * 2**20
_SIZE = 256 * 2**10
_PIECE = 16 * 2**10
_COUNT = _SHARE // _SIZE
# Of those that are measured none is whole.
_HEAD = b"POST /nest/transport/put HTTP/1.1\r\nHost: nled\r\nContent-Length: %d\r\n\r\n" % _SIZE


@dataclass
class Bodies:
    """Growth of the daemon's resident memory, in bytes.

    Attributes:
        sent: bytes under way at a time.
        peak: with all under way, the most of all rounds.
        left: after the last round.
    """

    rounds: int
    sent: int
    peak: int
    left: int


def measure(core: int, store_core: int, rounds: int) -> Bodies:
    """Fill the room for bodies on a daemon of its own, let all go, and do so again."""
    with Daemon(core, store_core, settings="log: {level: warn}\n") as daemon:
        exchange(daemon.port, [requests.get(requests.identities(1)[0], "/nest/ping")] * 100)
        time.sleep(1)
        before, peak, sent = daemon.rss(), 0, 0
        for _ in range(rounds):
            clients = [_connect(daemon.port, number) for number in range(_ADDRESSES) for _ in range(_COUNT)]
            # Piece by piece of each in turn, as they grow in life.
            for _ in range(_SIZE // _PIECE - 1):
                for client in clients:
                    client.sendall(b" " * _PIECE)
            time.sleep(0.5)
            sent = len(clients) * (_SIZE - _PIECE)
            peak = max(peak, daemon.rss())
            for client in clients:
                client.close()
            time.sleep(3)
        return Bodies(rounds, sent, peak - before, daemon.rss() - before)


def _connect(port: int, number: int) -> socket.socket:
    client = socket.create_connection((HERE, port), timeout=10, source_address=(f"127.0.0.{number + 1}", 0))
    client.sendall(_HEAD)
    return client
