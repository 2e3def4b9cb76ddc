"""Looking for thermostats: every address of the attached networks is asked, some at a time."""

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from twisted.logger import Logger

from nled.domain.errors import Unreachable
from nled.lan.networks import Attached
from nled.lan.settings_api import SettingsApi

# Networks beyond these are those of containers and tunnels, where no thermostat is.
MOST_NETWORKS = 4
_log = Logger()


@frozen
class Found:
    """A thermostat: its address, the network it is in, and where it looks for its server."""

    ip: IPv4Address
    network: Attached
    register_url: str


@define
class Scan:
    """One look through the networks; `found` and `probed` grow while it runs."""

    networks: Sequence[Attached]
    total: int
    running: bool = True
    probed: int = 0
    found: list[Found] = field(factory=list)


class Scanner:
    """Scans, one at a time.

    Attributes:
        last: the scan that runs, or else the last one.
    """

    def __init__(
        self, api: SettingsApi, networks: Callable[[], Sequence[Attached]], parallel: int = 32
    ) -> None:
        self.last = Scan((), 0, running=False)
        self._api = api
        self._networks = networks
        self._parallel = parallel
        self._work: Deferred[None] | None = None
        self._waiting: list[Deferred[None]] = []

    async def scan(self) -> Scan:
        """Look through the networks; who asks while a scan runs waits for that one.

        A waiter that goes away leaves the scan to the others.
        """
        if not self.last.running:
            networks = self._networks()[:MOST_NETWORKS]
            self.last = Scan(networks, sum(1 for _ in _addresses(networks)))
            self._work = Deferred.fromCoroutine(self._run(self.last))
            self._work.addErrback(lambda failure: _log.failure("A fault in nled", failure))
        scan, done = self.last, Deferred[None]()
        if scan.running:
            self._waiting.append(done)
            await done
        return scan

    async def stop(self) -> None:
        """End a scan that runs."""
        if self._work is not None:
            self.last.running = False
            # Nothing happens to one that has ended.
            self._work.cancel()

    async def _run(self, scan: Scan) -> None:
        addresses = _addresses(scan.networks)
        workers = [Deferred.fromCoroutine(self._probe(scan, addresses)) for _ in range(self._parallel)]
        try:
            await gatherResults(workers, consumeErrors=True)
        except FirstError as first:
            # To be stopped is no fault.
            first.subFailure.trap(CancelledError)
        finally:
            for worker in workers:
                worker.cancel()
            scan.running = False
            scan.found.sort(key=lambda each: each.ip)
            waiting, self._waiting = self._waiting, []
            for done in waiting:
                done.callback(None)

    async def _probe(self, scan: Scan, addresses: Iterator[tuple[Attached, IPv4Address]]) -> None:
        for network, ip in addresses:
            if not scan.running:
                return
            try:
                register_url = await self._api.register_url(ip)
            except Unreachable:
                register_url = None
            if register_url is not None:
                scan.found.append(Found(ip, network, register_url))
            scan.probed += 1


def _addresses(networks: Sequence[Attached]) -> Iterator[tuple[Attached, IPv4Address]]:
    for network in networks:
        for ip in network.scanned.hosts():
            if ip != network.address:
                yield network, ip
