"""Who may do what: every principal, every need, every standing (protocol d.1)."""

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from nled.domain.access import (
    Need,
    Principal,
    Standing,
    Verdict,
    decide,
    demand,
    local,
    of_key,
    permits,
    speaks_for,
    trusted,
)
from nled.domain.errors import BadRequest, Denied, NotKnown
from nled.domain.people import (
    HOUR,
    end_of,
    new_invite,
    new_key,
    parse_email,
    parse_invite,
    parse_key,
    parse_name,
    parse_permission,
    parse_scopes,
)

SERIAL, OTHER = "02AA01AC33140F61", "02AA01AC33140F62"
BOTH, ALL = ("read", "write"), ("read", "write", "admin")

# A device of ann's as the principals below stand to it.
MINE = Standing(SERIAL, "ann")
SHARED = {level: Standing(SERIAL, "bob", {"ann": level}) for level in ("read", "write", "admin")}
BOBS = Standing(SERIAL, "bob", {"eve": "admin"})
NOBODYS = Standing(SERIAL)
STANDINGS = {
    "owned": MINE,
    "shared read": SHARED["read"],
    "shared write": SHARED["write"],
    "shared admin": SHARED["admin"],
    "another's": BOBS,
    "nobody's": NOBODYS,
}

# For each principal what it may do, by standing; what is not named here it may not.
READS = "read"
USES = "read leave write"
MANAGES = "read leave write share"
OWNS = "read leave write share own"
GIVES = "read leave write share own transfer"
ANNS = {
    "owned": GIVES,
    "shared read": "read leave",
    "shared write": USES,
    "shared admin": MANAGES,
}
TABLE: dict[str, tuple[Principal, dict[str, str]]] = {
    "socket": (local(), dict.fromkeys(STANDINGS, GIVES)),
    "trusted network": (trusted("127.0.0.1"), dict.fromkeys(STANDINGS, OWNS)),
    "key to all, read": (of_key("1", "k", ("read",), None, None), dict.fromkeys(STANDINGS, READS)),
    "key to all, write": (
        of_key("1", "k", ("write",), None, None),
        dict.fromkeys(STANDINGS, "leave write share own"),
    ),
    "key to all, admin": (of_key("1", "k", ("admin",), None, None), {}),
    "key to all, both": (of_key("1", "k", BOTH, None, None), dict.fromkeys(STANDINGS, OWNS)),
    "key to all, all": (of_key("1", "k", ALL, None, None), dict.fromkeys(STANDINGS, GIVES)),
    "key to this device": (of_key("1", "k", BOTH, None, (SERIAL,)), dict.fromkeys(STANDINGS, OWNS)),
    "key to another device": (of_key("1", "k", BOTH, None, (OTHER,)), {}),
    "key to no device": (of_key("1", "k", BOTH, None, ()), {}),
    "ann's, both": (of_key("1", "k", BOTH, "ann", None), ANNS),
    "ann's, read": (
        of_key("1", "k", ("read",), "ann", None),
        dict.fromkeys(("owned", "shared read", "shared write", "shared admin"), READS),
    ),
    "ann's, write": (
        of_key("1", "k", ("write",), "ann", None),
        {
            "owned": "leave write share own transfer",
            "shared read": "leave",
            "shared write": "leave write",
            "shared admin": "leave write share",
        },
    ),
    "ann's, to this device": (of_key("1", "k", BOTH, "ann", (SERIAL,)), ANNS),
    "ann's, to another device": (of_key("1", "k", BOTH, "ann", (OTHER,)), {}),
    "ann's, no scope": (of_key("1", "k", (), "ann", None), {}),
    # Neither is made, and neither would be worth more.
    "ann's, admin": (of_key("1", "k", ALL, "ann", None), ANNS),
    "key to this device, admin": (of_key("1", "k", ALL, None, (SERIAL,)), dict.fromkeys(STANDINGS, OWNS)),
}


class DecideTests(SynchronousTestCase):
    def test_table(self) -> None:
        needs = [need for need in Need if need not in (Need.OPEN, Need.ADMIN)]
        for (who, (principal, may)), how, need in product(TABLE.items(), STANDINGS, needs):
            expected = Verdict.ALLOWED if need.value in may.get(how, "").split() else Verdict.DENIED
            self.assertEqual(decide(principal, need, STANDINGS[how]), expected, f"{who}, {how}, {need.value}")

    def test_what_is_for_administrators(self) -> None:
        allowed = {who for who, (principal, _) in TABLE.items() if permits(principal, Need.ADMIN)}
        self.assertEqual(allowed, {"socket", "key to all, admin", "key to all, all"})

    def test_open_to_all(self) -> None:
        self.assertTrue(permits(Principal("x", frozenset()), Need.OPEN))

    def test_no_such_device(self) -> None:
        for who, (principal, _) in TABLE.items():
            scoped = "write" in principal.scopes
            expected = Verdict.UNKNOWN if scoped else Verdict.DENIED
            self.assertEqual(decide(principal, Need.WRITE, None), expected, who)

    def test_said_in_words(self) -> None:
        guest = of_key("1", "k", BOTH, "ann", None)
        cases = (
            (guest, Need.READ, None, NotKnown, "Device not found"),
            (guest, Need.READ, BOBS, Denied, "Access denied to this device"),
            (guest, Need.OWN, BOBS, Denied, "Access denied to this device"),
            (guest, Need.OWN, SHARED["admin"], Denied, "Only device owners can delete devices"),
            (guest, Need.WRITE, SHARED["read"], Denied, "Access denied to this device"),
            (
                of_key("1", "k", ("read",), None, None),
                Need.WRITE,
                None,
                Denied,
                "Access denied to this device",
            ),
        )
        for principal, need, standing, kind, sentence in cases:
            error = self.assertRaises(kind, demand, principal, need, standing)
            self.assertEqual(str(error), sentence)
        self.assertIs(demand(guest, Need.WRITE, MINE), MINE)

    def test_in_whose_name(self) -> None:
        speaking = {who for who, (principal, _) in TABLE.items() if speaks_for(principal, "ann")}
        self.assertNotIn("key to this device", speaking)
        self.assertNotIn("ann's, to this device", speaking)
        self.assertTrue({"socket", "trusted network", "key to all, both", "ann's, both"} <= speaking)
        self.assertFalse(speaks_for(of_key("1", "k", BOTH, "ann", None), "bob"))


class TokenTests(SynchronousTestCase):
    def test_a_key(self) -> None:
        token = new_key(lambda below: below - 1)
        self.assertEqual(token.secret, "nle_" + "f" * 64)
        self.assertEqual((len(token.hash), token.id), (64, token.hash[:16]))
        self.assertEqual(parse_key(token.secret), token)
        self.assertNotIn("f" * 64, repr(token))
        self.assertEqual(new_key(lambda _: 7).secret, "nle_" + "7".zfill(64))

    def test_no_keys(self) -> None:
        invite = new_invite(lambda _: 7).secret
        for text in ("", "nle_", "nle_" + "F" * 64, "nle_" + "f" * 63, "nle_" + "f" * 64 + "\n", invite):
            self.assertIsNone(parse_key(text), text)
        self.assertRaises(BadRequest, parse_invite, new_key(lambda _: 7).secret)
        self.assertEqual(parse_invite(invite).secret, invite)


class RulesTests(SynchronousTestCase):
    def test_names(self) -> None:
        self.assertEqual(parse_name("  Home Assistant ✓ "), "Home Assistant ✓")
        for text in ("", "  ", "x" * 65, "a\nb", "a\x1b[2J", "\u202eabc"):
            self.assertRaises(BadRequest, parse_name, text)

    def test_scopes(self) -> None:
        self.assertEqual(parse_scopes(["write", "read", "write"], "ann", None), ("read", "write"))
        self.assertEqual(parse_scopes(["admin"], None, None), ("admin",))
        for scopes, user, devices in (
            ([], None, None),
            (["root"], None, None),
            (["read", "admin"], "ann", None),
            (["admin"], None, [SERIAL]),
        ):
            self.assertRaises(BadRequest, parse_scopes, scopes, user, devices)

    def test_emails(self) -> None:
        self.assertEqual(parse_email(None, "ann"), "ann@local")
        self.assertEqual(parse_email("ann@example.org", "ann"), "ann@example.org")
        for text in ("ann", "@", "a b@c", "a@b\r\nc", "a@" + "b" * 260):
            self.assertRaises(BadRequest, parse_email, text, "ann")

    def test_permissions_and_ends(self) -> None:
        self.assertEqual(parse_permission("admin"), "admin")
        self.assertRaises(BadRequest, parse_permission, "owner")
        self.assertEqual(end_of(2, 720, "hours", HOUR, 5), 2 * HOUR + 5)
        for hours in (0, -1, 721):
            self.assertRaises(BadRequest, end_of, hours, 720, "hours", HOUR, 0)
