"""Malformed bodies, each with the status it must get; what is sound beside them is applied (protocol a.8)."""

from typing import Any

from twisted.trial.unittest import TestCase

from tests.live.support import shared_daemon
from tests.live.wire import SERIAL, Answer

SHARED, DEVICE = f"shared.{SERIAL}", f"device.{SERIAL}"
MOST_BODY = 256 * 1024


def entry(**fields: Any) -> dict[str, Any]:
    return {"object_key": SHARED, "object_revision": 0, "object_timestamp": 0, **fields}


def put(**fields: Any) -> dict[str, Any]:
    return {"objects": [{"object_key": SHARED, "value": {"a": 1}, **fields}]}


# Refused by both, subscribe and PUT.
NOT_A_BODY = (
    *(b"", b" ", b"[]", b"1", b'"x"', b"null", b"true", b"{", b'{"objects":[}', b"{}{}", b"\xef\xbb\xbf{}"),
    *(b"\xff\xfe", b'{"session":"\xff"}', b'{"session":"\xed\xa0\x80"}', b'{"session":"\\ud800"}'),
    *(b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1e400}', b'{"a":01}', b"{'a':1}"),
    b"[" * 100_000,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
)
NOT_OBJECTS = (
    *({"objects": value} for value in ({}, 1, "x", None, True, [1], ["x"], [None], [[]], [{}])),
    *(
        {"objects": [{"object_key": key}]}
        for key in (None, 1, [], {}, "", "x", ".", "a.", ".b", "A.b", "a b.c", "é.x")
    ),
    {"objects": [{"object_key": f"a.{'x' * 81}"}]},
    {"objects": [{"object_key": "shared.x\ny"}]},
    {"objects": [{"object_key": SHARED, "value": {}}] * 129},
)

# A null object_timestamp is a field hazard of real units (protocol a.7.1) and counts as 0; other types are refused.
SUBSCRIBES = (
    *((entry(object_timestamp=value), 400) for value in ("1", True, [], {})),
    *((entry(object_revision=value), 400) for value in ("1", False, [], {})),
    *((entry(value=value), 400) for value in ("x", 1, [], True)),
    *(
        (entry(object_timestamp=value), 200)
        for value in (None, -1, 0.5, 1, 10**13, 10**18, 10**40, 1e300, -1e300)
    ),
    *((entry(object_revision=value), 200) for value in (None, -5, -32768, 2**31, 2**64, 1.5)),
    (entry(value=None), 200),
    (entry(value={}), 200),
)
PUTS = (
    *((put(value=value), 400) for value in ("x", 1, [], True, [{}])),
    *((put(base_object_revision=value), 400) for value in ("1", True, [], {})),
    *((put(if_object_revision=value), 400) for value in ("1", True, [], {})),
    (put(value={f"f{i}": 1 for i in range(1001)}), 400),
    (put(value={"a": 2**64}), 200),
    (put(value=None), 200),
    (put(value={}), 200),
    (put(base_object_revision=None, if_object_revision=None), 200),
    (put(base_object_revision=-32768), 200),
    (put(base_object_revision=2**70), 200),
)
COMMANDS = (
    *(b"", b"[]", b"1", b'"x"', b"null", b"{", b"\xff", b'{"value":NaN}', b'{"value":1e999}', b"[" * 50_000),
    *({}, {"serial": SERIAL}, {"command": "set_temperature"}, {"serial": "", "command": "set_temperature"}),
    *(
        {"serial": serial, "command": "set_temperature", "value": 20}
        for serial in (1, [], {}, "x", "é" * 16, "A" * 33)
    ),
    *(
        {"serial": SERIAL, "command": command, "value": 20}
        for command in (1, [], {}, "", "nothing", "__init__")
    ),
    *(
        {"serial": SERIAL, "command": "set_temperature", "value": value}
        for value in (
            *(None, True, "20", [], [20], {}, {"low": None}, {"low": "19"}, {"low": True}, {"middle": 20}),
            *({"low": 20, "high": 20}, {"low": 21, "high": 20}, {"low": 20, "high": 21, "x": 1}),
            *(0, -5, 4.4, 32.1, 99, 10**30, -(10**30), 1e308),
        )
    ),
)
CLAIMS = (
    *(
        b"",
        b"[]",
        b"1",
        b"null",
        b"\xff",
        {},
        {"code": "ABC2345"},
        {"userId": "a"},
        {"code": "", "userId": "a"},
    ),
    *(
        {"code": code, "userId": "a"}
        for code in (1, True, [1], {"a": 1}, "ABC234", "ABC23456", "ABC_234", "ÄBC2345")
    ),
    *(
        {"code": "ABC2345", "userId": user}
        for user in (1, [1], {"a": 1}, "a b", "a\n", "é", "a" * 65, "a:b", "{a}")
    ),
)


class MalformedTests(TestCase):
    def setUp(self):
        self.daemon = shared_daemon()
        self.addCleanup(lambda: self.assertEqual(self.daemon.faults, []))

    def subscribe(self, body):
        return self.daemon.ask("POST", "/nest/transport", body)

    def put(self, body):
        return self.daemon.ask("POST", "/nest/transport/put", body)

    def refused(self, answer: Answer, status: int, sent: Any) -> None:
        sent = repr(sent)[:200]
        self.assertEqual(answer.status, status, (sent, answer))
        self.assertEqual(answer.headers["Content-Type"], "application/json", sent)
        self.assertTrue(answer.json["error"], sent)

    def test_not_a_body(self):
        for body in NOT_A_BODY:
            self.refused(self.subscribe(body), 400, body)
            self.refused(self.put(body), 400, body)

    def test_not_objects(self):
        for body in NOT_OBJECTS:
            self.refused(self.subscribe(body), 400, body)
            self.refused(self.put(body), 400, body)

    def test_subscribe(self):
        for sent, status in SUBSCRIBES:
            answer = self.subscribe({"objects": [sent]})
            self.assertEqual(
                (answer.status, [*answer.json]), (status, ["objects" if status == 200 else "error"]), sent
            )
        for chunked in ("true", 1, 0, None, [], {}):
            self.refused(self.subscribe({"chunked": chunked, "objects": [entry()]}), 400, chunked)

    def test_session_of_any_kind(self):
        for session in (None, 1, [], {}, "", "x" * 10_000, "é"):
            body = {"session": session, "objects": [entry()]}
            self.assertEqual((self.subscribe(body).status, self.put(body).status), (200, 200), session)

    def test_nothing_to_say_is_nothing_wrong(self):
        for body in ({}, {"objects": []}, {"session": "x"}, {"other": 1, "more": [2]}):
            for answer in (self.subscribe(body), self.put(body)):
                self.assertEqual(answer.status, 200, body)
                self.assertIsInstance(answer.json["objects"], list)

    def test_put(self):
        for body, status in PUTS:
            answer = self.put(body)
            self.assertEqual(
                (answer.status, [*answer.json]), (status, ["objects" if status == 200 else "error"]), body
            )

    def test_depth(self):
        """From what is stored to what the parser itself cannot take: one answer in between as on both sides."""
        for depth, status in (
            (31, 200),
            (32, 400),
            (100, 400),
            (450, 400),
            (500, 400),
            (700, 400),
            (950, 400),
            (3000, 400),
        ):
            value = b"[" * depth + b"]" * depth
            for body in (
                b'{"objects":[{"object_key":"%s","object_timestamp":0,"value":{"x":%s}}]}'
                % (SHARED.encode(), value),
                b'{"%s":{"x":%s}}' % (SHARED.encode(), value),
            ):
                self.assertEqual(self.put(body).status, status, depth)
            listed = b'{"objects":[{"object_key":"%s","object_timestamp":0,"value":{"x":%s}}]}'
            self.assertEqual(self.subscribe(listed % (SHARED.encode(), value)).status, status, depth)
            # Where nobody looks it may be as deep as can be read.
            self.assertIn(self.put(b'{"session":%s}' % value).status, (200, 400))

    def test_doubled_keys_are_one(self):
        body = (
            b'{"objects":[1],"objects":[{"object_key":"x","object_key":"%s","value":{"twice":1,"twice":2}}]}'
        )
        self.assertEqual(self.put(body % SHARED.encode()).json["objects"][0]["object_key"], SHARED)

    def test_any_text_is_a_field(self):
        names = ("", "\x00", "a b", "é\U0001f600", "v:x", "r", "__proto__", "x" * 1000)
        answer = self.put(put(value={name: name for name in names}))
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.put(put(value={name: name for name in names})).json, answer.json)

    def test_commands(self):
        self.daemon.put("shared", {"target_temperature_low": 19, "target_temperature_high": 22})
        for body in COMMANDS:
            answer = self.daemon.ask("POST", "/command", body, port="control")
            self.refused(answer, 400, body)
            self.assertEqual(answer.json["success"], False)
            self.assertEqual(answer.json["message"], answer.json["error"])

    def test_command_where_the_device_has_stored_rubbish(self):
        for rubbish in ("x", None, {}, [1], True, 10**30):
            self.daemon.put("shared", {"target_temperature_low": rubbish, "target_temperature_high": rubbish})
            for value in ({"low": 19}, {"high": 22}, {"low": 19, "high": 22}, 21):
                self.assertIn(self.daemon.command(value).status, (200, 400), (rubbish, value))

    def test_claims(self):
        for body in CLAIMS:
            self.refused(self.daemon.ask("POST", "/api/register", body, port="control"), 400, body)

    def test_garbled_entry_is_answered_all_the_same(self):
        for body in (
            b"",
            b"\xff\xfe=%ff&&&==",
            b"mac=%00&model=" + b"x" * 5000,
            b"&" * 10_000,
            b"a=b;" * 1000,
            b"{}",
        ):
            answer = self.daemon.ask("POST", "/nest/entry", body)
            self.assertEqual((answer.status, len(answer.json)), (200, 11))

    def test_too_large(self):
        for path, port, most in (
            ("/nest/transport", "device", MOST_BODY),
            ("/nest/transport/put", "device", MOST_BODY),
            ("/czfe/v7/put", "device", MOST_BODY),
            ("/nest/upload", "device", 2**20),
            ("/command", "control", 256 * 1024),
            ("/api/register", "control", 64 * 1024),
        ):
            for size in (most + 1, 2**20 + 1):
                body = b" " * size
                self.refused(self.daemon.ask("POST", path, body, port=port), 413, (path, size))
                with self.daemon.connect(port) as wire:
                    head = (
                        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-nl-device-id: {SERIAL}\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n"
                    )
                    wire.send(head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (size, body))
                    self.refused(wire.answer(), 413, (path, size, "chunked"))

    def test_too_large_by_its_own_word(self):
        """The answer comes before the body does."""
        for length in (2**20 + 1, 2**40, 10**30):
            answer = self.daemon.ask("POST", "/nest/transport", None, headers={"Content-Length": str(length)})
            self.refused(answer, 413, length)

    def test_not_authorised_by_nothing(self):
        for path, method in (
            ("/nest/passphrase", "GET"),
            ("/nest/passphrase/status", "GET"),
            ("/nest/transport", "POST"),
            ("/nest/transport/put", "POST"),
            ("/nest/upload", "POST"),
        ):
            for authorization in (
                "",
                "Basic",
                "Basic %%%",
                "Basic \udcff",
                "Basic Og==",
                "Basic eDp5",
                # No colon: d.02AA01AB12345678.BC7C9039 and the serial alone.
                "Basic ZC4wMkFBMDFBQjEyMzQ1Njc4LkJDN0M5MDM5",
                "Basic MDJBQTAxQUIxMjM0NTY3OA==",
                "Bearer x",
                "x" * 5000,
            ):
                answer = self.daemon.ask(
                    method, path, {}, serial=None, headers={"Authorization": authorization}
                )
                self.refused(answer, 400, authorization)
                self.assertEqual(answer.json, {"error": "Device serial required"})
                # Where everything is, is told to all.
                entry = self.daemon.ask(
                    "POST", "/nest/entry", b"", serial=None, headers={"Authorization": authorization}
                )
                self.assertEqual((entry.status, len(entry.json)), (200, 11))
