"""What a thermostat does on the transport: subscribe, PUT, and look up where its buckets stand."""

from collections.abc import Callable, Iterator, Sequence

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, TimeoutError  # noqa: A004 - Twisted's is another one
from twisted.logger import Logger
from twisted.python.failure import Failure

from nled.domain.buckets import is_foreign
from nled.domain.errors import Full
from nled.domain.requests import Listed, Put, Subscribe
from nled.domain.wire import Receipt, Update
from nled.hub import Hub, Ticket, Wake
from nled.store.buckets import Buckets, Newer, Written
from nled.store.client import StoreRefused, StoreUnavailable

# After a chunk, more may follow for this long; then the answer ends (protocol a.7.2).
BATCH_WINDOW = 3.0
# However much follows: the device has to ask anew for what it did not take.
LONGEST_BATCH = 10.0
# A change that could not be read because the store was away is tried again so often.
RETRY = 5.0
# Devices of which it is kept what was pushed while the store was away.
_MOST_UNNOTED = 1000
_log = Logger()


@define
class Poll:
    """One subscribe: what was newer at once, and what becomes newer while it is held.

    Say what was `written`, and close it in a `finally`.

    Attributes:
        opened: when it was opened (ms).
    """

    updates: tuple[Update, ...]
    opened: int
    _serial: str
    # Where the device stands: what it lists, and what it was sent since.
    _claims: dict[str, int]
    _ticket: Ticket
    _transport: "Transport"
    # Seconds, from when the store was last asked.
    _due: float | None = None
    # When the answer ends at the latest, once something was sent; and which writes of which fields were.
    _end: float | None = None
    _sent: dict[tuple[str, str], tuple[str, int]] = field(factory=dict)
    # What the store has yet to be told, as it took no writes, and the client address; None once it was.
    _unasked: tuple[list[Listed], str] | None = None

    async def next(self) -> tuple[Update, ...]:
        """Wait for the next chunk's worth of updates; empty when the answer is to end."""
        if self._end is None:
            return await self._eventually()
        return await self._soon(self._end - self._transport.hub.clock.seconds())

    def written(self, updates: tuple[Update, ...]) -> None:
        """Note that updates were written to the device's socket."""
        if not updates:
            return
        hub = self._transport.hub
        if self._end is None:
            self._end = hub.clock.seconds() + LONGEST_BATCH
        # The end of the hold does not cut a batch short.
        hub.renew(self._ticket)
        for update in updates:
            key = update.receipt.key
            self._claims[key] = update.receipt.timestamp
            self._sent.update(((key, name), write) for name, write in _writes(update))
        self._transport.pushed(self._serial, updates, self.opened)

    async def _eventually(self) -> tuple[Update, ...]:
        """Wait as long as the hold lasts; what is due later, or the store could not tell, is asked again."""
        while await self._ticket.wait(self._due) in (Wake.CHANGED, Wake.QUIET):
            try:
                if updates := await self._newer():
                    return updates
            except StoreUnavailable:
                self._due = RETRY
            except Full:
                # Nobody had met it while the store took no writes, and there is no room for it.
                break
        return ()

    async def _soon(self, left: float) -> tuple[Update, ...]:
        """Wait for the rest of a batch; the device waits for the end, and asks for all else itself."""
        if left <= 0:
            return ()
        waiting = Deferred.fromCoroutine(self._changed())
        try:
            return await waiting.addTimeout(min(BATCH_WINDOW, left), self._transport.hub.clock)
        except (StoreUnavailable, TimeoutError):
            return ()

    async def _changed(self) -> tuple[Update, ...]:
        while await self._ticket.wait() is Wake.CHANGED:
            if updates := await self._newer():
                return updates
        return ()

    async def _newer(self) -> tuple[Update, ...]:
        transport = self._transport
        if self._unasked is not None:
            self.opened = transport.now()
            newer = await transport.ask(self._serial, self._unasked[0], self.opened, self._unasked[1])
            self._unasked = None
        else:
            newer = await transport.reread(self._serial, self._claims, self.opened)
        self._due = _seconds(newer.due)
        return tuple(filter(self._is_news, newer.updates))

    def _is_news(self, update: Update) -> bool:
        """Whether there is a write in it that this answer has not sent.

        A PUT moves what the device has not acknowledged up behind its receipt, to a new timestamp: that alone
        is no news. It goes along with what is, though, or it would count as taken with that.
        """
        key = update.receipt.key
        return any(self._sent.get((key, name)) != write for name, write in _writes(update))

    def close(self) -> None:
        """Let go of the poll, whether the device took the answer or has gone."""
        self._ticket.close()


def _writes(update: Update) -> Iterator[tuple[str, tuple[str, int]]]:
    """Name each field with what tells one write of it from another, for as long as an answer lasts."""
    return ((name, (text, update.written.get(name, 0))) for name, text in update.values.items())


@frozen
class Transport:
    """The transport's use cases; `sender` is the client address.

    Attributes:
        now: ms since the epoch.
    """

    buckets: Buckets
    hub: Hub
    now: Callable[[], int]
    # What was pushed while the store was away, and when the poll was opened, by serial.
    _unnoted: dict[str, list[tuple[tuple[Update, ...], int]]] = field(factory=dict)

    async def subscribe(self, serial: str, request: Subscribe, sender: str = "") -> Poll:
        """Open a poll. The ticket comes first, so that no change is lost while the store is read.

        Where the store takes no writes, a poll with nothing to store is held, and asked for again and again:
        a thermostat that is refused tries again, and empties its battery.

        Raises:
            StoreUnavailable, Full.
        """
        listed = [entry for entry in request.listed if not is_foreign(entry.key, serial)]
        ticket = self.hub.open(serial)
        claims = {str(entry.key): entry.timestamp for entry in listed}
        opened = self.now()
        poll: Poll | None = None
        try:
            newer = await self.ask(serial, listed, opened, sender)
            poll = Poll(newer.updates, opened, serial, claims, ticket, self, _seconds(newer.due))
        except StoreRefused:
            if not request.chunked or any(entry.values for entry in listed):
                raise
            poll = Poll((), opened, serial, claims, ticket, self, RETRY, unasked=(listed, sender))
        finally:
            if poll is None:
                ticket.close()
        return poll

    async def ask(self, serial: str, listed: Sequence[Listed], opened: int, sender: str) -> Newer:
        """Record a subscribe opened at `opened` (ms), and find what is newer.

        Raises:
            StoreUnavailable, Full.
        """
        self._catch_up(serial)
        return await self.buckets.subscribe(serial, listed, opened, sender)

    async def reread(self, serial: str, claims: dict[str, int], opened: int) -> Newer:
        """Find what is newer than what a held poll has; raises StoreUnavailable."""
        self._catch_up(serial)
        return await self.buckets.reread(serial, claims, opened, self.now())

    def pushed(self, serial: str, updates: tuple[Update, ...], opened: int) -> None:
        """Note what was written to a device's socket, for a poll opened at `opened` (ms).

        Nobody waits for it, and still it is in time: whatever the device does next comes to the store behind
        it, on the same connection. If the store cannot be had now, it is noted just before that. Until it is
        noted, a PUT acknowledges and overwrites nothing of what was pushed, which is then offered again.
        """
        _report(serial, updates)
        self._note(serial, updates, opened)

    def _note(self, serial: str, updates: tuple[Update, ...], opened: int) -> None:
        noting = Deferred.fromCoroutine(self.buckets.pushed(serial, updates, opened, self.now()))
        noting.addErrback(self._keep, serial, updates, opened)

    def _keep(self, failure: Failure, serial: str, updates: tuple[Update, ...], opened: int) -> None:
        if not failure.check(StoreUnavailable):
            _log.failure("{serial}: what was sent could not be noted.", failure, serial=serial)
        elif serial in self._unnoted or len(self._unnoted) < _MOST_UNNOTED:
            self._unnoted.setdefault(serial, []).append((updates, opened))

    def _catch_up(self, serial: str) -> None:
        for updates, opened in self._unnoted.pop(serial, ()):
            self._note(serial, updates, opened)

    async def put(self, serial: str, puts: Sequence[Put], sender: str = "") -> list[Receipt]:
        """Apply a PUT; one receipt per object, in order, also for what is refused.

        Raises:
            StoreUnavailable, Full.
        """
        own = [put for put in puts if not is_foreign(put.key, serial)]
        self._catch_up(serial)
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
