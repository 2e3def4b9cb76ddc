"""The daemon: settings in, and all its parts started and stopped in order."""

import resource
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from OpenSSL import SSL, crypto
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, wrapServerTLS
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.ssl import Certificate, CertificateOptions, KeyPair
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Site

from nled import __version__, local_socket
from nled.actions.feed import Feed
from nled.actions.notices import NoticeRouter
from nled.clocks import wall
from nled.config import Config
from nled.descriptors import Descriptors
from nled.domain.availability import window
from nled.ext.twisted import exit_as_failed
from nled.hub import Hub
from nled.store import schema
from nled.store.address import Address, parse
from nled.store.child import PrivateServer
from nled.store.client import Client
from nled.store.errors import Reason, StartError, StoreUnavailable
from nled.store.notices import Notices
from nled.store.room import Room
from nled.troubles import Troubles
from nled.wiring import wire

# A storm of thermostats after a power cut must not find the queue of the port full: with 1,024 of 5,000 fast
# arrivals some waited a second, until they tried again.
_BACKLOG = 4096
# The kernel makes it shorter without a word.
_MOST_BACKLOG = Path("/proc/sys/net/core/somaxconn")
# Milliseconds a chunk may stay unacknowledged before its connection counts as dead.
_UNACKNOWLEDGED = 30_000
_MIB = 2**20


class Daemon(Service):
    """Everything one process of nled runs.

    Attributes:
        device_port, control_port: the ports once started, for who asked for any free one.
    """

    device_port: IListeningPort
    control_port: IListeningPort
    _log = Logger()

    def __init__(self, reactor: Any, config: Config, now: Callable[[], int] = wall) -> None:
        self._reactor = reactor
        self._now = now
        self._config = config
        self._troubles = Troubles(now)
        self._started: list[tuple[str, Callable[[], Awaitable[object]]]] = []
        self._starting: Deferred[None] | None = None

    def startService(self) -> None:
        """Start; a part that cannot start ends the process with one sentence and status 1."""
        super().startService()  # type: ignore[no-untyped-call]
        self._starting = Deferred.fromCoroutine(self.start())
        self._starting.addErrback(self._give_up)

    def stopService(self) -> Deferred[None]:
        """Stop; fires when everything is down."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self.stop())

    async def start(self) -> None:
        """Start every part once the one below it is ready.

        Raises:
            StartError, StoreUnavailable: with one sentence that says what to do.
        """
        config = self._config
        for warning in config.warnings:
            self._log.warn("{warning}", warning=warning)
        _raise_file_limit()
        if (most := _longest_queue()) < _BACKLOG:
            self._log.warn(
                "The kernel lets only {most} connections wait at a port (net.core.somaxconn): when thousands "
                "of thermostats come at once, some wait for seconds. To allow more: "
                "sysctl -w net.core.somaxconn={backlog}, then restart nled.",
                most=most,
                backlog=_BACKLOG,
            )
        address = await self._store()
        client = await self._connect(address)
        await schema.check(client)
        client.examine = schema.greet

        hub = Hub(self._reactor, config.transport.hold, config.transport.subscriptions_per_device)

        feed = Feed(self._reactor)
        descriptors = Descriptors(self._reactor, self._troubles)
        sites = wire(
            self._reactor,
            self._now,
            config,
            client,
            hub,
            feed,
            troubles=self._troubles,
            room=descriptors.enough,
        )
        client.back = sites.store_is_back
        router = NoticeRouter(hub, feed, sites.forget, window(config.transport.hold))
        notices = Notices(
            self._reactor,
            address,
            client,
            self._now,
            heard=router.heard,
            missed=router.missed,
            broken=partial(self._report, "notices"),
        )
        self._started.append(("store notices", notices.stop))
        await notices.start()

        # Stopped between the ports, which then take no new polls, and the store, which answers need.
        self._started.append(("polls", hub.drain))
        self._started.append(("event streams", feed.stop))
        self._started.append(("network scan", sites.stop))
        self.control_port = await self._listen(
            "control", config.control.host, config.control.port, sites.control
        )
        self.device_port = await self._listen("device", config.device.host, config.device.port, sites.device)
        if config.control_socket is not None:
            port = await local_socket.listen(self._reactor, config.control_socket, sites.local)
            self._started.append(("control socket", partial(maybeDeferred, port.stopListening)))
        # The socket does not rest: the administrator has the last word.
        descriptors.start(self.control_port, self.device_port)
        self._started.append(("descriptors", descriptors.stop))
        self._started.append(("housekeeping", sites.housekeeping.stop))
        sites.housekeeping.start()
        self._log.info(
            "nled {version} is ready: thermostats on {device}, people on {control}.",
            version=__version__,
            device=_where(self.device_port),
            control=_where(self.control_port),
        )

    async def stop(self) -> None:
        """Stop what was started, the last first; the trouble of one part does not keep the others."""
        if self._starting is not None:
            self._starting.cancel()
            # What was half started is taken back before the rest.
            await self._starting
        while self._started:
            name, stop = self._started.pop()
            try:
                await stop()
            except Exception:  # noqa: BLE001 - whatever this was, the rest is to be stopped
                self._log.failure("Could not stop {name} cleanly", name=name)

    async def _store(self) -> Address:
        settings = self._config.redis
        if settings.url is not None:
            try:
                return parse(settings.url)
            except ValueError as error:
                raise StartError(f"redis.url: {error}") from None
        server = PrivateServer(
            self._reactor,
            self._config.state_dir / "store",
            troubles=self._troubles,
            on_end=self._store_lost,
            binary=settings.binary,
            maxmemory=settings.maxmemory_mb * _MIB,
        )
        address = await server.start()
        self._started.append(("private store", server.stop))
        return address

    async def _connect(self, address: Address) -> Client:
        """Connect to the store and, where it is ours, look after the room on its disk."""
        settings = self._config.redis
        changed = partial(self._report, "store")
        client = Client(self._reactor, address, deadline=settings.deadline, changed=changed)
        self._started.append(("store connection", client.stop))
        await client.start()
        if settings.url is None and settings.least_free_mb:
            folder = self._config.state_dir / "store"
            least, most = settings.least_free_mb * _MIB, settings.maxmemory_mb * _MIB
            room = Room(self._reactor, client, folder, least=least, most=most)
            room.start()
            self._started.append(("look at the disk", room.stop))
        return client

    async def _listen(self, name: str, host: str, port: int, site: Site) -> IListeningPort:
        kind = TCP6ServerEndpoint if ":" in host else TCP4ServerEndpoint
        endpoint: IStreamServerEndpoint = kind(self._reactor, port, interface=host, backlog=_BACKLOG)
        if name == "device" and self._config.device.cert_dir is not None:
            endpoint = wrapServerTLS(_certificate(self._config.device.cert_dir), endpoint)
        try:
            listening = await endpoint.listen(site)
        except CannotListenError as error:
            raise StartError(
                f"Cannot listen on {host} port {port} ({error.socketError}): stop what uses it, or change "
                f"{name}.host or {name}.port."
            ) from None
        self._started.append((f"{name} port", lambda: maybeDeferred(listening.stopListening)))
        # Connections inherit these. The kernel never probes an idle thermostat: it sleeps, does not answer,
        # and its healthy connection would be killed (protocol a.12 no. 1).
        sock = cast("Any", listening).socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, name != "device")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED)
        return listening

    def _report(self, what: str, reason: Reason | None) -> None:
        if reason is None:
            self._troubles.clear(what)
        else:
            self._troubles.report(what, reason.seen, reason.fix)

    def _give_up(self, failure: Failure) -> None:
        if not self.running:
            return
        if failure.check(StartError, StoreUnavailable):
            self._log.critical("{sentence}", sentence=failure.getErrorMessage())
        else:
            self._log.failure("nled could not start", failure)
        self._end_as_failed()

    def _store_lost(self, failure: Failure) -> None:
        if not self.running:
            return
        self._log.failure("A fault in nled: nothing looks after the private store; nled ends", failure)
        self._end_as_failed()

    def _end_as_failed(self) -> None:
        # The end of the reactor alone would look like success to systemd.
        exit_as_failed()
        # A start can fail before the reactor runs, when it cannot be stopped yet.
        self._reactor.callWhenRunning(self._reactor.stop)


def _raise_file_limit() -> None:
    """Allow as many connections as the system does; the usual 1024 would be few homes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _longest_queue() -> int:
    """How many connections the kernel lets wait at a port; enough where it does not say."""
    try:
        return int(_MOST_BACKLOG.read_text())
    except (OSError, ValueError):
        return _BACKLOG


def _certificate(folder: Path) -> CertificateOptions:
    begin = b"-----BEGIN "
    try:
        chain = (folder / "fullchain.pem").read_bytes().split(begin)[1:]
        first, *rest = (Certificate.loadPEM(begin + each).original for each in chain)
        key = KeyPair.load((folder / "privkey.pem").read_bytes(), crypto.FILETYPE_PEM).original
        options = CertificateOptions(privateKey=key, certificate=first, extraCertChain=rest)
        # Made now, so that a key that is not this certificate's shows now.
        options.getContext()
    except (OSError, ValueError, crypto.Error, SSL.Error) as error:
        raise StartError(
            f"device.cert_dir: fullchain.pem and privkey.pem in {folder} are no certificate and its key "
            f"({type(error).__name__}); correct them."
        ) from None
    return options


def _where(port: IListeningPort) -> str:
    address: Any = port.getHost()
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"
