"""What is wrong with a value is said in words of our own, for whatever msgspec refuses."""

from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType, inspect
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.errors import BadRequest
from nled.domain.reading import Reader, Refusals, wanted
from tests.domain.thermostats import EXAMPLES

Degrees = Annotated[float, Meta(ge=4.5, le=32.0, extra={"unit": "°C"})]
Seconds = Annotated[float, Meta(ge=0, le=900, multiple_of=1, extra={"unit": "seconds"})]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{4}$", extra={"form": "four hexadecimal digits"})]


class Kind(Enum):
    ONE = "one"
    TWO = "two"


class Sides(Struct, forbid_unknown_fields=True):
    low: Degrees | UnsetType = UNSET
    high: Degrees | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.low is UNSET and self.high is UNSET:
            raise ValueError("low or high is needed.")


class Cat(Struct, tag_field="kind", tag="cat"):
    name: Annotated[str, Meta(min_length=1, max_length=3)]


class Dog(Struct, tag_field="kind", tag="dog"):
    age: Annotated[int, Meta(ge=0, lt=30)]


class All(Struct, rename="camel"):
    the_name: str
    sides: Annotated[Degrees | Sides, Meta(extra={"otherwise": "Degrees or sides!"})] = 20.0
    run: Literal["on", "off"] | Seconds = "on"
    kind: Kind | None = None
    pet: Cat | Dog | None = None
    hashed: Hash = "0000"
    pairs: list[tuple[int, float | None]] = []
    counts: Annotated[dict[Annotated[str, Meta(max_length=3)], bool], Meta(max_length=2)] = {}
    share: Annotated[float, Meta(gt=0, lt=0.5)] = 0.1
    days: Annotated[float, Meta(ge=1, multiple_of=1)] = 1.0
    whatever: Any = None


REFUSALS = Refusals(All)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(["on", "one", "cat", "dog", "00ff", 21, 900.0, 0.25, 10**400]),
)
NAMES = st.sampled_from(
    [
        "theName",
        "low",
        "high",
        "kind",
        "name",
        "age",
        *(each.encode_name for each in msgspec.structs.fields(All)),
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5).map(lambda fields: {"theName": "x", **fields})


class Reading(SynchronousTestCase):
    def refused(self, value: object, kind: Any, **more: Any) -> str:
        return str(self.assertRaises(BadRequest, Reader(kind, **more).read, "value", value))

    @EXAMPLES
    @given(VALUES | OBJECTS)
    def test_whatever_is_refused_has_words(self, value: object) -> None:
        try:
            msgspec.convert(value, All)
        except msgspec.ValidationError as error:
            said = REFUSALS.sentence("The body", value)
            self.assertNotIn("that is not possible", said, str(error))
            self.assertLess(len(said), 250)
        else:
            self.assertIn(
                "that is not possible", REFUSALS.sentence("The body", value), "nothing is wrong with it"
            )

    def test_numbers_with_a_unit(self) -> None:
        for value, told in (
            (99, "value must be from 4.5 to 32.0 °C, it is 99."),
            (10**400, "value must be from 4.5 to 32.0 °C."),
            (float("nan"), "value must be from 4.5 to 32.0 °C."),
            (True, "value must be a number from 4.5 to 32.0 °C, it is true or false."),
            ("20", "value must be a number from 4.5 to 32.0 °C, it is text."),
        ):
            self.assertEqual(self.refused(value, Degrees), told)
        self.assertEqual(self.refused(1.5, Seconds), "value must be a whole number of seconds, it is 1.5.")
        self.assertEqual(Reader(Seconds).read("value", 900.0), 900)

    def test_one_of_several(self) -> None:
        self.assertEqual(self.refused("of", Literal["on", "off"] | Seconds), "value must be one of off, on.")
        self.assertEqual(
            self.refused(None, Literal["on", "off"] | Seconds),
            'value must be "off", "on" or a whole number from 0 to 900 seconds, it is null.',
        )
        self.assertEqual(
            self.refused("x", Degrees | Sides),
            'value must be a number from 4.5 to 32.0 °C or {"low", "high"}, it is text.',
        )
        for value, told in (
            ({"low": 2}, "low must be from 4.5 to 32.0 °C, it is 2."),
            ({"mid": 20}, "mid is not known here."),
            ({}, "low or high is needed."),
        ):
            self.assertEqual(self.refused(value, Degrees | Sides), told)

    def test_told_apart_by_a_tag(self) -> None:
        for value, told in (
            ({"kind": "cow"}, "kind must be one of cat, dog."),
            ({"name": "x"}, "kind is missing."),
            ({"kind": "dog", "age": 30}, "age must be less than 30."),
        ):
            self.assertEqual(self.refused(value, Cat | Dog), told)

    def test_exact_sentences(self) -> None:
        self.assertEqual(self.refused("00fg", Hash), "value must be four hexadecimal digits.")
        self.assertEqual(self.refused({"theName": "", "sides": "x"}, All), "Degrees or sides!")
        missing = {"theName": "Name!"}
        for value in ({}, {"theName": None}):
            self.assertEqual(self.refused(value, All, missing=missing), "Name!")
        strict = Annotated[Sides, Meta(extra={"unknown": {"pin": "No PINs!"}})]
        self.assertEqual(self.refused({"pin": "1234"}, strict), "No PINs!")

    def test_one_is_picked(self) -> None:
        reader = Reader(Cat | Dog, pick=lambda value: Dog if "age" in value else Cat)
        self.assertEqual(reader.read("value", {"kind": "dog", "age": 3}), Dog(3))
        self.assertEqual(reader.read("value", {"kind": "cat", "name": "x"}), Cat("x"))
        self.assertRaises(BadRequest, reader.read, "value", [])

    def test_what_is_wanted(self) -> None:
        for kind, words in (
            (int | None, "a whole number or null"),
            (Annotated[int, Meta(ge=1, le=5, extra={"note": "days"})], "a whole number from 1 to 5 (days)"),
            (tuple[str, ...], "a list of text, as [a, b]"),
            (Hash, "four hexadecimal digits"),
            (int | float, "a number"),
        ):
            self.assertEqual(wanted(inspect.type_info(kind)), words)
