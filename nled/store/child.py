"""The private store: a Redis or Valkey server of our own on a unix socket, looked after."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from nled.store import directory as state
from nled.store.address import Address
from nled.store.binary import Choice, candidates
from nled.store.errors import StartError, code_of
from nled.store.process import ServerProcess, configuration, version_text
from nled.store.question import ask
from nled.store.repair import Repair, beyond_repair
from nled.store.room import free_at
from nled.store.version import Version
from nled.troubles import Troubles

_LOCK_PATIENCE: Final = 10.0
_VERSION_PATIENCE: Final = 10.0
# Since it was started, or answered last: it answers while it loads, too, if not at once.
_START_PATIENCE: Final = 30.0
_STOP_PATIENCE: Final = 10.0
_LOOK_EVERY: Final = 0.02
_LOADING_PAUSE: Final = 0.1
_FIRST_DELAY: Final = 0.1
_LAST_DELAY: Final = 5.0
# A server that lived so long after its first answer is sound; the next delay is the first one again.
_SETTLED: Final = 5.0
# The kernel's limit is 107 bytes.
_SOCKET_PATH_LIMIT: Final = 100
# The connection reports by this name, too: of two sentences for one cause the later, fuller one stands.
_TROUBLE: Final = "store"
# The disk of a server that can write again may be full once more a moment later.
_CALM: Final = 10.0


class PrivateServer:
    """Starts a server in a directory of ours, starts it again when it ends, and stops it.

    Nothing else can use the directory meanwhile, and the server does not outlive this process.

    Args:
        on_end: called with the reason if, by a fault in nled, the server is not looked after any more.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        directory: Path,
        *,
        troubles: Troubles,
        on_end: Callable[[Failure], None],
        binary: str | None = None,
        maxmemory: int = 256 * 2**20,
    ) -> None:
        self._reactor = reactor
        self._directory = directory.absolute()
        self._troubles = troubles
        self._on_end = on_end
        self._configured = binary
        self._maxmemory = maxmemory
        self._repair = Repair(reactor, self._directory)
        self._lock: int | None = None
        self._socket = self._directory / "store.sock"
        self._server: ServerProcess | None = None
        self._supervision: Deferred[None] | None = None
        self._renewal: Deferred[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the server, None while none runs."""
        return self._server.pid if self._server is not None else None

    async def start(self) -> Address:
        """Start the server, wait until it has loaded its data, and return where it is.

        Raises:
            StartError: It could not be started; nothing is left behind.
        """
        state.prepare(self._directory)
        try:
            self._lock = await self._locked()
            if len(os.fsencode(self._socket)) > _SOCKET_PATH_LIMIT:
                self._socket = Path(tempfile.mkdtemp(prefix="nled-")) / self._socket.name
            server = await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._supervision = Deferred.fromCoroutine(self._supervise(server))
        self._supervision.addErrback(self._supervision_ended)
        return Address(path=str(self._socket))

    async def stop(self) -> None:
        """Stop the server, wait for its end and give the directory free."""
        for task in (self._supervision, self._renewal):
            if task is not None:
                task.cancel()
        if self._server is not None and self._server.end is None:
            self._server.signal("TERM")
            last_resort = self._reactor.callLater(_STOP_PATIENCE, self._server.signal, "KILL")
            await self._server.when_ended()
            if last_resort.active():
                last_resort.cancel()
        if self._socket.parent != self._directory:
            shutil.rmtree(self._socket.parent, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
        self._supervision = self._renewal = self._server = self._lock = None

    async def _locked(self) -> int:
        end = self._reactor.seconds() + _LOCK_PATIENCE
        while (lock := state.try_lock(self._directory)) is None:
            # The server of a killed predecessor may still be closing its files.
            if self._reactor.seconds() > end:
                raise StartError(
                    f"Another nled uses the state directory {self._directory}; "
                    "stop it, or give this one a directory of its own."
                )
            await deferLater(self._reactor, _FIRST_DELAY)
        return lock

    async def _launch(self) -> ServerProcess:
        """Start a server and wait until it is ready, with all that can have changed since the last start.

        Raises:
            StartError: It could not be started, and none runs.
        """
        try:
            binary, version = await self._choose()
            if self._socket.parent != self._directory:
                # What is in /tmp may be swept away.
                state.prepare(self._socket.parent)
            await self._repair.before_start()
            try:
                server = await self._run(binary, version)
            except StartError:
                if not await self._repaired():
                    raise
                server = await self._run(binary, version)
        except OSError as error:
            raise StartError(f"The private store cannot be started: {error}.") from error
        self._log.info("The private store is {version} ({binary})", version=version, binary=str(binary))
        return server

    async def _choose(self) -> tuple[Path, Version]:
        choice, unfit = Choice(self._configured), None
        for binary in candidates(self._configured):
            said = await version_text(self._reactor, binary, _VERSION_PATIENCE)
            version = choice.take(binary, said)
            if version is None:
                continue
            try:
                state.check_version(self._directory, version)
            except StartError as error:
                # A redis-server that somebody installs for something else must not end nled's store.
                unfit = unfit or error
            else:
                return binary, version
        raise unfit or choice.failed()

    async def _run(self, binary: Path, version: Version) -> ServerProcess:
        assert self._lock is not None
        server = ServerProcess(
            configuration(self._socket, self._directory, self._maxmemory, version), self._disk_has_room
        )
        server.spawn(self._reactor, binary, self._lock)
        self._server = server
        try:
            await self._ready(server, binary)
            state.record_version(self._directory, version)
        except CancelledError:
            # Who stops all this stops the server as well.
            raise
        except BaseException:
            # Two of them in one directory would destroy it.
            if server.end is None:
                server.signal("KILL")
                await server.when_ended()
            raise
        return server

    async def _ready(self, server: ServerProcess, binary: Path) -> None:
        end = self._reactor.seconds() + _START_PATIENCE
        endpoint = UNIXClientEndpoint(self._reactor, str(self._socket))
        while server.end is None:
            pause = _LOOK_EVERY
            try:
                answer = await ask(self._reactor, endpoint, [("PING",)], _START_PATIENCE)
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001 - whatever it is, the process or the time decides
                if self._reactor.seconds() > end:
                    raise StartError(
                        f"The private store {binary} does not answer; see its log lines."
                    ) from None
            else:
                if code_of(str(answer)) != "LOADING":
                    return
                end = self._reactor.seconds() + _START_PATIENCE
                pause = _LOADING_PAUSE
            await deferLater(self._reactor, pause)
        said = server.last_line.rstrip(".")
        raise StartError(f"The private store {binary} ended at its start ({server.end}): {said}.")

    async def _repaired(self) -> bool:
        """Mend what the server could not load; False if that was not why it ended."""
        said = self._server.damage if self._server is not None else ""
        if not said:
            return False
        if not await self._repair.after_refusal():
            raise beyond_repair(self._directory, f"the server says: {said.rstrip('.')}")
        return True

    def _disk_has_room(self) -> None:
        if self._renewal is None:
            self._renewal = Deferred.fromCoroutine(self._renew())
            self._renewal.addErrback(self._renewal_ended)

    async def _renew(self) -> None:
        """Have the server write its file anew, from its memory, where everything is.

        A server whose disk was full leaves a file on which it may not start (see `gaps`).
        """
        size = free = 0
        while free <= size:
            await deferLater(self._reactor, _CALM)
            size = sum(each.stat().st_blocks * 512 for each in self._directory.glob("appendonlydir/*"))
            free = free_at(self._directory)
        endpoint = UNIXClientEndpoint(self._reactor, str(self._socket))
        answer = await ask(self._reactor, endpoint, [("BGREWRITEAOF",)], _START_PATIENCE)
        self._log.info("The disk was full, so the store writes its file anew: {answer}", answer=str(answer))
        self._renewal = None

    def _renewal_ended(self, failure: Failure) -> None:
        self._renewal = None
        if not failure.check(CancelledError):
            self._log.debug("The store's file was not written anew: {why}", why=failure.getErrorMessage())

    async def _supervise(self, server: ServerProcess) -> None:
        delay = _FIRST_DELAY
        while True:
            started = self._reactor.seconds()
            reason = await server.when_ended()
            if self._reactor.seconds() - started >= _SETTLED:
                delay = _FIRST_DELAY
            self._log.warn(
                "The private store ended ({reason}): {last_line}; starting it again in {delay:g} s",
                reason=reason,
                last_line=server.last_line,
                delay=delay,
            )
            failed = False
            while True:
                await deferLater(self._reactor, delay)
                delay = min(2 * delay, _LAST_DELAY)
                try:
                    server = await self._launch()
                except CancelledError:
                    raise
                except StartError as error:
                    failed = True
                    self._failed(str(error))
                except Exception as error:  # noqa: BLE001 - a store that stays down is worse than any fault
                    failed = True
                    self._log.failure("A fault in nled")
                    self._failed(f"The private store cannot be started: {type(error).__name__}.")
                else:
                    if failed:
                        self._troubles.clear(_TROUBLE)
                    break

    def _failed(self, why: str) -> None:
        self._troubles.report(
            _TROUBLE, why, f"nled tries again at least every {_LAST_DELAY:g} s and goes on once it can."
        )

    def _supervision_ended(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._on_end(failure)
