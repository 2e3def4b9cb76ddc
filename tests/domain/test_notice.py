from twisted.trial.unittest import SynchronousTestCase

from nled.domain.notice import parse, place

LINE = '02AA01AC33140F61 shared.02AA01AC33140F61 7 1795000000000 server 1795000000001-3 ["a","two words","\\u00e4"]'


class Reading(SynchronousTestCase):
    def test_a_line(self) -> None:
        notice = parse(LINE)
        self.assertEqual((notice.serial, notice.key), ("02AA01AC33140F61", "shared.02AA01AC33140F61"))
        self.assertEqual((notice.revision, notice.timestamp, notice.what), (7, 1795000000000, "server"))
        self.assertEqual((notice.id, notice.place), ("1795000000001-3", (1795000000001, 3)))
        self.assertEqual(notice.names, ("a", "two words", "ä"))

    def test_what_is_no_line(self) -> None:
        for line in ("", "02AA01AC33140F61 shared.X 1 2 server", LINE.replace(" 7 ", " x ")):
            with self.assertRaises(ValueError):
                parse(line)

    def test_ids_sort_as_the_store_counts(self) -> None:
        ids = ["9-9", "10-2", "10-10", f"{2**64 - 1}-0"]
        self.assertEqual(sorted(set(ids), key=place), ids)

    def test_what_is_no_id(self) -> None:
        for text in ("", "-", "1", "1-", "-1", "1-2-3", "1 -2", "+1-2", "\uff11-2", f"{2**64}-0", "x-1"):
            with self.assertRaises(ValueError):
                place(text)
