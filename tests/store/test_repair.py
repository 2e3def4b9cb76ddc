"""A damaged append-only file: cut to its last whole transaction where little is lost, else refused."""

import io
import os
import random
import re
import shutil
import signal
import stat
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from nled.store.appendonly import Part, Scan, manifest
from nled.store.client import Script
from nled.store.cutoff import pieces
from tests.store.support import until, written
from tests.store.test_child import ChildTestCase

# Writes more than once, as nled's scripts do: all of it or nothing may be there.
COUNT = Script(
    "count",
    """
    redis.call('INCR', KEYS[1])
    redis.call('HSET', KEYS[2], 'n', redis.call('GET', KEYS[1]), 'text', ARGV[1])
    redis.call('PEXPIRE', KEYS[1], 100000000)
    return redis.call('INCR', KEYS[3])
    """,
)
KEYS = ("nled:a", "nled:b", "nled:c")
TEXT = '{"r":"1\\r\\n","u":"ü*$"}'
MIB = 2**20


def command(*words: str) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def transaction(*commands: bytes) -> bytes:
    return b"".join((command("MULTI"), *commands, command("EXEC")))


def scanned(data: bytes) -> Scan:
    scan = Scan()
    for _ in scan.run(io.BytesIO(data)):
        pass
    return scan


def _in_common(a: bytes, b: bytes) -> int:
    """How many bytes of both are the same from their beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


class ScanTests(SynchronousTestCase):
    whole = (
        b"#TS:1795321903\r\n"
        + command("SELECT", "0")
        + transaction(command("SET", "k", "v\r\n*1\r\n"), b"#TS:1795321904\r\n", command("DEL", "k"))
        + command("SET", "k", "")
    )

    def test_a_sound_file(self) -> None:
        size = len(self.whole)
        self.assertEqual(scanned(self.whole), Scan(size, size, 1795321904))
        self.assertEqual(scanned(b""), Scan())

    def test_an_unfinished_transaction(self) -> None:
        data = self.whole + command("MULTI") + command("SET", "k", "w")
        self.assertEqual(scanned(data), Scan(len(self.whole), len(data), 1795321904))

    def test_what_is_no_command(self) -> None:
        for defect in (
            b"\0" * 4096,
            b"*0\r\n",
            b"*-1\r\n",
            b"*1\r\n$-1\r\n",
            b"*1\n$4\nPING\n",
            b"*2\r\n$3\r\nDEL\r\n:1\r\n",
            b"*2\r\n$3\r\nDEL\r\n$1\r\nkk\r\n",
            b"*2\r\n$3\r\nDEL\r\n$999999999\r\nk\r\n",
            b"*1\r\n$4\r\n\0\0\0\0\r\n",
            b"#" + b"x" * 200 + b"\r\n",
            command("EXEC"),
        ):
            scan = scanned(self.whole + defect + command("SET", "k", "w"))
            self.assertEqual((scan.whole, scan.sound), (len(self.whole),) * 2, defect)

    def test_a_transaction_that_lost_its_end(self) -> None:
        scan = scanned(self.whole + command("MULTI") + transaction(command("SET", "k", "w")))
        self.assertEqual(scan.whole, len(self.whole))

    def test_behind_a_snapshot(self) -> None:
        snapshot = b"REDIS0009" + random.Random(1).randbytes(3 * MIB).replace(b"\r", b"") + b"\xff" + b"c" * 8
        for filler in range(70):
            before = snapshot[:9] + b"x" * filler + snapshot[9:]
            scan = scanned(before + self.whole[16:])
            self.assertEqual(scan.whole, len(before) + len(self.whole) - 16)
        self.assertTrue(scanned(snapshot).opaque)

    def test_manifests(self) -> None:
        text = (
            "file appendonly.aof.2.base.rdb seq 2 type b\n"
            "file appendonly.aof.1.incr.aof seq 1 type h\n"
            "file appendonly.aof.2.incr.aof seq 2 type i startoffset 12\n"
        )
        parts = [Part("appendonly.aof.2.base.rdb", "b"), Part("appendonly.aof.1.incr.aof", "h")]
        self.assertEqual(manifest(text), [*parts, Part("appendonly.aof.2.incr.aof", "i")])
        for damaged in ("", "\n", text + "\0" * 4096, "rubbish\n", "file ../x seq 1 type i\n", text[:-40]):
            with self.assertRaises(ValueError):
                manifest(damaged)


class RepairTestCase(ChildTestCase):
    """A directory that a real server has written to, with the size of its file after each transaction."""

    async def write(self, times: int = 12) -> None:
        self.boundaries: list[int] = []
        server = self.server()
        client = await self.connect(server)
        for _ in range(times):
            await client.run(COUNT, KEYS, TEXT)
            await written(client)
            self.boundaries.append(self.file.stat().st_size)
        await client.stop()
        await server.stop()
        self.data = self.file.read_bytes()
        self.assertEqual(self.boundaries[-1], len(self.data))

    @property
    def file(self) -> Path:
        return [*self.directory.glob("appendonlydir/*.incr.aof"), self.directory / "appendonly.aof"][0]

    async def starts(self) -> int:
        """Start on the files as they are; gives how many transactions are there."""
        server = self.server()
        client = await self.connect(server)
        counts = [await client.command("GET", KEYS[0]), await client.command("HGET", KEYS[1], "n")]
        counts.append(await client.command("GET", KEYS[2]))
        self.assertEqual(len(set(counts)), 1, counts)
        lives = await client.command("PTTL", KEYS[0])
        self.assertEqual(lives > 0, counts[0] is not None)
        # And it can be written to, and read again.
        await client.command("SET", "after", "1")
        await client.stop()
        await server.stop()
        client = await self.connect(again := self.server())
        self.assertEqual(await client.command("GET", "after"), "1")
        await client.stop()
        await again.stop()
        return int(counts[0] or 0)

    def told(self) -> list[str]:
        return [str(event["piece"]) for event in self.events if "piece" in event]

    def kept(self) -> list[bytes]:
        return [each.path.read_bytes() for each in pieces(self.directory)]


class EveryCutTests(RepairTestCase):
    async def test_every_cut_and_any_garbage(self) -> None:
        await self.write(4)

        @given(st.binary(max_size=200) | st.integers(1, 4096).map(bytes))
        @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
        def holds(garbage: bytes) -> None:
            for cut in range(len(self.data) + 1):
                whole = scanned(self.data[:cut] + garbage).whole
                # The garbage may begin with what was cut off.
                right = _in_common(self.data, self.data[:cut] + garbage)
                there = [end for end in self.boundaries if end <= right]
                # Nothing whole is cut off, and no part of anything is left.
                self.assertGreaterEqual(whole, there[-1] if there else 0)
                if whole < len(self.data):
                    following = self.boundaries[len(there)] if len(there) < len(self.boundaries) else 0
                    self.assertNotEqual(whole, following)

        holds()

    async def test_started_on_what_is_left(self) -> None:
        await self.write()
        whole = self.home / "whole"
        shutil.copytree(self.directory, whole)
        chance = random.Random(8)
        for number in range(24):
            cut = chance.randrange(len(self.data) // 4, len(self.data) + 1)
            garbage = (b"", chance.randbytes(100), bytes(4096))[number % 3]
            with self.subTest(f"cut at {cut}, then {garbage[:4]!r}..."):
                shutil.rmtree(self.directory)
                shutil.copytree(whole, self.directory)
                self.file.write_bytes(self.data[:cut] + garbage)
                there = [end for end in self.boundaries if end <= cut]
                self.assertEqual(await self.starts(), len(there))
                if (lost := self.data[:cut] + garbage) and len(lost) > (there[-1] if there else 0):
                    [piece] = self.kept()
                    self.assertTrue(lost.endswith(piece))


class MendingTests(RepairTestCase):
    async def damage(self, garbage: bytes) -> None:
        await self.write()
        self.file.write_bytes(self.data + garbage)

    async def test_what_is_said(self) -> None:
        await self.damage(bytes(4096))
        at = 1_795_321_903
        os.utime(self.file, (at, at))
        self.assertEqual(await self.starts(), 12)
        [sentence] = self.told()
        [piece] = pieces(self.directory)
        self.assertEqual(str(piece), sentence)
        self.assertEqual((piece.size, piece.path.read_bytes()), (4096, bytes(4096)))
        self.assertIn(f"4096 bytes, written {'between' if piece.since else 'last at'}", sentence)
        self.assertIn(f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC,", sentence)
        self.assertIn(str(piece.path), sentence)
        self.assertEqual(stat.S_IMODE(piece.path.parent.stat().st_mode), 0o700)

    async def test_garbage_that_ends_as_a_command_does(self) -> None:
        """It does not show at a glance: the server finds it."""
        await self.damage(b"\x01garbage\r\n")
        self.assertEqual(await self.starts(), 12)
        self.assertEqual(self.kept(), [b"\x01garbage\r\n"])

    async def test_damaged_while_the_server_is_restarted(self) -> None:
        server = self.server()
        client = await self.connect(server)
        await client.run(COUNT, KEYS, TEXT)
        sound = self.file.stat().st_size
        os.kill(server.pid, signal.SIGSTOP)
        with self.file.open("ab") as file:
            file.write(b"\x01garbage\r\n")
        os.kill(server.pid, signal.SIGKILL)
        await until(self.told)
        self.assertEqual(await client.command("GET", KEYS[0]), "1")
        self.assertEqual(self.file.stat().st_size, sound)

    async def test_the_single_file_of_redis_6(self) -> None:
        """A newer server makes it the base of its own, with all that is wrong with it."""
        await self.damage(bytes(4096))
        data = self.file.read_bytes()
        shutil.rmtree(self.directory)
        self.directory.mkdir()
        # Redis 6.2 notes no times.
        (self.directory / "appendonly.aof").write_bytes(re.sub(rb"#TS:\d+\r\n", b"", data))
        self.assertEqual(await self.starts(), 12)
        self.assertEqual(self.kept(), [bytes(4096)])

    async def test_three_pieces_are_kept(self) -> None:
        await self.write(1)
        for number in range(5):
            before = self.file.read_bytes()
            self.file.write_bytes(before + b"%d" % number * 50)
            at = 1_795_321_903 + number
            os.utime(self.file, (at, at))
            await self.starts()
        self.assertEqual(self.kept(), [b"%d" % number * 50 for number in (2, 3, 4)])

    async def test_interrupted(self) -> None:
        """The power fails again between the copy and the cut."""
        await self.damage(bytes(100))

        def fails(*_) -> None:
            raise OSError("power")

        patched = self.patch(os, "fsync", fails)
        await self.assert_refused("cannot be started: power")
        patched.restore()
        self.assertEqual(self.file.read_bytes(), self.data + bytes(100))
        self.assertEqual(await self.starts(), 12)
        self.assertEqual(self.kept(), [bytes(100)])

    async def test_an_unfinished_large_transaction(self) -> None:
        """It was never all there: nothing is lost with it, however large. Of the piece 4 MiB are kept."""
        large = command("SET", "large", "x" * 1000)
        await self.damage(command("MULTI") + large * 5000 + large[:500])
        self.assertEqual(await self.starts(), 12)
        [piece] = self.kept()
        self.assertEqual(len(piece), 4 * MIB)


class BeyondRepairTests(RepairTestCase):
    async def refused(self, words: str) -> None:
        before = {path: path.read_bytes() for path in self.directory.rglob("*.aof*")}
        await self.assert_refused(
            f"{words}.* Put a copy of .* in its place; .*stop nled, `mv .*`, start nled, `nledctl import --merge FILE`"
        )
        self.assertEqual({path: path.read_bytes() for path in self.directory.rglob("*.aof*")}, before)
        self.assertEqual(pieces(self.directory), [])

    def only_newer(self) -> None:
        if self.file.parent == self.directory:
            raise SkipTest("Redis 6.2 has no manifest")

    async def test_more_than_a_mebibyte(self) -> None:
        await self.write()
        garbage = random.Random(1).randbytes(MIB)
        self.file.write_bytes(self.data + b"\0" + garbage)
        await self.refused(f"damaged from byte {len(self.data)} of {len(self.data) + MIB + 1} on")
        self.file.write_bytes(self.data + garbage)
        self.assertEqual(await self.starts(), 12)

    async def test_a_damaged_length_amid_the_file(self) -> None:
        """The server takes it for a file that ends early, and would drop the rest without a word."""
        await self.write(2)
        start = self.data.index(b"$6\r\n", self.boundaries[0])
        self.file.write_bytes(
            self.data[:start] + b"$99999999" + self.data[start + 2 :] + command("SET", "k", "v" * 1000) * 1200
        )
        await self.refused("damaged from byte")

    async def test_a_damaged_name_amid_the_file(self) -> None:
        """It is well-formed, but the server does not know such a command."""
        await self.write(2)
        self.file.write_bytes(self.data.replace(b"PEXPIREAT", b"PEXPIREAX", 1))
        await self.refused("the server says: .*nknown command 'PEXPIREAX'")

    async def test_no_manifest(self) -> None:
        await self.write()
        self.only_newer()
        (record,) = self.directory.glob("appendonlydir/*.manifest")
        text = record.read_text()
        record.unlink()
        await self.refused(re.escape(str(record)) + " is gone, and without it the server would start empty")
        for damaged in (b"", bytes(200), text.encode() + bytes(4096)):
            record.write_bytes(damaged)
            await self.refused("the list of files, is damaged")
        record.write_text(text)
        self.assertEqual(await self.starts(), 12)

    async def test_a_listed_file_is_gone_or_empty(self) -> None:
        await self.write()
        self.only_newer()
        self.file.rename(self.home / "away")
        await self.refused("incr.aof is gone")
        (self.home / "away").rename(self.directory / "appendonlydir" / "appendonly.aof.1.incr.aof")
        (base,) = self.directory.glob("appendonlydir/*.base.rdb")
        base.write_bytes(b"")
        await self.refused("base.rdb is empty, and with it the server would start empty")

    async def test_a_damaged_base(self) -> None:
        await self.write()
        self.only_newer()
        (base,) = self.directory.glob("appendonlydir/*.base.rdb")
        sound = base.read_bytes()
        base.write_bytes(sound + bytes(100))
        await self.refused("the server says: .*base.rdb")
        base.write_bytes(sound[:40] + bytes(40))
        await self.refused("the server says: ")

    async def test_a_first_start_that_was_cut_off(self) -> None:
        """The server writes an empty base before its manifest; nothing is lost with it."""
        server = self.server()
        await server.start()
        self.only_newer()
        await server.stop()
        (record,) = self.directory.glob("appendonlydir/*.manifest")
        record.unlink()
        self.assertEqual(await self.starts(), 0)

    async def test_goes_on_once_somebody_helped(self) -> None:
        server = self.server()
        client = await self.connect(server)
        await client.run(COUNT, KEYS, TEXT)
        sound = self.file.read_bytes()
        os.kill(server.pid, signal.SIGSTOP)
        self.file.write_bytes(sound + b"\x01" * (MIB + 1))
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: list(self.troubles))
        [trouble] = self.troubles
        self.assertIn("nled cannot mend them", trouble.seen)
        self.file.write_bytes(sound)
        self.assertEqual(await client.command("GET", KEYS[0]), "1")
