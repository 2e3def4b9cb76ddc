"""Who is let in by the control port, and under which names."""

from twisted.trial.unittest import SynchronousTestCase

from nled.domain.access import Need, Principal, Rate
from nled.domain.errors import TooMany
from nled.store.client import StoreUnavailable
from nled.web.endpoint import Call, Endpoint
from nled.web.guard import own_names
from tests.web.edge import KEY, LOCAL, NOW, SOCKET, STRANGER, Edge

RATE = Rate(100, 42, NOW)
READER = Principal("key", frozenset({"read"}), key="id")


def endpoints():
    async def who(call: Call) -> dict[str, object]:
        return {"name": call.principal.name, "scopes": sorted(call.principal.scopes), "address": call.address}

    needs = {"/open": Need.OPEN, "/read": Need.READ, "/write": Need.WRITE, "/admin": Need.ADMIN}
    return [Endpoint("GET", path, who, need, "Say who calls") for path, need in needs.items()]


class GuardTestCase(SynchronousTestCase):
    def edge(self, **settings):
        return Edge(*endpoints(), **settings)


class HostTests(GuardTestCase):
    def status(self, edge, host, peer=LOCAL):
        return edge.ask("GET", "/open", host=host, peer=peer).status

    def test_names_of_the_machine(self):
        edge = self.edge(hosts=("nled.example",))
        own = "localhost box box.lan box.local nled.example NLED.Example. 10.0.0.9 [::1] [fe80::1%eth0] 192.168.1.2"
        for name in own.split():
            for host in (name, f"{name}:8082"):
                self.assertEqual(self.status(edge, host), 200, host)

    def test_other_names(self):
        edge = self.edge(hosts=("nled.example",))
        others = (
            "evil.example",
            "nled.example.evil",
            "xnled.example",
            "10.0.0.256",
            "2130706433",
            "0x7f.1",
            "::1",
            "[127.0.0.1]",
            "[localhost]",
            "localhost:80:80",
            "localhost:x",
            "localhost@evil",
            "evil localhost",
            "[",
            "\xff",
            "x" * 5000,
        )
        for host in others:
            self.assertEqual(self.status(edge, host), 403, host)
        # Strangers choose how long it is, so not every one is remembered.
        self.assertEqual(edge.guard._is_ours.cache_info().currsize, len(others) - 1)
        _, sentence = edge.refused("GET", "/open", host="evil.example")
        self.assertIn("'evil.example'", sentence)
        self.assertIn("control.hosts", sentence)

    def test_the_path_makes_no_difference(self):
        edge = self.edge()
        for method, path in (("GET", "/nowhere"), ("POST", "/open"), ("OPTIONS", "/open")):
            self.assertEqual(edge.ask(method, path, host="evil").status, 403, path)

    def test_exactly_one(self):
        edge = self.edge()
        self.assertEqual(edge.raw(b"GET /open HTTP/1.1\r\n\r\n").status, 400)
        self.assertEqual(edge.raw(b"GET /open HTTP/1.0\r\n\r\n").status, 200)
        self.assertEqual(
            edge.raw(b"GET /open HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n").status, 400
        )
        self.assertEqual(edge.raw(b"GET /open HTTP/1.0\r\nHost: evil\r\n\r\n").status, 403)
        self.assertEqual(edge.raw(b"GET /open HTTP/1.1\r\nHost:\r\n\r\n").status, 403)

    def test_any_or_none_on_the_unix_socket(self):
        edge = self.edge()
        self.assertEqual(edge.raw(b"GET /open HTTP/1.1\r\n\r\n", SOCKET).status, 200)
        self.assertEqual(self.status(edge, "anything", SOCKET), 200)

    def test_own_names(self):
        self.assertEqual(own_names("Box", ["A.b"]), {"localhost", "box", "box.local", "a.b"})
        self.assertEqual(own_names("", []), {"localhost"})


class OriginTests(GuardTestCase):
    def ask(self, origin, method="GET", host="localhost:8082", **settings):
        return self.edge(origins=("https://app.example", "http://b"), **settings).ask(
            method, "/read", host=host, origin=origin
        )

    def test_the_same_origin(self):
        for host, origin in (
            ("localhost:8082", "http://localhost:8082"),
            ("LOCALHOST:8082", "http://localhost:8082"),
            ("localhost", "http://localhost"),
            ("localhost:80", "http://localhost"),
            ("localhost", "https://localhost"),
            ("localhost:443", "https://localhost"),
            ("[::1]:8082", "http://[::1]:8082"),
        ):
            reply = self.ask(origin, host=host)
            self.assertEqual(reply.status, 200, origin)
            self.assertNotIn("Access-Control-Allow-Origin", reply.headers)

    def test_others(self):
        for origin in (
            "null",
            "",
            "*",
            "http://evil.example",
            "http://localhost",
            "http://localhost:80820",
            "https://app.example.evil",
            "http://app.example",
            "file://",
            "localhost:8082",
            "ftp://localhost:8082",
            "chrome-extension://localhost:8082",
        ):
            for method in ("GET", "OPTIONS", "HEAD", "POST"):
                reply = self.ask(origin, method)
                self.assertEqual(reply.status, 403, (method, origin))
                self.assertNotIn("Access-Control-Allow-Origin", reply.headers)
        self.assertIn("control.origins", self.ask("http://evil.example").json["error"])

    def test_two(self):
        request = (
            b"GET /read HTTP/1.1\r\nHost: b\r\nOrigin: https://app.example\r\nOrigin: http://evil\r\n\r\n"
        )
        self.assertEqual(self.edge(origins=("https://app.example",), hosts=("b",)).raw(request).status, 403)

    def test_allowed_ones(self):
        for origin in ("https://app.example", "http://b"):
            reply = self.ask(origin)
            self.assertEqual(reply.status, 200)
            self.assertEqual(reply.headers["Access-Control-Allow-Origin"], origin)
            self.assertEqual(reply.headers["Vary"], "Origin")
            self.assertIn("X-RateLimit-Remaining", reply.headers["Access-Control-Expose-Headers"])
            self.assertNotIn("Access-Control-Allow-Credentials", reply.headers)

    def test_an_allowed_page_can_read_errors(self):
        edge = self.edge(origins=("http://b",))
        for path, status in (("/nowhere", 404), ("/admin", 403)):
            reply = edge.ask("GET", path, origin="http://b")
            self.assertEqual(
                (reply.status, reply.headers["Access-Control-Allow-Origin"]), (status, "http://b")
            )

    def test_preflight(self):
        reply = self.ask("https://app.example", "OPTIONS")
        self.assertEqual((reply.status, reply.body), (204, b""))
        self.assertNotIn("Content-Length", reply.headers)
        self.assertNotIn("Transfer-Encoding", reply.headers)
        self.assertEqual(reply.headers["Access-Control-Allow-Origin"], "https://app.example")
        for method in ("GET", "POST", "PUT", "DELETE"):
            self.assertIn(method, reply.headers["Access-Control-Allow-Methods"])
        self.assertIn("Authorization", reply.headers["Access-Control-Allow-Headers"])

    def test_options_without_an_origin(self):
        reply = self.edge().ask("OPTIONS", "/read")
        self.assertEqual((reply.status, reply.headers["Allow"]), (405, "GET, HEAD"))


class AddressTests(GuardTestCase):
    def who(self, edge, peer, **headers):
        reply = edge.ask("GET", "/read", peer=peer, **headers)
        return reply.json["name"] if reply.status == 200 else reply.status

    def test_trusted_networks(self):
        edge = self.edge(networks=("192.168.1.0/24", "fd00::/8"))
        for peer, name in (
            ("192.168.1.7", "192.168.1.7"),
            ("::ffff:192.168.1.7", "192.168.1.7"),
            ("fd00::7", "fd00::7"),
            ("192.168.2.7", 401),
            ("fe80::7", 401),
            (LOCAL, 401),
        ):
            self.assertEqual(self.who(edge, peer), name, peer)

    def test_they_read_and_write(self):
        reply = self.edge().ask("GET", "/write")
        self.assertEqual(reply.json["scopes"], ["read", "write"])
        status, sentence = self.edge().refused("GET", "/admin")
        self.assertEqual(status, 403)
        self.assertIn("nledctl", sentence)

    def test_the_unix_socket_is_an_administrator(self):
        reply = self.edge(networks=()).ask("GET", "/admin", peer=SOCKET)
        self.assertEqual(reply.json["scopes"], ["admin", "read", "write"])

    def test_behind_proxies(self):
        edge = self.edge(networks=("192.168.1.0/24", "10.0.0.0/8"), proxies=("10.0.0.2/32", "10.0.0.3/32"))
        for peer, chain, name in (
            ("10.0.0.2", "192.168.1.7", "192.168.1.7"),
            ("10.0.0.2", "192.168.1.7, 10.0.0.3", "192.168.1.7"),
            ("::ffff:10.0.0.2", "::ffff:192.168.1.7", "192.168.1.7"),
            ("10.0.0.2", "192.168.1.7, 203.0.113.9", 401),
            ("10.0.0.2", "203.0.113.9, 192.168.1.7", "192.168.1.7"),
            ("10.0.0.2", "unknown", 401),
            ("10.0.0.2", "192.168.1.7, unknown", 401),
            ("10.0.0.2", "10.0.0.3", 401),
            ("10.0.0.2", "", 401),
            # Not a proxy of ours: it may forward for anybody.
            ("10.0.0.4", "192.168.1.7", 401),
            (STRANGER, "192.168.1.7", 401),
        ):
            self.assertEqual(self.who(edge, peer, x_forwarded_for=chain), name, (peer, chain))

    def test_a_proxy_is_nobody_itself(self):
        edge = self.edge(networks=("10.0.0.0/8",), proxies=("10.0.0.2/32",))
        self.assertEqual(self.who(edge, "10.0.0.2"), 401)
        self.assertEqual(self.who(edge, "10.0.0.3"), "10.0.0.3")

    def test_other_ways_to_forward_are_not_believed(self):
        for header in ("forwarded", "x_real_ip"):
            self.assertEqual(self.who(self.edge(), LOCAL, **{header: "127.0.0.1"}), 401)

    def test_several_lines_are_one_list(self):
        edge = self.edge(networks=("192.168.1.0/24",), proxies=("10.0.0.2/32",))
        head = b"GET /read HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.168.1.7\r\n"
        self.assertEqual(edge.raw(head + b"\r\n", "10.0.0.2").status, 200)
        self.assertEqual(edge.raw(head + b"X-Forwarded-For: 203.0.113.9\r\n\r\n", "10.0.0.2").status, 401)

    def test_no_proxy_before_the_unix_socket(self):
        status, sentence = self.edge().refused("GET", "/open", peer=SOCKET, x_forwarded_for="127.0.0.1")
        self.assertEqual(status, 403)
        self.assertIn("control.trusted_proxies", sentence)

    def test_the_address_is_told(self):
        edge = self.edge(proxies=("10.0.0.2/32",))
        self.assertEqual(edge.ask("GET", "/open", peer=STRANGER).json["address"], STRANGER)
        self.assertEqual(edge.ask("GET", "/open", peer="::ffff:1.2.3.4").json["address"], "1.2.3.4")
        self.assertEqual(edge.ask("GET", "/open", peer=SOCKET).json["address"], "local socket")
        reply = edge.ask("GET", "/open", peer="10.0.0.2", x_forwarded_for=STRANGER)
        self.assertEqual(reply.json["address"], STRANGER)


class KeyTests(GuardTestCase):
    def edge_with_key(self, principal=READER, rate=RATE, **settings):
        edge = self.edge(**settings)
        edge.authority.keys[KEY] = principal, rate
        return edge

    def test_a_key_from_anywhere(self):
        edge = self.edge_with_key()
        for peer in (STRANGER, LOCAL, SOCKET):
            reply = edge.ask("GET", "/read", peer=peer, key=KEY)
            self.assertEqual((reply.status, reply.json["scopes"]), (200, ["read"]))
            self.assertEqual(reply.headers["X-RateLimit-Remaining"], "42")

    def test_a_key_has_its_scopes_and_no_more(self):
        edge = self.edge_with_key()
        for path, scope in (("/write", "write"), ("/admin", "admin")):
            status, sentence = edge.refused("GET", path, key=KEY)
            self.assertEqual(status, 403)
            self.assertIn(f"scope {scope}", sentence)

    def test_none_where_one_is_needed(self):
        reply = self.edge().ask("GET", "/read", peer=STRANGER)
        self.assertEqual((reply.status, reply.headers["WWW-Authenticate"]), (401, "Bearer"))
        self.assertEqual(reply.json["message"], reply.json["error"])
        self.assertFalse(reply.json["success"])

    def test_one_that_is_not_valid(self):
        edge = self.edge()
        self.assertEqual(edge.ask("GET", "/read", peer=STRANGER, key=KEY).status, 401)
        self.assertEqual(edge.authority.asked, [(KEY, STRANGER, True)])

    def test_it_is_ignored_where_none_is_needed(self):
        edge = self.edge()
        for peer in (LOCAL, SOCKET):
            self.assertEqual(edge.ask("GET", "/write", peer=peer, key=KEY).status, 200)
        self.assertEqual([counted for _, _, counted in edge.authority.asked], [False, False])

    def test_what_cannot_be_a_key_is_not_looked_up(self):
        edge = self.edge_with_key()
        for text in (
            "Bearer x",
            "Bearer",
            f"Basic {KEY}",
            KEY,
            f"Bearer {KEY}0",
            f"Bearer {KEY.upper()}",
            "\xff",
        ):
            self.assertEqual(edge.ask("GET", "/read", authorization=text).status, 200, text)
            self.assertEqual(edge.ask("GET", "/read", peer=STRANGER, authorization=text).status, 401, text)
        self.assertEqual(edge.authority.asked, [])

    def test_the_name_of_the_scheme_in_any_case(self):
        self.assertEqual(
            self.edge_with_key().ask("GET", "/read", peer=STRANGER, authorization=f"bEARER  {KEY}").status,
            200,
        )

    def test_nobody_is_asked_where_everybody_may(self):
        edge = self.edge_with_key()
        reply = edge.ask("GET", "/open", peer=STRANGER, key=KEY)
        self.assertEqual((reply.status, reply.json["scopes"]), (200, []))
        self.assertEqual(edge.authority.asked, [])

    def test_behind_a_proxy_the_client_is_counted(self):
        edge = self.edge(proxies=("10.0.0.2/32",))
        edge.ask("GET", "/read", peer="10.0.0.2", key=KEY, x_forwarded_for=STRANGER)
        self.assertEqual(edge.authority.asked, [(KEY, STRANGER, True)])

    def test_too_many_that_are_not_valid(self):
        edge = self.edge()
        edge.authority.error = TooMany("Too many.")
        reply = edge.ask("GET", "/read", peer=STRANGER, key=KEY)
        self.assertEqual((reply.status, reply.headers["Retry-After"]), (429, "60"))

    def test_a_store_that_is_away(self):
        edge = self.edge()
        edge.authority.error = StoreUnavailable("secret")
        status, sentence = edge.refused("GET", "/read", key=KEY)
        self.assertEqual(status, 503)
        self.assertNotIn("secret", sentence)

    def test_one_request_too_many(self):
        edge = self.edge_with_key(rate=Rate(100, 0, NOW + 19_001, exceeded=True))
        reply = edge.ask("GET", "/read", key=KEY)
        self.assertEqual((reply.status, reply.headers["Retry-After"]), (429, "20"))
        self.assertEqual(reply.headers["X-RateLimit-Remaining"], "0")
        self.assertIn("20 s", reply.json["message"])
