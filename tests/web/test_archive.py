"""The routes of export and import: for administrators only, and with a bound of their own."""

from twisted.trial.unittest import SynchronousTestCase

from nled.actions.archive import Imported
from nled.domain.archive.records import DeviceRecord
from nled.web.archive import ArchiveRoutes
from tests.web.edge import SOCKET, Edge

SERIAL = "02AA01AC33140F61"


class FakeArchives:
    def __init__(self) -> None:
        self.asked = []

    async def page(self, after):
        self.asked.append(after)
        return [DeviceRecord(SERIAL, 7)], None if after else "device x"

    async def restore(self, records, *, merge):
        self.asked.append((list(records), merge))
        return Imported(len(records), 0)


class ArchiveRouteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.edge, self.archives = Edge(), FakeArchives()
        ArchiveRoutes(self.archives).register(self.edge.api)

    def test_export(self) -> None:
        first = self.edge.ask("GET", "/api/export", peer=SOCKET)
        record = {"kind": "device", "serial": SERIAL, "seen": 7}
        self.assertEqual(first.json, {"records": [record], "next": "device x"})
        self.assertIsNone(self.edge.ask("GET", "/api/export?after=device%20x", peer=SOCKET).json["next"])
        self.assertEqual(self.archives.asked, [None, "device x"])

    def test_import(self) -> None:
        body = {"records": [{"kind": "device", "serial": SERIAL}]}
        reply = self.edge.ask("POST", "/api/import", body, peer=SOCKET)
        self.assertEqual(reply.json, {"imported": 1, "kept": 0})
        self.edge.ask("POST", "/api/import", body | {"merge": True}, peer=SOCKET)
        self.assertEqual(
            self.archives.asked, [([DeviceRecord(SERIAL)], False), ([DeviceRecord(SERIAL)], True)]
        )

    def test_what_is_no_record(self) -> None:
        for records, words in (
            ([{"kind": "car"}], "records[0].kind"),
            ([{"serial": SERIAL}], "records[0].kind"),
            ([{"kind": "device", "serial": SERIAL, "seen": -1}], "records[0].seen"),
            ([{"kind": "device", "serial": SERIAL, "more": 1}], "records[0].more"),
            ({}, "records"),
        ):
            status, sentence = self.edge.refused("POST", "/api/import", {"records": records}, peer=SOCKET)
            self.assertEqual(status, 400)
            self.assertIn(words, sentence)
        self.assertEqual(self.archives.asked, [])

    def test_for_administrators_only(self) -> None:
        for method, path in (("GET", "/api/export"), ("POST", "/api/import")):
            self.assertEqual(self.edge.ask(method, path, {"records": []}).status, 403)
        self.assertEqual(self.archives.asked, [])
