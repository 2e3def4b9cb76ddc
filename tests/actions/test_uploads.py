"""Uploaded logs on a real folder: bounds, names and room."""

import gzip
import os
from pathlib import Path

from twisted.trial.unittest import TestCase

from nled.actions.uploads import Uploads
from nled.domain.errors import TooLarge

SERIAL = "02AA01AC33140F61"
NOW = 1_795_000_000_000


class UploadTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.uploads = Uploads(self.folder, 1000, device_quota=20_000, total_quota=50_000)

    def kept(self, serial: str = SERIAL) -> list[bytes]:
        files = sorted((self.folder / serial).iterdir(), key=lambda file: file.stat().st_mtime)
        return [file.read_bytes() for file in files]

    async def keep(self, body: bytes, serial: str = SERIAL) -> None:
        await self.uploads.keep(serial, body, NOW)
        # Their age decides who goes first, and a clock of the file system may be coarse.
        for age, file in enumerate(
            sorted(self.folder.glob("*/*.log"), key=lambda file: file.stat().st_mtime)
        ):
            os.utime(file, (age, age))

    async def test_a_disk_that_is_nearly_full(self) -> None:
        self.uploads = Uploads(self.folder, 1000, device_quota=20_000, total_quota=50_000, least_free=2**60)
        await self.keep(b"plain")
        self.assertEqual(list(self.folder.iterdir()), [])

    async def test_as_it_came_and_unpacked(self) -> None:
        await self.keep(b"plain")
        await self.keep(gzip.compress(b"packed"))
        await self.keep(gzip.compress(b"cut short" * 50)[:-20])
        self.assertEqual(self.kept()[:2], [b"plain", b"packed"])
        self.assertEqual(len(self.kept()), 3)
        for file in (self.folder / SERIAL).iterdir():
            self.assertRegex(file.name, r"^20261118T\d{6}Z-[0-9a-f]{8}\.log$")

    async def test_a_bomb(self) -> None:
        with self.assertRaises(TooLarge):
            await self.keep(gzip.compress(bytes(10_000_000)))
        self.assertFalse(self.folder.exists())

    async def test_the_oldest_make_room(self) -> None:
        for n in range(10):
            await self.keep(b"%d" % n)
        self.assertEqual(self.kept(), [b"6", b"7", b"8", b"9"])
        for n in range(20):
            await self.keep(b"x", f"02AA01AC000000{n:02}")
        self.assertLessEqual(len(list(self.folder.glob("*/*.log"))), 50_000 // 4096 + 1)

    async def test_none_are_stored(self) -> None:
        await Uploads(None, 1000, 1, 1).keep(SERIAL, b"x", NOW)

    async def test_a_folder_that_cannot_be(self) -> None:
        self.folder.write_text("in the way")
        await self.uploads.keep(SERIAL, b"x", NOW)
