"""The PIN's hash: protocol d.6."""

from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from nled.domain.errors import BadRequest
from nled.domain.lock import PinHash, is_pin_hash, pin_hash
from nled.domain.reading import Reader

SERIAL = "02AA01AB01234567"
# The page's own, which is of no PIN that there is.
PAGE = "/PiS0Kl52c8oNptmsL4Z7cxd9mg="


class Hash(SynchronousTestCase):
    def test_vectors(self) -> None:
        for pin, digest in {
            "0000": "kFRc/skLylZUKACup2bPzjQDUII=",
            "1234": "t9ZJF3VgU1YlWB+M2jedjRXVu28=",
            "9999": "if711s3zuccneCQU57q+sOUXPWA=",
        }.items():
            self.assertEqual(pin_hash(pin, SERIAL), digest)
            self.assertTrue(is_pin_hash(digest))

    def test_four_digits(self) -> None:
        for bad in ("", "123", "12345", "12a4", "\uff11\uff12\uff13\uff14", "1234\n", " 1234"):
            self.assertRaises(BadRequest, pin_hash, bad, SERIAL)

    def test_the_example_of_the_page_is_taken(self) -> None:
        self.assertEqual(Reader(PinHash).read("pin_hash", PAGE), PAGE)

    def test_what_is_none(self) -> None:
        for bad in (
            *(None, True, 5, [], {}, "", "1234", PAGE[:-1], PAGE + "=", PAGE + "\n", " " + PAGE, "é" * 28),
            *(b64encode(bytes(19)).decode(), b64encode(bytes(21)).decode(), b64encode(bytes(32)).decode()),
            # 20 bytes, in hex, url-safe, and with bits that belong to nothing.
            *("00" * 20, PAGE.replace("/", "_"), PAGE.replace("g=", "h=")),
        ):
            self.assertFalse(is_pin_hash(bad), bad)
            self.assertRaises(BadRequest, Reader(PinHash).read, "pin_hash", bad)
