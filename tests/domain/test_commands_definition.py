"""A command is what its definition says: what the types allow is taken, and what is taken the types allow."""

from typing import Any, get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.commands import COMMANDS, HOSTED, Command, Hosted, rule_of
from nled.domain.errors import BadRequest
from tests.domain.test_commands_plan import JSON
from tests.domain.thermostats import EXAMPLES, MOMENT, thermostat

# What a type does not say: how fields go together, and with the time.
RELATIONS = r" under |must have |needs |another entry|since 1970|entry_type|printable"


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:  # noqa: PLR0911, PLR0912 - a table
    """Values of a type, as JSON has them."""
    match kind:
        case inspect.Metadata(extra_json_schema={"enum": choices}):
            return st.sampled_from(choices)
        case inspect.Metadata(extra_json_schema={"const": only}):
            return st.just(only)
        case inspect.Metadata(extra_json_schema={"minProperties": 1}):
            return values(kind.type).filter(bool)
        case inspect.Metadata():
            return values(kind.type)
        case inspect.UnionType(types=kinds):
            return st.one_of(*map(values, kinds))
        case inspect.IntType(ge=low, lt=high):
            return st.integers(low, (high or 10) - 1)
        case inspect.FloatType(multiple_of=1, ge=low, le=high):
            return st.integers(low, high)
        case inspect.FloatType(ge=low, le=high):
            return st.floats(low, high) | st.sampled_from([low, high])
        case inspect.LiteralType(values=choices):
            return st.sampled_from(choices)
        case inspect.StrType(pattern=str(pattern)):
            return st.from_regex(pattern, alphabet=st.characters(codec="ascii"), fullmatch=True)
        case inspect.StrType(max_length=most):
            return st.text(st.characters(categories=["L", "N"]), max_size=most)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.ListType(item_type=item):
            return st.lists(values(item), max_size=3)
        case inspect.DictType(value_type=value):
            return st.dictionaries(st.text(max_size=3), values(value), max_size=3)
        case inspect.StructType(fields=fields, tag_field=tag, tag=name):
            given = {each.encode_name: values(each.type) for each in fields if each.required}
            if tag:
                given[tag] = st.just(name)
            more = {each.encode_name: values(each.type) for each in fields if not each.required}
            return st.fixed_dictionaries(given, optional=more)
    raise AssertionError(kind)


class Definition(SynchronousTestCase):
    def test_all_is_said(self) -> None:
        for each in COMMANDS.values():
            self.assertTrue(each.about.endswith("."), each.name)
            self.assertTrue(each.examples, each.name)
            self.assertTrue(each.writes, each.name)
            self.assertEqual(rule_of(each.name), each)

    def test_examples_are_taken_and_described(self) -> None:
        for each in (*COMMANDS.values(), *HOSTED):
            for value in each.examples:
                self.assertTrue(each(value, thermostat(), MOMENT), value)
                self.assertTrue(any(fits(value, kind) for kind in kinds_of(each)), value)

    @EXAMPLES
    @given(st.data(), st.sampled_from([*COMMANDS.values(), *HOSTED]))
    def test_what_is_described_is_taken(self, data: Any, rule: Any) -> None:
        kinds = [kind for kind in kinds_of(rule) if kind is not object]
        value = data.draw(st.one_of(values(inspect.type_info(kind)) for kind in kinds)) if kinds else None
        try:
            self.assertTrue(rule(value, thermostat(), MOMENT))
        except BadRequest as refused:
            self.assertRegex(str(refused), RELATIONS)

    @EXAMPLES
    @given(st.sampled_from(sorted(COMMANDS)), JSON)
    def test_what_is_taken_is_described(self, name: str, value: object) -> None:
        rule = rule_of(name)
        try:
            rule(value, thermostat(), MOMENT)
        except BadRequest:
            return
        # Names are taken in any case, which no schema can say, and a few by a second name; 900.0 is an integer to one.
        if rule.described is object or name in ("set_mode", "set_schedule_mode", "set_device_setting"):
            return
        self.assertTrue(fits(value, rule.described) or name == "set_schedule", value)


def kinds_of(rule: Command[Any] | Hosted) -> list[Any]:
    """The types that are described; msgspec has no union of Structs without a tag."""
    union = isinstance(rule, Hosted) and not isinstance(rule.described, type)
    return list(get_args(rule.described)) if union else [rule.described]


def fits(value: object, kind: Any) -> bool:
    if kind is object:
        return True
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True
