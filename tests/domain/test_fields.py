"""Views are made of what their fields declare."""

from typing import Annotated

from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.buckets import ObjectKey
from nled.domain.device import Bucket, Device
from nled.domain.fields import Facts, Maker, both, fact, flag, group, made, number, text, whole

SERIAL = "02AA01AC33140F61"


def facts(**buckets: dict[str, object]) -> Facts:
    keys = {kind: ObjectKey(kind, SERIAL) for kind in buckets}
    found = {str(keys[kind]): Bucket(keys[kind], 1, 1, values) for kind, values in buckets.items()}
    return Facts(Device(SERIAL, buckets=found), 1, 1, 0)


class Inner(Struct):
    on: Annotated[bool, flag("device.on")]


class View(Struct):
    twice: Annotated[float, made(lambda one, other: one + other, "degrees", "degrees")]
    degrees: Annotated[float, number(*both("degrees"), default=7.0)]
    count: Annotated[int, whole("device.count")]
    name: Annotated[str, text("shared.name", "device.name", "schedule.name")]
    inner: Annotated[Inner, group(Inner)]
    serial: Annotated[str, fact(lambda facts: facts.device.serial, {"where": ("wheres",)})]


class Views(SynchronousTestCase):
    def test_the_first_of_the_right_type_counts(self) -> None:
        make = Maker(View).make
        empty = View(14.0, 7.0, 0, "", Inner(on=False), SERIAL)
        self.assertEqual(make(facts()), empty)
        self.assertEqual(make(facts(shared={"degrees": True, "name": 5}, device={"on": 1})), empty)
        shared, own = {"degrees": "warm", "name": ""}, {"degrees": 2, "count": 2.9, "on": True}
        schedule = {"name": "Week"}
        self.assertEqual(
            make(facts(shared=shared, device=own, schedule=schedule)),
            View(4.0, 2.0, 2, "Week", Inner(on=True), SERIAL),
        )

    def test_what_is_read_is_what_is_declared(self) -> None:
        self.assertEqual(
            Maker(View).reads,
            {
                "shared": ("degrees", "name"),
                "device": ("degrees", "count", "name", "on"),
                "schedule": ("name",),
                "where": ("wheres",),
            },
        )

    def test_a_part_of_several_is_made_once(self) -> None:
        calls: list[Facts] = []
        part = fact(lambda facts: calls.append(facts) or len(calls))

        class Parts(Struct):
            one: Annotated[int, made(lambda count: count, part)]
            other: Annotated[int, made(lambda count: -count, part)]

        self.assertEqual(Maker(Parts).make(facts()), Parts(1, -1))

    def test_a_field_that_declares_nothing(self) -> None:
        class Silent(Struct):
            x: int

        self.assertIn("Silent.x", str(self.assertRaises(TypeError, Maker, Silent)))
