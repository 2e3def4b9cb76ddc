"""What counts as the same value, against Python's own numbers: nothing changed, nothing minted."""

import socket
from decimal import Decimal
from typing import Any

import hiredis
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.buckets import encode
from nled.store.scripts import WRITING, load
from tests.store.support import shared_server

_integers = st.integers() | st.sampled_from([2**53, 2**53 + 1, 2**63, 2**64, 10**22, 10**400, 0])
_floats = st.floats(allow_nan=False, allow_infinity=False)
_numbers = _integers | _floats | _floats.map(lambda x: round(x, 1)) | st.integers(-40, 40).map(float)
_texts = st.text(max_size=4) | st.sampled_from(['"', "\\", '\\"', "{", "[]", "{}", ",", "]", "é", "1", "\n"])
_values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)


def exact(value: Any) -> Any:
    """Write a value so that Python's == compares it as it should be."""
    if isinstance(value, bool) or value is None:
        return ("word", value)
    if isinstance(value, int | float):
        # As the text says, not as its double is rounded.
        return ("number", Decimal(encode(value)))
    if isinstance(value, list):
        return ("list", [exact(each) for each in value])
    if isinstance(value, dict):
        return ("object", {name: exact(each) for name, each in value.items()})
    return ("text", value)


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two values, of which the second is often nearly the first."""
    value = draw(_values)
    return value, draw(st.one_of(_values, st.just(value), st.just(_turned(value)), st.just(_nudged(value))))


def _turned(value: Any) -> Any:
    """Write the same in other words: integers as fractions where they are exact, members the other way round."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**1000:
        return float(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_turned(each) for each in value]
    if isinstance(value, dict):
        return {name: _turned(value[name]) for name in reversed(value)}
    return value


def _nudged(value: Any) -> Any:
    """Change as little as can be: a last digit, or what is empty for what is empty."""
    if isinstance(value, int):
        return value + 1
    if value in ([], {}):
        return {} if isinstance(value, list) else []
    if isinstance(value, list):
        return [*map(_nudged, value[:1]), *value[1:]]
    if isinstance(value, dict):
        return {name: _nudged(each) for name, each in value.items()}
    return value


class EqualTests(SynchronousTestCase):
    """The scripts' own function, run by a real server."""

    def setUp(self) -> None:
        self.store = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.store.close)
        self.store.settimeout(20)
        self.store.connect(str(shared_server().socket))
        self.reader = hiredis.Reader(encoding="utf-8")
        # The part that all writing scripts share, and a last line.
        self.script = "\n".join(
            (*load("put", WRITING).parts[:-1], "return tostring(equal(ARGV[2], ARGV[3]))")
        )

    def equal(self, one: Any, other: Any) -> bool:
        request = '{"serial": "X", "now": 0}'
        words = ("EVAL", self.script, "0", request, encode(one), encode(other))
        self.store.sendall(hiredis.pack_command(words))
        while (reply := self.reader.gets()) is False:
            self.reader.feed(self.store.recv(65536))
        self.assertIn(reply, ("true", "false"))
        return bool(reply == "true")

    @settings(max_examples=400, deadline=None)
    @example((2**53, 2**53 + 1))
    @example((2**53 + 1, float(2**53)))
    @example(({"a": [2**53 + 1]}, {"a": [float(2**53)]}))
    @example(([[]], [{}]))
    @example(({"a": [], "b": {}}, {"a": {}, "b": []}))
    @example(({"a": [1.0], "b": -0.0}, {"b": 0, "a": [1]}))
    @example((1e22, 10**22))
    @example((1e-7, 0.0000001))
    @example((10**400, 10**400 + 1))
    @example(({"a": [10**400]}, {"a": [10**400 + 1]}))
    @example((0.1, 0.10000000000000002))
    @example((['"}'], ['"]']))
    @given(_pairs())
    def test_as_python_has_it(self, pair: tuple[Any, Any]) -> None:
        one, other = pair
        self.assertEqual(self.equal(one, other), exact(one) == exact(other), (encode(one), encode(other)))
        self.assertEqual(self.equal(other, one), exact(one) == exact(other))
