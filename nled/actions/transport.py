"""What a thermostat does on the transport: subscribe, PUT, and look up where its buckets stand."""

from collections.abc import Callable, Sequence

from attrs import define, frozen
from twisted.internet.defer import Deferred, TimeoutError  # noqa: A004 - Twisted's is another one
from twisted.logger import Logger

from nled.domain.buckets import is_foreign
from nled.domain.requests import Put, Subscribe
from nled.domain.wire import Receipt, Update
from nled.hub import Hub, Ticket, Wake
from nled.store.buckets import Buckets, Newer, Opened, Written
from nled.store.client import StoreUnavailable

# After a chunk, more may follow for this long; then the answer ends (PROTOCOL.md a.7.2).
BATCH_WINDOW = 3.0
# A change that could not be read because the store was away is tried again so often.
RETRY = 5.0
_log = Logger()


@define
class Poll:
    """One subscribe: what was newer at once, and what becomes newer while it is held.

    Close it in a `finally`.
    """

    updates: tuple[Update, ...]
    _serial: str
    _claims: dict[str, int]
    _ticket: Ticket
    _transport: "Transport"
    # Seconds, from when the store was last asked.
    _due: float | None = None
    _sent: bool = False

    async def next(self) -> tuple[Update, ...]:
        """Wait for the next chunk's worth of updates; empty when the answer is to end."""
        updates = await (self._soon() if self._sent else self._eventually())
        self._sent = True
        self._claims.update((each.receipt.key, each.receipt.timestamp) for each in updates)
        return updates

    async def _eventually(self) -> tuple[Update, ...]:
        """Wait as long as the hold lasts; what is due later, or the store could not tell, is asked again."""
        while await self._ticket.wait(self._due) in (Wake.CHANGED, Wake.QUIET):
            try:
                if updates := await self._newer():
                    return updates
            except StoreUnavailable:
                self._due = RETRY
        return ()

    async def _soon(self) -> tuple[Update, ...]:
        """Wait for the rest of a batch; the device waits for the end, and asks for all else itself."""
        waiting = Deferred.fromCoroutine(self._changed())
        try:
            return await waiting.addTimeout(BATCH_WINDOW, self._transport.hub.clock)
        except (StoreUnavailable, TimeoutError):
            return ()

    async def _changed(self) -> tuple[Update, ...]:
        while await self._ticket.wait() is Wake.CHANGED:
            if updates := await self._newer():
                return updates
        return ()

    async def _newer(self) -> tuple[Update, ...]:
        newer = await self._transport.reread(self._serial, self._claims)
        self._due = _seconds(newer.due)
        return newer.updates

    def close(self) -> None:
        """Let go of the poll, whether the device took the answer or has gone."""
        self._ticket.close()


@frozen
class Transport:
    """The transport's use cases; `sender` is the client address.

    Attributes:
        now: ms since the epoch.
    """

    buckets: Buckets
    hub: Hub
    now: Callable[[], int]

    async def subscribe(self, serial: str, request: Subscribe, sender: str = "") -> Poll:
        """Open a poll. The ticket comes first, so that no change is lost while the store is read.

        Raises:
            StoreUnavailable, Full.
        """
        listed = [entry for entry in request.listed if not is_foreign(entry.key, serial)]
        ticket = self.hub.open(serial)
        opened: Opened | None = None
        try:
            opened = await self.buckets.subscribe(serial, listed, self.now(), sender)
        finally:
            if opened is None:
                ticket.close()
        claims = dict(opened.baselines) | {str(entry.key): entry.timestamp for entry in listed}
        _report(serial, opened.updates)
        return Poll(opened.updates, serial, claims, ticket, self, _seconds(opened.due))

    async def reread(self, serial: str, claims: dict[str, int]) -> Newer:
        """Find what is newer than what a held poll has; raises StoreUnavailable."""
        newer = await self.buckets.reread(serial, claims, self.now())
        _report(serial, newer.updates)
        return newer

    async def put(self, serial: str, puts: Sequence[Put], sender: str = "") -> list[Receipt]:
        """Apply a PUT; one receipt per object, in order, also for what is refused.

        Raises:
            StoreUnavailable, Full.
        """
        own = [put for put in puts if not is_foreign(put.key, serial)]
        written = iter(await self.buckets.put(serial, own, self.now(), sender))
        receipts = []
        for put in puts:
            if is_foreign(put.key, serial):
                _log.warn("{serial} may not write {key}: another thermostat's.", serial=serial, key=put.key)
                receipts.append(Receipt(0, 0, str(put.key)))
            else:
                outcome = next(written)
                _explain(serial, outcome)
                receipts.append(outcome.receipt)
        return receipts

    async def metadata(self, serial: str, sender: str = "") -> tuple[Receipt, ...]:
        """List where a device's buckets stand; raises StoreUnavailable."""
        return await self.buckets.metadata(serial, self.now(), sender)


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _report(serial: str, updates: Sequence[Update]) -> None:
    for update in updates:
        _log.info(
            "{serial}: sent {key} revision {revision}: {fields}.",
            serial=serial,
            key=update.receipt.key,
            revision=update.receipt.revision,
            # Names only: a value may be a PIN's hash.
            fields=", ".join(update.values),
        )


def _explain(serial: str, written: Written) -> None:
    key = written.receipt.key
    if written.outcome == "full":
        _log.warn(
            "{serial}: {key} not stored, limits.device_bytes or buckets_per_device reached.",
            serial=serial,
            key=key,
        )
    elif written.outcome == "crowded":
        # That there are so many of them is told once, and not of each (actions/strangers.py).
        _log.debug("{serial}: {key} not stored, nobody keeps this device.", serial=serial, key=key)
    elif written.outcome == "refused":
        _log.debug("{serial} may not write {key}: it is the server's.", serial=serial, key=key)
