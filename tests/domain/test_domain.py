"""The rules, each on plain values."""

import json
from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from nled.domain.buckets import ObjectKey, claimed, encode, is_foreign, kind_of, parse_key
from nled.domain.entry import Origin, entry, parse_form
from nled.domain.errors import BadRequest
from nled.domain.pairing import ALPHABET, CODES, new_code, parse_code, parse_user, structure_id
from nled.domain.requests import MOST_FIELDS, MOST_OBJECTS, parse_put, parse_subscribe
from nled.domain.serials import from_session, identify
from nled.domain.wire import Receipt, Update, document

SERIAL = "02AA01AC33140F61"
NOW = 1_795_000_000_000


def basic(user: str, password: str = "secret") -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


class Serials(SynchronousTestCase):
    def test_sources_in_their_order(self) -> None:
        rows = [
            (basic(f"d.{SERIAL}.BC7C9039"), SERIAL),
            (basic(f"nest.{SERIAL}"), SERIAL),
            (basic(SERIAL.lower()), SERIAL),
            (basic("d..X") | {"X-nl-device-id": SERIAL}, SERIAL),
            (basic(f"d.{SERIAL}.X") | {"X-nl-client-id": "d.09AA01AC421818BS.Y"}, SERIAL),
            ({"X-nl-client-id": f"d.{SERIAL}.Y"}, SERIAL),
            ({"X-nl-device-id": "02aa-01ac-3314-0f61"}, SERIAL),
            ({"X-NL-Device-Serial": SERIAL}, SERIAL),
            ({"X-nl-device-id": "123456789"}, None),
            ({"X-nl-device-id": "X" * 33}, None),
            ({"Authorization": "Bearer nle_00"}, None),
            ({"Authorization": "Basic %%%"}, None),
            ({"Authorization": "Basic"}, None),
            # Credentials are a user, a colon and a password (RFC 7617).
            ({"Authorization": "Basic " + b64encode(f"d.{SERIAL}.X".encode()).decode()}, None),
            ({"Authorization": "Basic " + b64encode(SERIAL.encode()).decode()}, None),
            ({}, None),
        ]
        for headers, serial in rows:
            self.assertEqual(identify(headers.get).serial, serial, headers)
        self.assertEqual(identify({}.get, SERIAL, "02AA01AC33140F62").serial, SERIAL)
        self.assertEqual(identify({}.get, None, SERIAL).serial, SERIAL)

    def test_the_password_is_kept_out_of_sight(self) -> None:
        identity = identify(basic(f"d.{SERIAL}.X", "a:b").get)
        self.assertEqual(identity.password, b"a:b")
        self.assertNotIn("a:b", repr(identity))

    def test_mac_and_session(self) -> None:
        self.assertTrue(identify(basic("18b430119e95").get).is_mac)
        self.assertFalse(identify(basic(SERIAL).get).is_mac)
        self.assertEqual(from_session(f"18b430119e95{SERIAL.lower()}"), ("18B430119E95", SERIAL))
        for odd in (None, 5, "", "18b430119e95", "zz"):
            self.assertIsNone(from_session(odd))


class Buckets(SynchronousTestCase):
    def test_keys(self) -> None:
        self.assertEqual(parse_key(f"shared.{SERIAL.lower()}", SERIAL), ObjectKey("shared", SERIAL))
        self.assertEqual(str(parse_key("structure.some-id", SERIAL)), "structure.some-id")
        for bad in (
            None,
            1,
            "",
            "shared",
            "shared.",
            ".x",
            "Shared.x",
            "shared.a b",
            "shared.ä",
            "x." + "y" * 81,
        ):
            self.assertIsNone(parse_key(bad, SERIAL), bad)

    def test_foreign(self) -> None:
        self.assertTrue(is_foreign(ObjectKey("shared", "02AA01AC33140F62"), SERIAL))
        self.assertFalse(is_foreign(ObjectKey("shared", SERIAL), SERIAL))
        self.assertFalse(is_foreign(ObjectKey("kryptonite", "22AA01AC33140F62"), SERIAL))

    def test_claimed(self) -> None:
        ten_years = 3650 * 86_400_000
        rows = [
            (5, 5),
            (0, 0),
            (NOW + ten_years, NOW + ten_years),
            (NOW + ten_years + 1, 0),
            (-1, 0),
            (1.5, 0),
            (7.0, 7),
        ]
        for claim, means in rows:
            self.assertEqual(claimed(claim, NOW), means)

    def test_encoding_is_ascii_and_the_same_value(self) -> None:
        for value in ("Zoë", "🏠", 'a"\\\x00', {"ä": [1, 2.5, None, True]}):
            text = encode(value)
            self.assertTrue(text.isascii())
            self.assertEqual(json.loads(text), value)

    def test_momentary(self) -> None:
        self.assertEqual(kind_of("shared", "target_temperature"), "m")
        self.assertEqual(kind_of("shared", "touched_by"), "c")
        self.assertEqual(kind_of("shared", "target_temperature_type"), "s")
        self.assertEqual(kind_of("unheard_of", "x"), "s")


class Requests(SynchronousTestCase):
    def subscribe(self, *objects: object, **more: object) -> object:
        return parse_subscribe({"objects": list(objects), **more}, SERIAL, NOW)

    def test_both_forms_of_a_subscribe(self) -> None:
        entry = {"object_key": f"shared.{SERIAL}", "object_revision": 4, "object_timestamp": 9}
        one = self.subscribe(entry, chunked=True)
        other = parse_subscribe({"chunked": True, "shared": entry, "session": "s"}, SERIAL, NOW)
        dotted = parse_subscribe({"chunked": True, f"shared.{SERIAL}": {"object_timestamp": 9}}, SERIAL, NOW)
        self.assertEqual(one.listed, other.listed)
        self.assertEqual(one.listed, dotted.listed)
        self.assertEqual((one.chunked, one.listed[0].timestamp), (True, 9))

    def test_what_devices_get_wrong_counts_as_nothing(self) -> None:
        for timestamp in (None, -5, 1.5, 10**30):
            entry = {
                "object_key": f"shared.{SERIAL}",
                "object_timestamp": timestamp,
                "object_revision": -32768,
            }
            self.assertEqual(self.subscribe(entry).listed[0].timestamp, 0)

    def test_a_bad_object_does_not_spoil_a_good_one(self) -> None:
        good = {"object_key": f"shared.{SERIAL}"}
        for bad in (
            1,
            None,
            [],
            {},
            {"object_key": 5},
            good | {"object_timestamp": "9"},
            good | {"value": "x"},
        ):
            self.assertEqual(len(self.subscribe(bad, good).listed), 1)
            with self.assertRaises(BadRequest):
                self.subscribe(bad)

    def test_bodies_that_are_none(self) -> None:
        for body in (
            [],
            1,
            "x",
            None,
            {"objects": {}},
            {"objects": 1},
            {"objects": [1]},
            {"objects": [], "chunked": 1},
        ):
            with self.assertRaises(BadRequest):
                parse_subscribe(body, SERIAL, NOW)
            if body != {"objects": [], "chunked": 1}:
                with self.assertRaises(BadRequest):
                    parse_put(body, SERIAL)

    def test_bounds(self) -> None:
        key = {"object_key": f"shared.{SERIAL}"}
        deep: object = 1
        for _ in range(40):
            deep = [deep]
        for values in ({"x": deep}, dict.fromkeys(map(str, range(MOST_FIELDS + 1)))):
            with self.assertRaises(BadRequest):
                parse_put({"objects": [key | {"value": values}]}, SERIAL)
        with self.assertRaises(BadRequest):
            self.subscribe(*[key] * (MOST_OBJECTS + 1))

    def test_both_forms_of_a_put(self) -> None:
        key = f"shared.{SERIAL}"
        values = {"target_temperature": 21.5, "target_change_pending": False}
        meta = {"object_key": key, "if_object_revision": 457, "base_object_revision": 3}
        (one,) = parse_put({"objects": [meta | {"value": values}]}, SERIAL)
        (other,) = parse_put(
            {"session": "s", key: meta | values | {"object_revision": 1, "object_timestamp": 2}}, SERIAL
        )
        self.assertEqual(one, other)
        self.assertEqual((one.base, one.expect), (3, 457))
        self.assertEqual(one.values, {"target_temperature": "21.5", "target_change_pending": "false"})

    def test_revisions(self) -> None:
        key = f"shared.{SERIAL}"
        rows = [(None, None), (-32768, -1), (2**31, -1), (1.5, -1), (4.0, 4)]
        for sent, means in rows:
            (put,) = parse_put({"objects": [{"object_key": key, "base_object_revision": sent}]}, SERIAL)
            self.assertEqual(put.base, means)
        for bad in (True, "7", []):
            with self.assertRaises(BadRequest):
                parse_put({"objects": [{"object_key": key, "if_object_revision": bad}]}, SERIAL)


class Wire(SynchronousTestCase):
    def test_the_order_of_keys(self) -> None:
        receipt = Receipt(2, 7, "shared.S")
        self.assertEqual(
            document([receipt, Update(receipt, {"a": "1", 'b"': "[true]"})]),
            b'{"objects":[{"object_revision":2,"object_timestamp":7,"object_key":"shared.S"},'
            b'{"object_revision":2,"object_timestamp":7,"object_key":"shared.S","value":{"a":1,"b\\"":[true]}}]}',
        )
        self.assertEqual(document([]), b'{"objects":[]}')


class Entry(SynchronousTestCase):
    def test_local(self) -> None:
        answer = json.loads(entry(Origin("http", "10.0.0.2", 80), "local"))
        self.assertEqual(
            list(answer),
            [
                "czfe_url",
                "transport_url",
                "direct_transport_url",
                "passphrase_url",
                "ping_url",
                "pro_info_url",
                "weather_url",
                "upload_url",
                "software_update_url",
                "server_version",
                "tier_name",
            ],
        )
        self.assertEqual(answer["weather_url"], "http://10.0.0.2:80/nest/weather/v1?query=")
        self.assertEqual((answer["software_update_url"], answer["server_version"]), ("", "1.0.1"))

    def test_hosted(self) -> None:
        answer = json.loads(entry(Origin("https", "example.org", 443), "hosted"))
        self.assertEqual(
            list(answer),
            [
                "transport_url",
                "weather_url",
                "czfe_url",
                "direct_transport_url",
                "passphrase_url",
                "upload_url",
                "software_update_url",
                "server_version",
                "tier_name",
            ],
        )
        self.assertEqual(answer["transport_url"], "https://example.org:443")

    def test_origin(self) -> None:
        rows = [
            ("http://nled.lan", "http://nled.lan:8000"),
            ("https://nled.lan:443", "https://nled.lan:443"),
            ("http://[fd00::1]", "http://[fd00::1]:8000"),
        ]
        for text, origin in rows:
            self.assertEqual(str(Origin.parse(text, 8000)), origin)

    def test_form(self) -> None:
        body = b"reset=FALSE&mac=18B430ABCDEF&model=Diamond-2.6&request_id=1&software_version=5.9.3-5&x=y"
        facts = {
            "reset": "FALSE",
            "mac": "18B430ABCDEF",
            "model": "Diamond-2.6",
            "software_version": "5.9.3-5",
        }
        self.assertEqual(parse_form(body), facts)
        for garbled in (
            b"",
            b"\xff\xfe",
            b"{}",
            b"&&&",
            b"a=b&" * 100,
            b"mac=zz",
            b"model=" + b"x" * 65,
            b"model=%00",
        ):
            self.assertEqual(parse_form(garbled), {}, garbled)


class Pairing(SynchronousTestCase):
    def test_codes(self) -> None:
        self.assertEqual(new_code(0), ALPHABET[0] * 7)
        self.assertEqual(new_code(CODES - 1), ALPHABET[-1] * 7)
        self.assertEqual(len({new_code(number) for number in range(1000)}), 1000)
        self.assertTrue(set(ALPHABET).isdisjoint("01OIL"))
        for typed in ("A3XR7M2", "a3x-r7m2", " A3X R7M2 ", "a3xr7m2"):
            self.assertEqual(parse_code(typed), "A3XR7M2")
        for bad in (None, 5, "", "A3XR7M", "A3XR7M22", "A3X_R7M2", "Ä3XR7M2"):
            with self.assertRaises(BadRequest):
                parse_code(bad)

    def test_users(self) -> None:
        self.assertEqual(parse_user("ann@example.org"), "ann@example.org")
        for bad in (None, "", "a b", "x" * 65, '"', "{a}"):
            with self.assertRaises(BadRequest):
                parse_user(bad)
        self.assertEqual(
            [structure_id(user) for user in ("user_ann", "ann", "my_user_x", "user_")],
            ["ann", "ann", "my_user_x", "user_"],
        )
