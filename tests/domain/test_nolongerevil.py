"""Rows of the other server's database, odd ones too, as records."""

import json

from twisted.trial.unittest import SynchronousTestCase

from nled.config.schema import Limits
from nled.domain.archive.checks import check
from nled.domain.archive.records import DeviceRecord, PersonRecord
from nled.domain.nolongerevil import COLUMNS, MOST_BYTES, convert

NOW = 1_760_000_000_000
AT = NOW - 86_400_000
SERIAL, OTHER, THIRD = "02AA01AC33140F61", "02AA01AC33140F62", "02AA01AC33140F63"


def row(table: str, *values: object) -> dict[str, object]:
    return dict(zip(COLUMNS[table], values, strict=True))


def state(serial, key, value, *, revision=7, timestamp=AT, updated=AT):
    text = value if isinstance(value, str | None | bytes) else json.dumps(value)
    return row("states", serial, key, revision, timestamp, text, updated)


def shared(serial=SERIAL, **more):
    return state(serial, f"shared.{serial}", {"target_temperature": 20.5}, **more)


def owned(serial=SERIAL, user="user_ann", at=AT):
    return row("deviceOwners", serial, user, at)


class NoLongerEvil(SynchronousTestCase):
    def converted(self, *rows, **tables):
        self.done = convert({"states": rows, **tables}, NOW)
        check(self.done.records, NOW)
        self.people = {each.user: each for each in self.done.records if isinstance(each, PersonRecord)}
        self.devices = {each.serial: each for each in self.done.records if isinstance(each, DeviceRecord)}
        return {bucket.key: bucket for each in self.devices.values() for bucket in each.buckets}

    def left_out(self, words: str) -> None:
        self.assertEqual(len(self.done.left_out), 1, self.done.left_out)
        self.assertIn(words, self.done.left_out[0])

    def test_nothing(self) -> None:
        self.assertEqual(self.converted(), {})
        self.assertEqual(convert({}, NOW).records, [])

    def test_what_is_the_devices_own(self) -> None:
        bucket = self.converted(shared())[f"shared.{SERIAL}"]
        self.assertEqual((bucket.marks, bucket.stamps), ({"r": 7, "t": AT}, {}))
        self.assertEqual(bucket.values, {"target_temperature": 20.5})
        device = self.devices[SERIAL]
        self.assertEqual((device.seen, device.facts, device.owner), (AT, {"first": str(AT)}, None))

    def test_an_odd_bucket_costs_only_itself(self) -> None:
        deep: object = 0
        for _ in range(40):
            deep = [deep]
        for odd, why in (
            ({"x": deep}, "nested too deeply"),
            (dict.fromkeys(map(str, range(5000)), 0), "too many"),
            ({"x": "\ud800"}, "no JSON object"),
            ({"\udc80": 1}, "no JSON object"),
        ):
            found = self.converted(shared(), state(SERIAL, f"device.{SERIAL}", odd), deviceOwners=[owned()])
            self.assertEqual(list(found), [f"shared.{SERIAL}"])
            self.assertEqual(self.devices[SERIAL].owner.user, "user_ann")
            self.left_out(why)

    def test_more_than_a_thermostat_may_have(self) -> None:
        large = {kind: {"x": "y" * size} for kind, size in (("tuneups", 170_000), ("message", 150_000))}
        rows = [state(SERIAL, f"{kind}.{SERIAL}", values) for kind, values in large.items()]
        self.assertEqual(list(self.converted(shared(), *rows)), [f"message.{SERIAL}", f"shared.{SERIAL}"])
        self.left_out(f"{SERIAL} tuneups.{SERIAL}: with it the device has more than 262144 bytes")

    def test_what_a_home_has_is_not_of_its_thermostats(self) -> None:
        large = {"x": "y" * 150_000}
        rows = (state(SERIAL, f"message.{SERIAL}", large), state(SERIAL, "structure.ann", large))
        found = self.converted(*rows, deviceOwners=[owned()])
        self.assertEqual(list(found), [f"message.{SERIAL}", "structure.ann"])
        self.assertEqual(self.people["user_ann"].buckets[0].values["x"], large["x"])
        self.assertEqual(self.done.left_out, [])

    def test_sizes_are_those_that_are_kept(self) -> None:
        """A letter beyond ASCII has six bytes there."""
        found = self.converted(
            shared(),
            state(SERIAL, f"message.{SERIAL}", json.dumps({"x": "\u20ac" * 50_000}, ensure_ascii=False)),
        )
        self.assertEqual(list(found), [f"shared.{SERIAL}"])
        self.left_out(f"message.{SERIAL}: its value is larger")

    def test_a_home_that_is_more_than_is_taken_at_once(self) -> None:
        long = {"n" * 220_000: 1}
        rows = (state(SERIAL, "user.user_ann", long), state(SERIAL, "structure.ann", {"name": "Home"}))
        self.converted(*rows, deviceOwners=[owned()])
        self.assertEqual([each.key for each in self.people["user_ann"].buckets], ["structure.ann"])
        self.left_out("home of user_ann user.user_ann: it is larger")

    def test_a_record_that_is_more_than_is_taken_at_once(self) -> None:
        people = [f"{number:064}" for number in range(60_000)]
        self.converted(
            shared(OTHER),
            deviceOwners=[owned()],
            users=[row("users", user, "", AT) for user in people],
            deviceShares=[row("deviceShares", "user_ann", user, SERIAL, "read") for user in people],
        )
        self.assertEqual(list(self.devices), [OTHER])
        self.left_out(f"device {SERIAL}: it is larger")

    def test_the_limit_is_that_of_an_installation(self) -> None:
        self.assertEqual(MOST_BYTES, Limits().device_bytes)

    def test_none_counts_as_online_before_it_comes(self) -> None:
        self.converted(shared(updated=NOW - 1000), shared(OTHER, updated=None))
        for serial in (SERIAL, OTHER):
            self.assertEqual(self.devices[serial].seen, NOW - 3_600_000)

    def test_owners_and_people(self) -> None:
        self.converted(
            shared(),
            deviceOwners=[owned()],
            users=[row("users", "user_ann", "ann@example.org", AT), row("users", "bob", "", AT)],
            deviceShares=[row("deviceShares", "user_ann", "bob", SERIAL, "control")],
        )
        self.assertEqual(self.devices[SERIAL].owner.user, "user_ann")
        self.assertEqual(self.devices[SERIAL].shares, {"bob": "write"})
        self.assertEqual(self.people["user_ann"].email, "ann@example.org")
        self.assertEqual([*self.people], ["bob", "user_ann"])
        self.assertEqual(self.done.left_out, [])

    def test_an_owner_who_is_no_user(self) -> None:
        self.converted(shared(), deviceOwners=[owned()])
        self.assertEqual(self.people["user_ann"].created, AT)

    def test_an_owned_device_without_state(self) -> None:
        self.converted(deviceOwners=[owned()])
        self.assertIsNone(self.devices[SERIAL].seen)

    def test_one_home_of_two_devices(self) -> None:
        self.converted(
            state(SERIAL, "user.user_ann", {"name": "user_ann"}, timestamp=AT),
            state(OTHER, "user.user_ann", {"name": "user_ann"}, timestamp=AT + 5),
            state(SERIAL, "structure.ann", {"name": "Old", "devices": [SERIAL]}, timestamp=AT),
            state(OTHER, "structure.ann", {"name": "New", "devices": [OTHER]}, timestamp=AT + 5),
            deviceOwners=[owned(), owned(OTHER)],
        )
        user, structure = self.people["user_ann"].buckets
        self.assertEqual(
            (user.key, user.values, user.marks["t"]), ("user.user_ann", {"name": "user_ann"}, AT + 5)
        )
        self.assertEqual(
            structure.values, {"name": "New", "devices": [f"device.{SERIAL}", f"device.{OTHER}"]}
        )
        # The list is new to both; the name is not to the one that had it.
        self.assertEqual(structure.stamps["name"], (7, AT + 5, AT + 5, "s"))
        self.assertEqual(structure.stamps["devices"], (8, AT + 6, AT + 6, "s"))
        self.assertEqual((structure.marks["t"], structure.marks["w"]), (AT + 6, AT + 6))
        views = {bucket.key: bucket.marks for bucket in self.devices[SERIAL].buckets}
        self.assertEqual(views["structure.ann"], {"c": AT, "a": AT, "p": AT})

    def test_a_user_without_a_name_gets_one(self) -> None:
        self.converted(state(SERIAL, "user.user_ann", {"name": ""}), deviceOwners=[owned()])
        self.assertEqual(self.people["user_ann"].buckets[0].values, {"name": "user_ann"})
        self.assertEqual(self.people["user_ann"].buckets[0].marks["t"], AT + 1)

    def test_a_list_of_devices_in_either_form_stays(self) -> None:
        for devices in ([SERIAL], [f"device.{SERIAL}"]):
            self.converted(state(SERIAL, "structure.ann", {"devices": devices}), deviceOwners=[owned()])
            self.assertEqual(self.people["user_ann"].buckets[0].marks["t"], AT)

    def test_momentary_fields_of_a_home_stay_momentary(self) -> None:
        self.converted(
            state(SERIAL, "structure.ann", {"devices": [SERIAL], "manual_eco_timestamp": 5}),
            deviceOwners=[owned()],
        )
        self.assertEqual(self.people["user_ann"].buckets[0].stamps["manual_eco_timestamp"][3], "m")

    def test_the_home_of_nobody(self) -> None:
        buckets = self.converted(state(SERIAL, "structure.default", {"manual_eco_all": False}))
        self.assertEqual(buckets["structure.default"].marks["a"], AT)
        self.assertEqual(buckets["structure.default"].stamps["manual_eco_all"], (7, AT, AT, "m"))

    def test_of_another_home(self) -> None:
        self.converted(state(SERIAL, "structure.bob", {"name": "x"}), shared(), deviceOwners=[owned()])
        self.left_out("not of the home")
        self.converted(state(SERIAL, "user.bob", {"name": "x"}), shared())
        self.left_out("not of the home")

    def test_what_is_no_value(self) -> None:
        for value in (
            "",
            "{",
            "[]",
            "5",
            "null",
            None,
            b"{}",
            "{" * 5000,
            '{"a":' + "[" * 40 + "]" * 40 + "}",
        ):
            self.converted(state(SERIAL, f"shared.{SERIAL}", value))
            self.left_out(SERIAL)

    def test_a_value_that_is_too_large(self) -> None:
        self.converted(state(SERIAL, f"shared.{SERIAL}", {"a": "x" * 2**20}))
        self.left_out("larger")

    def test_nan_and_infinity_become_null(self) -> None:
        bucket = self.converted(state(SERIAL, f"shared.{SERIAL}", '{"a":NaN,"b":Infinity,"c":1}'))[
            f"shared.{SERIAL}"
        ]
        self.assertEqual(bucket.values, {"a": None, "b": None, "c": 1})

    def test_serials(self) -> None:
        for serial in (None, "", "short", 5, "x" * 40):
            self.converted(state(serial, f"shared.{SERIAL}", {}))
            self.left_out("serial")
        self.assertIn(f"shared.{SERIAL}", self.converted(shared(SERIAL.lower())))

    def test_the_same_serial_in_two_cases(self) -> None:
        rows = [shared(), state(SERIAL.lower(), f"shared.{SERIAL.lower()}", {"a": 1}, timestamp=AT + 1)]
        for each in (rows, rows[::-1]):
            self.assertEqual(self.converted(*each)[f"shared.{SERIAL}"].values, {"a": 1})
            self.left_out("twice")

    def test_keys(self) -> None:
        for key in (
            None,
            "",
            "x",
            "shared",
            f"shared.{OTHER}",
            "Shared.x",
            "a b.c",
            f"device_alert_dialog.{SERIAL}",
        ):
            self.converted(state(SERIAL, key, {}))
            self.left_out("states")
        self.assertIn("topaz.x", self.converted(state(SERIAL, "topaz.x", {"a": 1})))

    def test_times(self) -> None:
        for timestamp, read in (
            (AT // 1000, AT // 1000 * 1000),
            (AT / 1000, AT),
            (NOW + 86_400_000, NOW + 86_400_000),
        ):
            self.assertEqual(self.converted(shared(timestamp=timestamp))[f"shared.{SERIAL}"].marks["t"], read)
        for timestamp in (None, 0, -5, "soon", 99_999_999_999_999, 2**63 - 1, float("inf"), float("nan")):
            self.assertEqual(self.converted(shared(timestamp=timestamp))[f"shared.{SERIAL}"].marks["t"], AT)
            bucket = self.converted(shared(timestamp=timestamp, updated=timestamp))[f"shared.{SERIAL}"]
            self.assertEqual(bucket.marks["t"], 1)
            self.assertEqual(self.devices[SERIAL].seen, NOW - 3_600_000)

    def test_a_device_that_was_updated_in_the_future(self) -> None:
        self.converted(shared(updated=NOW + 86_400_000))
        self.assertEqual(self.devices[SERIAL].seen, NOW - 3_600_000)

    def test_revisions(self) -> None:
        for revision in (None, 0, -5, 2**31, "x", 1.5):
            self.assertEqual(self.converted(shared(revision=revision))[f"shared.{SERIAL}"].marks["r"], 1)

    def test_owners_who_cannot_be(self) -> None:
        for user in (None, "", "a b", "x" * 65, 5):
            self.converted(deviceOwners=[owned(user=user)])
            self.left_out("userId")
            self.assertEqual(self.devices, {})

    def test_two_owners(self) -> None:
        owners = [owned(at=AT), owned(SERIAL.lower(), "bob", AT + 1)]
        for each in (owners, owners[::-1]):
            self.converted(deviceOwners=each)
            self.assertEqual(self.devices[SERIAL].owner.user, "bob")
            self.left_out("twice")

    def test_an_email_that_is_none(self) -> None:
        for email in ("nonsense", 5):
            self.converted(users=[row("users", "ann", email, AT)])
            self.assertEqual(self.people["ann"].email, "")
            self.left_out("email")

    def test_shares_of_nobody(self) -> None:
        people = {"deviceOwners": [owned()], "users": [row("users", "bob", None, AT)]}
        for share in (
            ("eve", "bob", SERIAL, "read"),
            ("user_ann", "bob", OTHER, "read"),
            ("user_ann", "eve", SERIAL, "read"),
            ("user_ann", "user_ann", SERIAL, "read"),
            ("user_ann", "bob", SERIAL, "everything"),
            ("user_ann", "bob", SERIAL, None),
            ("user_ann", None, SERIAL, "read"),
            ("user_ann", "bob", None, "read"),
        ):
            self.converted(**people, deviceShares=[row("deviceShares", *share)])
            self.left_out("deviceShares")
            self.assertEqual(self.devices[SERIAL].shares, {})

    def test_what_is_not_taken_at_all(self) -> None:
        self.converted(apiKeys=[{"1": 1}, {"1": 1}])
        self.left_out("apiKeys: 2 of them")

    def test_no_row_steers_the_terminal(self) -> None:
        self.converted(state("\x1b[2J", "x", {}))
        self.assertTrue(self.done.left_out[0].isprintable())
