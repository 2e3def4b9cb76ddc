"""Clients that are slow, and many at once."""

import socket
from contextlib import suppress

from twisted.internet.threads import deferToThread

from bench import requests
from bench.endpoints import Device
from bench.fleet import Fleet
from bench.load import BenchError, exchange
from faults.kind import Kind
from faults.world import World

_SLOW = (
    b"GE",
    b"POST /nest/transport/put HTTP/1.1\r\nX-nl-device-id: ",
    b"POST /nest/transport/put HTTP/1.1\r\nContent-Length: 100000\r\n\r\n",
)
_FLOOD = b"GET /api/devices HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
_EVENTS = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
_CROWD = 3000
_ROOM = 32 << 20


class SlowReaders(Kind):
    """Some send a byte a second, some read none of what they asked for, on both ports."""

    name = "slow-readers"
    refuses = False
    outage = 0.0

    async def inject(self, world: World) -> None:
        service = world.service
        before = service.rss
        slow = [(self._dial(service.device), begin) for begin in _SLOW for _ in range(20)]
        deaf = [self._dial(service.control) for _ in range(10)]
        self._all = [sock for sock, _ in slow] + deaf
        for sock, begin in slow:
            sock.send(begin)
        for number, sock in enumerate(deaf):
            sock.send(_EVENTS if number % 2 else _FLOOD)
        for _ in range(3):
            await world.traffic(1)
            await world.pause(1)
            for sock, _ in slow:
                self._send(sock, b" ")
            for sock in deaf[::2]:
                self._send(sock, _FLOOD)
        if service.rss - before > _ROOM:
            world.problems.append(f"they cost {(service.rss - before) >> 20} MiB")

    async def heal(self, world: World) -> None:
        for sock in self._all:
            sock.close()

    def _dial(self, port: int) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port), 5)
        sock.settimeout(0)
        return sock

    def _send(self, sock: socket.socket, data: bytes) -> None:
        # Who does not read is not heard any more, or was hung up on.
        with suppress(OSError):
            sock.send(data)


class ThreeThousandPolls(Kind):
    """3,000 thermostats come at once, hang up at once, and come again; each of some gets its own push."""

    name = "3000-polls"
    refuses = False
    outage = 0.0
    _turn = 0

    async def inject(self, world: World) -> None:
        ThreeThousandPolls._turn += 1
        try:
            await deferToThread(self._storm, world.service.device, world.service.control)
        except BenchError as error:
            world.problems.append(str(error))

    def _storm(self, device: int, control: int) -> None:
        nowhere = dict.fromkeys(requests.KINDS, (0, 0))
        crowd = [Device(each, dict(nowhere), "") for each in requests.identities(_CROWD)]
        fleet = Fleet(device, crowd)
        pushed: set[str] = set()
        fleet.pushed = lambda each: pushed.add(each.identity.serial)
        try:
            fleet.fill(_CROWD)
            for poll in fleet.polls:
                poll.close()
            fleet.fill(_CROWD)
            some = [each.identity for each in crowd[::100]]
            exchange(control, [requests.command(identity, self._turn) for identity in some], connections=4)
            for _ in range(100):
                fleet.settle(0.1)
                if pushed >= {identity.serial for identity in some}:
                    break
            else:
                raise BenchError(f"Of {len(some)} of them only {len(pushed)} got a push.")
        finally:
            fleet.loop.end()
