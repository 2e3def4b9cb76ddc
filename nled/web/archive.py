"""Export and import, for administrators: `nledctl` makes files of them."""

from attrs import frozen
from msgspec import Struct

from nled.actions.archive import Archives, Imported
from nled.domain.access import Need
from nled.domain.archive.records import MOST_BODY, Record
from nled.domain.shapes import PageMark
from nled.web.endpoint import Api, Call, Endpoint


class After(Struct):
    """Where to go on."""

    after: PageMark | None = None


class Page(Struct):
    """Some of all records; `next` is what the next page begins after, null at the end."""

    records: list[Record]
    next: str | None


class Import(Struct):
    """Records to bring back; `merge` where there are devices or people already."""

    records: list[Record]
    merge: bool = False


@frozen
class ArchiveRoutes:
    """Export and import."""

    archives: Archives

    def register(self, api: Api) -> None:
        """Add the routes."""
        api.add(
            Endpoint(
                "GET",
                "/api/export",
                self.export,
                Need.ADMIN,
                "Everything nled keeps, secrets included, page by page",
                query=After,
                answer=Page,
                statuses=(403,),
            ),
            Endpoint(
                "POST",
                "/api/import",
                self.restore,
                Need.ADMIN,
                "Bring exported records back; what is there already stays",
                body=Import,
                answer=Imported,
                statuses=(403, 409, 413, 503),
                most_body=MOST_BODY,
            ),
        )

    async def export(self, call: Call) -> Page:
        """Give some of everything nled keeps, secrets included; `next` leads to the rest."""
        return Page(*await self.archives.page(call.query.after))

    async def restore(self, call: Call) -> Imported:
        """Bring exported records back; what is there already stays."""
        return await self.archives.restore(call.body.records, merge=call.body.merge)
