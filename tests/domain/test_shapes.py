"""What the description says of texts, against those who read them."""

import re
from collections.abc import Callable
from datetime import UTC
from typing import Any, get_args

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nled.domain import shapes
from nled.domain.errors import BadRequest
from nled.domain.history import moment, parse_series
from nled.domain.lan import parse_api_key
from nled.domain.pairing import parse_code, parse_user
from nled.domain.people import parse_invite
from nled.domain.serials import from_opaque, opaque, sanitize

SERIAL = "02AA01AB12345678"
TOKEN = "nli_" + "0f" * 32


def accepts(read: Callable[..., Any], *more: Any) -> Callable[[str], bool]:
    def accepted(text: str) -> bool:
        try:
            return read(text, *more) is not None
        except BadRequest:
            return False

    return accepted


# Letters that these readers care about, so that a good part of all texts is right.
TEXTS = st.text("0123456789abfABZ-_ .,@+\n\u00e9'\"/~", max_size=40)
SHAPES: tuple[tuple[Any, Callable[[str], bool], tuple[str, ...]], ...] = (
    (
        shapes.Serial,
        accepts(sanitize),
        (SERIAL, SERIAL.lower(), "02AA-01AB 1234.5678", "02AA01AB1", "A" * 32, "A" * 33),
    ),
    (shapes.UserId, accepts(parse_user), ("ann", "ann@example.org", "", "a b", "a" * 64, "a" * 65, "ann\n")),
    (shapes.EntryCode, accepts(parse_code), ("ABC-D234", "abc d234", " abcd234\n", "ABCD23", "ABCD2345")),
    (shapes.InviteToken, accepts(parse_invite), (TOKEN, TOKEN[:-1], TOKEN.upper(), "nle_" + TOKEN[4:])),
    (shapes.PageKey, accepts(parse_api_key), ("aB3xK9", "", 'a"b', "a b", "a\\b", "a" * 128, "a" * 129)),
    (
        shapes.SeriesNames,
        accepts(parse_series),
        ("", "mode", "mode, fan,", ",,mode", "modes", "mode fan ,", "mode,x"),
    ),
)


def pattern_of(shape: Any) -> str:
    [meta] = get_args(shape)[1:]
    return meta.extra_json_schema["pattern"]


def fits(shape: Any, text: str) -> bool:
    # In ECMA 262, `$` is the very end.
    return re.fullmatch(pattern_of(shape).removeprefix("^").removesuffix("$"), text) is not None


class ShapeTests(SynchronousTestCase):
    def test_the_pattern_is_what_is_read(self):
        for shape, accepted, texts in SHAPES:
            for text in texts:
                with self.subTest(pattern=pattern_of(shape), text=text):
                    self.assertEqual(fits(shape, text), accepted(text))
            self.assertEqual({accepted(text) for text in texts}, {True, False})

    @given(st.sampled_from(SHAPES), TEXTS)
    @example(SHAPES[0], "\u00e9" * 12)
    def test_of_any_text(self, about: tuple[Any, Callable[[str], bool], Any], text: str):
        shape, accepted, _ = about
        self.assertEqual(fits(shape, text), accepted(text), pattern_of(shape))

    def test_in_paths_it_is_stricter(self):
        for text in (SERIAL, opaque(SERIAL), opaque("A" * 10), opaque("Z" * 32)):
            self.assertTrue(fits(shapes.DeviceId, text), text)
            self.assertIsNotNone(from_opaque(text))
        self.assertTrue(fits(shapes.PathSerial, "02AA01AB-12345678"))
        for text in ("dev_", "a/b" * 4, "02AA01AB 12345678"):
            self.assertFalse(fits(shapes.DeviceId, text), text)
            self.assertFalse(fits(shapes.PathSerial, text), text)

    def test_examples(self):
        for name, shape in vars(shapes).items():
            for meta in get_args(shape)[1:] if name in shapes.__annotations__ else ():
                for text in meta.examples or ():
                    if "pattern" in meta.extra_json_schema and "\\p" not in pattern_of(shape):
                        self.assertTrue(fits(shape, text), (name, text))
        for text in get_args(shapes.Moment)[1].examples:
            self.assertGreater(moment(text, UTC), 1_700_000_000_000)
