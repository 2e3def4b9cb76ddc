"""The routes of the local network: the shapes that clients of the control API know (protocol g.6)."""

from ipaddress import IPv4Address, IPv4Network

from twisted.trial.unittest import SynchronousTestCase

from nled.actions.lan import Pointed, Seen
from nled.domain.errors import BadRequest, NotKnown, Silent, Unreachable
from nled.lan.networks import Attached
from nled.lan.scan import Scan
from nled.lan.settings_api import Reply
from nled.web.lan import LanRoutes
from tests.web.edge import STRANGER, Edge

HERE, BEFORE = "http://192.168.1.5:8000", "http://192.168.1.9:80/entry"
SEEN = (
    Seen("192.168.1.20", f"{HERE}/entry", configured=True, serial="02AA01AC33140F61"),
    Seen("192.168.1.21", BEFORE, configured=False, serial=None),
)
DEVICES = [
    {
        "ip": "192.168.1.20",
        "device_name": None,
        "cloudregisterurl": f"{HERE}/entry",
        "configured": True,
        "serial": "02AA01AC33140F61",
    },
    {"ip": "192.168.1.21", "device_name": None, "cloudregisterurl": BEFORE, "configured": False},
]


class FakeLan:
    """The use cases, answering as `reply` says."""

    def __init__(self) -> None:
        self.asked = []
        self.reply = Reply(200, {"device_name": "Hall", "cloudregisterurl": f"{HERE}/entry"})

    async def scan(self, who):
        networks = [Attached(IPv4Address("192.168.1.5"), IPv4Network("192.168.1.0/24"))]
        return Scan(networks, 253, running=False, probed=253), SEEN

    async def progress(self, who):
        return Scan([], 253, running=True, probed=9), SEEN

    async def configure(self, who, ip, api_key):
        self.asked.append((ip, api_key))
        if isinstance(self.reply, Exception):
            raise self.reply
        return Pointed(self.reply, HERE, BEFORE)

    restore = configure


class LanRouteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.edge, self.lan = Edge(), FakeLan()
        LanRoutes(self.lan).register(self.edge.api)

    def configure(self, **body: object):
        return self.edge.ask("POST", "/api/configure-nest", body)

    def test_scan(self) -> None:
        for body in (None, {}):
            reply = self.edge.ask("POST", "/api/scan-network", body)
            self.assertEqual(reply.status, 200)
            subnets = {"subnet": "192.168.1.0/24", "subnets": ["192.168.1.0/24"]}
            self.assertEqual(reply.json, {"devices": DEVICES, **subnets})

    def test_progress(self) -> None:
        reply = self.edge.ask("GET", "/api/scan-network")
        self.assertEqual(reply.json, {"running": True, "probed": 9, "total": 253, "devices": DEVICES})

    def test_configure_and_restore(self) -> None:
        for path in ("/api/configure-nest", "/api/restore-nest"):
            reply = self.edge.ask("POST", path, {"ip": "192.168.1.20", "api_key": "aB3xK9"})
            self.assertEqual(reply.status, 200)
            told = {"device_name": "Hall", "cloudregisterurl": f"{HERE}/entry", "previous": BEFORE}
            self.assertEqual(reply.json, {"success": True, **told})
        self.configure(ip="192.168.1.20")
        # The case of a key counts.
        self.assertEqual(self.lan.asked, [("192.168.1.20", "aB3xK9")] * 2 + [("192.168.1.20", None)])

    def test_a_key_is_wanted(self) -> None:
        self.lan.reply = Reply(401, {"status": "Invalid or Missing API Key."})
        reply = self.configure(ip="192.168.1.20")
        self.assertEqual(
            (reply.status, reply.json["success"], reply.json["auth_required"]), (401, False, True)
        )
        self.assertEqual(reply.json["error"], reply.json["message"])

    def test_what_else_a_unit_may_answer(self) -> None:
        for reply, status, words in (
            (Reply(400, {"status": "Invalid IP Address/Port."}), 400, "Invalid IP Address/Port."),
            (Reply(400, None), 400, "status 400"),
            (Reply(200, None), 502, "status 200"),
            (Reply(500, {}), 502, "status 500"),
            (Reply(302, {}), 502, "status 302"),
            (Unreachable("Connection failed: nobody."), 502, "Connection failed"),
            (Silent("It says nothing."), 504, "says nothing"),
            (BadRequest("ip must be"), 400, "ip must be"),
            (NotKnown("Nothing is remembered"), 404, "Nothing"),
        ):
            self.lan.reply = reply
            answer = self.configure(ip="192.168.1.20")
            self.assertEqual(answer.status, status, reply)
            self.assertIn(words, answer.json["error"])
            self.assertEqual((answer.json["success"], answer.json["message"]), (False, answer.json["error"]))

    def test_bad_bodies(self) -> None:
        for body in ({}, {"ip": ""}, {"ip": None}):
            self.assertEqual(self.edge.refused("POST", "/api/configure-nest", body), (400, "Missing ip"))
        for body in ({"ip": 5}, {"ip": "x", "api_key": 5}, [], b"{"):
            self.assertEqual(self.edge.ask("POST", "/api/configure-nest", body).status, 400)
        self.assertEqual(self.lan.asked, [])

    def test_not_for_strangers(self) -> None:
        for method, path in (
            ("POST", "/api/scan-network"),
            ("GET", "/api/scan-network"),
            ("POST", "/api/configure-nest"),
        ):
            self.assertEqual(self.edge.ask(method, path, {"ip": "x"}, peer=STRANGER).status, 401)
        self.assertEqual(self.lan.asked, [])
