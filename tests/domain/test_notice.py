from twisted.trial.unittest import SynchronousTestCase

from nled.domain.notice import Notice, parse, place

SERIAL, OTHER, THIRD = (f"02AA01AC33140F6{number}" for number in (1, 2, 3))
ENTRY = ("1795000000001-3", f"{SERIAL} shared.{SERIAL} 7 1795000000000 server", '["a","two words","\\u00e4"]')
HOME = ("1795000000001-4", "@anna structure.S1 7 1795000000000 device", '["away"]')
WRITTEN = 1795000000001
DAY = 86_400_000


class Reading(SynchronousTestCase):
    def test_an_entry(self) -> None:
        notice = parse(*ENTRY)
        self.assertEqual((notice.serial, notice.key), (SERIAL, f"shared.{SERIAL}"))
        self.assertEqual((notice.revision, notice.timestamp, notice.what), (7, 1795000000000, "server"))
        self.assertEqual((notice.id, notice.place), ("1795000000001-3", (1795000000001, 3)))
        self.assertEqual(notice.names, ("a", "two words", "ä"))
        self.assertEqual((notice.home, notice.members, notice.parts), ("", (), ()))

    def test_of_a_home(self) -> None:
        notice = parse(*HOME)
        self.assertEqual((notice.serial, notice.home, notice.key), ("", "anna", "structure.S1"))

    def test_what_is_not_an_entry(self) -> None:
        at, head, fields = ENTRY
        for text in ("", "02AA01AC33140F61 shared.X 1 2", f"{head} more", head.replace(" 7 ", " x ")):
            with self.assertRaises(ValueError):
                parse(at, text, fields)

    def test_ids_sort_as_the_store_counts(self) -> None:
        ids = ["9-9", "10-2", "10-10", f"{2**64 - 1}-0"]
        self.assertEqual(sorted(set(ids), key=place), ids)

    def test_what_is_no_id(self) -> None:
        for text in ("", "-", "1", "1-", "-1", "1-2-3", "1 -2", "+1-2", "\uff11-2", f"{2**64}-0", "x-1"):
            with self.assertRaises(ValueError):
                place(text)


class Homes(SynchronousTestCase):
    def expand(self, members: dict[str, int], now: int = WRITTEN) -> Notice:
        return parse(*HOME).expand(members, now)

    def test_each_device_is_told_the_same(self) -> None:
        notice = self.expand({OTHER: 0, SERIAL: WRITTEN})
        self.assertEqual(notice.members, (SERIAL, OTHER))
        self.assertEqual(
            notice.parts,
            tuple(
                Notice(serial, "structure.S1", 7, 1795000000000, "device", "", '["away"]')
                for serial in (SERIAL, OTHER)
            ),
        )

    def test_one_that_joined_later_is_not_told_of_what_was_before(self) -> None:
        notice = self.expand({SERIAL: 0, OTHER: WRITTEN + DAY}, WRITTEN + DAY)
        self.assertEqual(notice.members, (SERIAL, OTHER))
        self.assertEqual([part.serial for part in notice.parts], [SERIAL])

    def test_clocks_may_differ_and_may_have_been_wrong(self) -> None:
        notice = self.expand({SERIAL: WRITTEN + 60_000, OTHER: WRITTEN + 365 * DAY}, WRITTEN + DAY)
        self.assertEqual([part.serial for part in notice.parts], [SERIAL, OTHER])

    def test_whom_it_concerns(self) -> None:
        notice = self.expand({SERIAL: 0, OTHER: 0})
        self.assertTrue(notice.concerns({OTHER}))
        self.assertFalse(notice.concerns({THIRD}))
        self.assertTrue(parse(*ENTRY).concerns({SERIAL}))
        self.assertFalse(parse(*ENTRY).concerns({OTHER}))
