"""What is wrong with a body or a query, in one sentence that names the field."""

from enum import Enum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.errors import BadRequest
from nled.web.decoding import Body, Query


class Kind(Enum):
    ONE = "one"
    TWO = "two"


class Sides(Struct):
    low: float | None = None
    mode: Literal["heat", "cool"] | None = None


class Order(Struct, rename="camel"):
    serial: str
    user_id: str = "nobody"
    value: Sides | float | None = None
    mode: Literal["heat", "cool", "off"] = "off"
    kind: Kind | None = None
    count: Annotated[int, Meta(ge=1, le=30)] = 1
    share: Annotated[float, Meta(gt=0, lt=0.5)] = 0.1
    name: Annotated[str, Meta(min_length=2, max_length=4)] = "abc"
    code: Annotated[str, Meta(pattern="^[0-9]+$")] = "1"
    on: bool = False
    days: Annotated[list[int], Meta(max_length=2)] = []
    names: dict[str, int] = {}


class Strict(Struct, forbid_unknown_fields=True):
    known: int = 0


class Asked(Struct):
    serial: str
    wait: Annotated[float, Meta(ge=0, le=30)] = 0.0
    most: int | None = None
    all: bool = False


class BodyTests(SynchronousTestCase):
    def refused(self, body: bytes, kind: Any = Order, missing: dict[str, str] | None = None) -> str:
        return str(self.assertRaises(BadRequest, Body(kind, missing or {}).decode, body))

    def test_it_is_decoded(self):
        order = Body(Order, {}).decode(b'{"serial": "S", "userId": "U", "value": {"low": 0}, "more": []}')
        self.assertEqual((order.serial, order.user_id, order.value.low), ("S", "U", 0.0))

    def test_no_json(self):
        for body in (b"", b"{", b"NaN", b'{"serial": "\xff"}', b'{"serial": "\\ud800"}', b"x=1"):
            self.assertTrue(self.refused(body).startswith("Invalid JSON: "), body)
        deep = b"[" * 100_000
        self.assertEqual(self.refused(deep, kind=Any), "Invalid JSON: nested too deeply.")

    def test_no_object(self):
        rows = (
            (b"[]", "a list"),
            (b"null", "null"),
            (b'"x"', "text"),
            (b"1", "a number"),
            (b"true", "true or false"),
        )
        for body, found in rows:
            self.assertEqual(self.refused(body), f"The body must be an object, it is {found}.")

    def test_each_kind_of_wrong(self):
        for fields, sentence in (
            ('"serial": 5', "serial must be text, it is a number."),
            ('"value": {"low": "x"}', "value.low must be a number or null, it is text."),
            ('"value": {"mode": "warm"}', "value.mode must be one of cool, heat."),
            ('"value": []', "value must be an object or a number or null, it is a list."),
            ('"mode": "warm"', "mode must be one of cool, heat, off."),
            ('"mode": 1', "mode must be one of cool, heat, off, it is a number."),
            ('"kind": "three"', "kind must be one of one, two."),
            ('"count": 1.5', "count must be a whole number, it is a number."),
            ('"count": 0', "count must be at least 1."),
            ('"count": 31', "count must be at most 30."),
            ('"count": 1e999', "count is a number out of range."),
            ('"share": 0', "share must be more than 0."),
            ('"share": 0.5', "share must be less than 0.5."),
            ('"share": 1e999', "share is a number out of range."),
            ('"name": "a"', "name must have at least 2 characters."),
            ('"name": "abcde"', "name must have at most 4 characters."),
            ('"code": "x"', "code does not have the form that is needed here."),
            ('"on": 1', "on must be true or false, it is a number."),
            ('"days": [1, "x"]', "days[1] must be a whole number, it is text."),
            ('"days": [1, 2, 3]', "days must have at most 2 entries."),
            ('"names": {"x": null}', "names[...] must be a whole number, it is null."),
        ):
            self.assertEqual(self.refused(b'{"serial": "S", %b}' % fields.encode()), sentence)

    def test_unknown_names_where_they_are_refused(self):
        self.assertEqual(self.refused(b'{"other": 1}', Strict), "other is not known here.")

    def test_what_was_sent_is_not_repeated(self):
        for body in (
            b'{"serial": "S", "mode": "hunter2"}',
            b'{"serial": "S", "names": {"hunter2": "hunter2"}}',
        ):
            self.assertNotIn("hunter2", self.refused(body))

    def test_an_exact_sentence_for_what_is_missing(self):
        missing = {"serial": "Serial required", "userId": "Whose?"}
        for body in (b"{}", b'{"serial": null}', b'{"serial": ""}'):
            self.assertEqual(self.refused(body, missing=missing), "Serial required")
        for body in (b'{"serial": "S", "userId": null}', b'{"serial": "S", "userId": ""}'):
            self.assertEqual(self.refused(body, missing=missing), "Whose?")
        self.assertEqual(
            self.refused(b'{"serial": 5}', missing=missing), "serial must be text, it is a number."
        )
        self.assertEqual(self.refused(b"{}"), "serial is missing.")

    def test_an_exact_sentence_where_an_empty_text_is_out_of_bounds(self):
        class Named(Struct):
            name: Annotated[str, Meta(min_length=1)]

        self.assertEqual(self.refused(b'{"name": ""}', Named, {"name": "Name required"}), "Name required")

    def test_a_body_may_be_left_out_where_all_of_it_may(self):
        self.assertEqual(Body(Sides, {}).decode(b""), Sides())


class QueryTests(SynchronousTestCase):
    def refused(self, missing: dict[str, str] | None = None, /, **args: Any) -> str:
        given = {name.encode(): each if isinstance(each, list) else [each] for name, each in args.items()}
        return str(self.assertRaises(BadRequest, Query(Asked, missing or {}).decode, given))

    def test_it_is_decoded(self):
        query = Query(Asked, {}).decode(
            {
                b"serial": [b"S"],
                b"wait": [b"1.5"],
                b"most": [b"7"],
                b"all": [b"true"],
                b"other": [b"x", b"\xff"],
            }
        )
        self.assertEqual(query, Asked("S", 1.5, 7, all=True))

    def test_each_kind_of_wrong(self):
        for args, sentence in (
            ({"serial": [b"A", b"B"]}, "serial is given 2 times; give it once."),
            ({"serial": b"\xff"}, "serial is not UTF-8."),
            ({"serial": b"x" * 1025}, "serial may have at most 1024 bytes."),
            ({}, "serial is missing."),
            ({"serial": b"S", "wait": b"soon"}, "wait must be a number, it is text."),
            ({"serial": b"S", "wait": b""}, "wait must be a number, it is text."),
            ({"serial": b"S", "wait": b"31"}, "wait must be at most 30."),
            ({"serial": b"S", "wait": b"nan"}, "wait must be at least 0."),
            ({"serial": b"S", "most": b"1_0"}, "most must be a whole number or null, it is text."),
            ({"serial": b"S", "all": b"perhaps"}, "all must be true or false, it is text."),
        ):
            self.assertEqual(self.refused(**args), sentence)

    def test_an_exact_sentence_for_what_is_missing(self):
        missing = {"serial": "Serial parameter required"}
        self.assertEqual(self.refused(missing), "Serial parameter required")
        self.assertEqual(self.refused(missing, serial=b""), "Serial parameter required")
