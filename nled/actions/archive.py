"""Export and import of everything nled keeps; for administrators only, since secrets are among it."""

from collections.abc import Callable, Sequence

from attrs import frozen
from msgspec import Struct
from twisted.logger import Logger

from nled.domain.archive.checks import check
from nled.domain.archive.records import Record
from nled.domain.errors import Conflict
from nled.store.archive import Archive
from nled.store.client import StoreRefused, StoreUnavailable

_log = Logger()


class Imported(Struct, frozen=True):
    """How many records brought something back, and of how many all was there already."""

    imported: int
    kept: int


@frozen
class Archives:
    """The use cases; each raises StoreUnavailable when the store cannot be had.

    Attributes:
        now: ms since the epoch.
    """

    archive: Archive
    now: Callable[[], int]

    async def page(self, after: str | None) -> tuple[list[Record], str | None]:
        """Return some of all records, and what the next page begins after; None at the end.

        Raises:
            BadRequest: `after` is nothing that an earlier page told.
        """
        return await self.archive.page(after, self.now())

    async def restore(self, records: Sequence[Record], *, merge: bool) -> Imported:
        """Bring records back. Nothing is written unless all of them can be; what is there already stays.

        Once interrupted, the same can be done again.

        Raises:
            BadRequest: a record is not possible; which one, and why.
            Conflict: there are devices or people already, and `merge` does not allow for that.
            Full: a device nobody owns, and no more are taken.
        """
        check(records, self.now())
        if not merge and not await self.archive.is_empty():
            raise Conflict(
                "There are devices or people here already. To add to them what they miss, import with merge "
                "(nledctl import --merge); what is here stays as it is."
            )
        done: list[bool] = []
        for record in records:
            try:
                done.append(await self.archive.restore(record, self.now()))
            except StoreRefused as error:
                if not any(done):
                    raise
                # It would say that nothing was changed.
                raise StoreUnavailable(str(error.reason)) from error
        _log.info("Imported {count} records.", count=sum(done))
        return Imported(sum(done), len(done) - sum(done))
