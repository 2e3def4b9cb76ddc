"""The private store: a Redis or Valkey server of our own on a unix socket, looked after."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutput
from twisted.logger import Logger
from twisted.python.failure import Failure

from nled.store import directory as state
from nled.store.address import Address
from nled.store.binary import Version, find
from nled.store.errors import StartError
from nled.store.process import ServerProcess, configuration
from nled.store.question import ask

_LOCK_PATIENCE: Final = 10.0
_START_PATIENCE: Final = 15.0
_STOP_PATIENCE: Final = 10.0
_LOOK_EVERY: Final = 0.02
_FIRST_DELAY: Final = 0.1
_LAST_DELAY: Final = 5.0
# A server that lived so long did start; the next delay is the first one again.
_SETTLED: Final = 60.0
# The kernel's limit is 107 bytes.
_SOCKET_PATH_LIMIT: Final = 100


class PrivateServer:
    """Starts a server in a directory of ours, starts it again when it ends, and stops it.

    Nothing else can use the directory meanwhile, and the server does not outlive this process.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, directory: Path, *, binary: str | None = None, maxmemory: int = 256 * 2**20
    ) -> None:
        self._reactor = reactor
        self._directory = directory.absolute()
        self._configured = binary
        self._maxmemory = maxmemory
        self._lock: int | None = None
        self._socket = self._directory / "store.sock"
        self._server: ServerProcess | None = None
        self._supervision: Deferred[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the server, None while none runs."""
        return self._server.pid if self._server is not None else None

    async def start(self) -> Address:
        """Start the server, wait until it answers, and return where it is.

        It may still be loading its data then.

        Raises:
            StartError: It could not be started; nothing is left behind.
        """
        binary = find(self._configured)
        version = await self._version_of(binary)
        state.prepare(self._directory)
        try:
            self._lock = await self._locked()
            state.check_version(self._directory, version)
            if len(os.fsencode(self._socket)) > _SOCKET_PATH_LIMIT:
                self._socket = Path(tempfile.mkdtemp(prefix="nled-")) / self._socket.name
            server = self._server = self._spawn(binary)
            await self._answering(server, binary)
            state.record_version(self._directory, version)
        except BaseException:
            await self.stop()
            raise
        self._log.info("The private store is {version} ({binary})", version=version, binary=str(binary))
        self._supervision = Deferred.fromCoroutine(self._supervise(server, binary))
        self._supervision.addErrback(self._supervision_ended)
        return Address(path=str(self._socket))

    async def stop(self) -> None:
        """Stop the server, wait for its end and give the directory free."""
        if self._supervision is not None:
            self._supervision.cancel()
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
        self._supervision = self._server = self._lock = None

    async def _version_of(self, binary: Path) -> Version:
        output = await getProcessOutput(
            str(binary), ["--version"], None, reactor=self._reactor, errortoo=True
        )
        version = Version.parse(output.decode(errors="replace"))
        if version is None:
            raise StartError(f"{binary} does not say that it is Redis or Valkey; correct redis.binary.")
        return version

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

    def _spawn(self, binary: Path) -> ServerProcess:
        server = ServerProcess(configuration(self._socket, self._directory, self._maxmemory))
        assert self._lock is not None
        server.spawn(self._reactor, binary, self._lock)
        return server

    async def _answering(self, server: ServerProcess, binary: Path) -> None:
        end = self._reactor.seconds() + _START_PATIENCE
        endpoint = UNIXClientEndpoint(self._reactor, str(self._socket))
        while server.end is None:
            try:
                # Any answer will do, LOADING too; it accepts before it has looked at its files.
                await ask(self._reactor, endpoint, [("PING",)], _START_PATIENCE)
            except Exception:  # noqa: BLE001 - whatever it is, the process or the time decides
                if self._reactor.seconds() > end:
                    raise StartError(
                        f"The private store {binary} does not answer; see its log lines."
                    ) from None
                await deferLater(self._reactor, _LOOK_EVERY)
            else:
                return
        raise StartError(f"The private store {binary} ended at its start ({server.end}): {server.last_line}")

    async def _supervise(self, server: ServerProcess, binary: Path) -> None:
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
            await deferLater(self._reactor, delay)
            delay = min(2 * delay, _LAST_DELAY)
            server = self._server = self._spawn(binary)

    def _supervision_ended(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log.failure("The private store is not looked after any more", failure)
