"""How much is kept and handled at a time, and whose turn it is."""

import sys
from collections.abc import Callable

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from nled.web.bodies import MIB, MOST, MOST_FROM_ONE, MOST_IN_HAND, MOST_IN_HAND_FROM_ONE, Bodies, weight


class BodiesTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.relieved = 0
        self.began: list[str] = []
        self.bodies = Bodies(self.relief)

    def relief(self) -> None:
        self.relieved += 1

    def going(self, name: str) -> Callable[[], None]:
        return lambda: self.began.append(name)


class Kept(BodiesTestCase):
    def test_of_one_address_and_of_all(self) -> None:
        self.bodies.keep("a", MOST_FROM_ONE)
        self.assertFalse(self.bodies.too_many("a"))
        self.bodies.keep("a", 1)
        self.assertEqual([self.bodies.too_many(who) for who in "ab"], [True, False])
        self.bodies.let_go("a", 1)
        for who in "bcd":
            self.bodies.keep(who, MOST_FROM_ONE)
        self.assertEqual((self.bodies.held, self.bodies.too_many("e")), (MOST, False))
        self.bodies.keep("e", 1)
        self.assertTrue(self.bodies.too_many("f"))

    def test_nothing_is_remembered_of_those_who_have_none(self) -> None:
        self.bodies.keep("a", 5)
        self.bodies.let_go("a", 5)
        self.bodies.take_turn("a", 5, lambda: self.bodies.end_turn("a", 5))
        self.assertEqual((self.bodies.held_from, self.bodies.in_hand_from), ({}, {}))

    def test_relief(self) -> None:
        """Once after much was kept, and not after little."""
        for size, relieved in ((MIB, 0), (8 * MIB, 1), (4 * MIB, 1), (8 * MIB, 2)):
            self.bodies.keep("a", size)
            self.bodies.let_go("a", size)
            self.assertEqual(self.relieved, relieved, size)


class Turns(BodiesTestCase):
    def test_mostly_at_once(self) -> None:
        for number in range(100):
            self.bodies.take_turn("a", 1000, self.going(str(number)))
        self.assertEqual(len(self.began), 100)

    def test_a_large_one_has_its_turn_too(self) -> None:
        self.bodies.take_turn("a", 2 * MOST_IN_HAND, self.going("large"))
        self.bodies.take_turn("b", 1, self.going("small"))
        self.assertEqual(self.began, ["large"])
        self.bodies.end_turn("a", 2 * MOST_IN_HAND)
        self.assertEqual(self.began, ["large", "small"])

    def test_one_address_does_not_keep_others_waiting(self) -> None:
        for number in range(6):
            self.bodies.take_turn("a", MOST_IN_HAND_FROM_ONE // 2, self.going(f"a{number}"))
        self.bodies.take_turn("b", 1, self.going("b"))
        self.assertEqual(self.began, ["a0", "a1", "b"])
        self.bodies.end_turn("a", MOST_IN_HAND_FROM_ONE // 2)
        self.assertEqual(self.began[3:], ["a2"])

    def test_those_who_wait_come_in_turn(self) -> None:
        self.bodies.take_turn("x", MOST_IN_HAND, self.going("x"))
        for name in ("a0", "a1", "b0", "a2", "b1"):
            self.bodies.take_turn(name[0], MOST_IN_HAND, self.going(name))
        self.bodies.end_turn("x", MOST_IN_HAND)
        for who in "aba":
            self.bodies.end_turn(who, MOST_IN_HAND)
        self.assertEqual(self.began, ["x", "a0", "b0", "a1", "b1"])

    def test_any_number_that_are_handled_at_once(self) -> None:
        """Not one within the other, which would end at Python's limit."""
        count = 2 * sys.getrecursionlimit()
        self.bodies.take_turn("a", MOST_IN_HAND, lambda: None)
        for _ in range(count):
            self.bodies.take_turn("b", 1, lambda: (self.began.append(""), self.bodies.end_turn("b", 1)))
        self.bodies.end_turn("a", MOST_IN_HAND)
        self.assertEqual((len(self.began), self.bodies.in_hand), (count, 0))


class Weight(SynchronousTestCase):
    def test_it_is_no_less_than_what_is_decoded(self) -> None:
        """Nor far more, or thermostats would wait for nothing."""
        for piece in (
            b"[]",
            b"{}",
            b"[0]",
            b'{"":0}',
            b'{"a":{"b":1.5}}',
            b"1.5",
            b"12345",
            b'"ab"',
            b"null",
            b'"' + b"x" * 1000 + b'"',
        ):
            body = b"[" + b",".join([piece] * 10_000) + b"]"
            size = size_of(msgspec.json.decode(body))
            self.assertGreater(1.25 * weight(body), size, piece)
            self.assertLess(weight(body), 8 * (size + len(body)), piece)


def size_of(value: object) -> int:
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        # Names are the same text each time.
        return size + sum(map(size_of, value.values()))
    return size + (sum(map(size_of, value)) if isinstance(value, list) else 0)
