"""`nledctl export` and `import`: one file, whole or not at all."""

import json
import os
import stat
from pathlib import Path

import msgspec
from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from nled.ctl import nledctl
from nled.ctl.command import Session
from nled.ctl.errors import Refused
from nled.domain.archive.file import VERSION
from nled.domain.archive.records import MOST_BODY, BucketRecord, DeviceRecord, HistoryRecord, PersonRecord
from nled.web.archive import Import
from nled.web.decoding import Body

SERIAL = "02AA01AC33140F61"
RECORDS = [
    PersonRecord("ann", 5, "ann@example.org"),
    DeviceRecord(
        SERIAL, 7, {"model": "x"}, buckets=[BucketRecord(f"shared.{SERIAL}", {"r": 1, "t": 2}, {"a": 21.0})]
    ),
    HistoryRecord(SERIAL, [("5-0", {"heat_x2": "true"})]),
]


class Daemon:
    """What the API does, in a list."""

    def __init__(self, records=()) -> None:
        self.records = list(records)
        self.batches: list[tuple[int, bool]] = []

    def get(self, path, after=None):
        at = int(after or 0)
        page = json.loads(msgspec.json.encode(self.records[at : at + 2]))
        return {"records": page, "next": str(at + 2) if at + 2 < len(self.records) else None}

    def send(self, method, path, body, patience):
        raw = msgspec.json.encode(body)
        assert len(raw) <= MOST_BODY
        read = Body(Import, {}).decode(raw)
        self.batches.append((len(read.records), read.merge))
        self.records += read.records
        return {"imported": len(read.records), "kept": 0}


class ArchiveTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.file = self.folder / "backup.jsonl"

    def session_on(self, daemon) -> Session:
        session = Session()
        session.client = daemon
        return session

    def run_on(self, daemon, *arguments: object):
        return CliRunner().invoke(nledctl, [str(each) for each in arguments], obj=self.session_on(daemon))

    def exported(self, records=RECORDS) -> list[bytes]:
        result = self.run_on(Daemon(records), "export", self.file)
        self.assertEqual(result.exit_code, 0, result.output)
        return self.file.read_bytes().splitlines()

    def refused(self, lines, words: str) -> None:
        self.file.write_bytes(b"".join(line + b"\n" for line in lines))
        daemon = Daemon()
        result = self.run_on(daemon, "import", self.file)
        self.assertEqual(result.exit_code, 1, result.output)
        self.assertIn(words, result.output)
        self.assertIn("Nothing of it was imported", result.output)
        self.assertEqual(daemon.batches, [])


class Export(ArchiveTestCase):
    def test_one_file(self) -> None:
        lines = self.exported()
        self.assertEqual(len(lines), 5)
        self.assertEqual(json.loads(lines[0])["nled"], "export")
        self.assertEqual(json.loads(lines[-1])["records"], 3)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)
        self.assertEqual([each.name for each in self.folder.iterdir()], ["backup.jsonl"])

    def test_of_an_import_it_is_the_same_file(self) -> None:
        first = self.exported()
        daemon = Daemon()
        result = self.run_on(daemon, "import", self.file)
        self.assertEqual((result.exit_code, result.output), (0, "Imported 3 records.\n"))
        self.assertEqual(self.exported(daemon.records)[1:], first[1:])

    def test_of_nothing(self) -> None:
        self.assertEqual(len(self.exported([])), 2)
        self.assertEqual(self.run_on(Daemon(), "import", self.file).exit_code, 0)

    def test_that_breaks_off_leaves_no_file(self) -> None:
        class Dying(Daemon):
            def get(self, path, after=None):
                if after:
                    raise KeyError("broke off")
                return super().get(path, after)

        self.file.write_text("the last backup")
        self.run_on(Dying(RECORDS), "export", self.file)
        self.assertEqual(self.file.read_text(), "the last backup")
        self.assertEqual([each.name for each in self.folder.iterdir()], ["backup.jsonl"])

    def test_by_a_link(self) -> None:
        target = self.folder / "elsewhere"
        target.write_text("the last backup")
        self.file.symlink_to(target.name)
        self.assertEqual(len(self.exported()), 5)
        self.assertTrue(self.file.is_symlink())
        self.assertEqual(len(target.read_bytes().splitlines()), 5)

    def test_into_a_pipe(self) -> None:
        os.mkfifo(self.file)
        # Both ends, so that neither waits for the other.
        pipe = os.open(self.file, os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, pipe)
        result = self.run_on(Daemon(RECORDS), "export", self.file)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(len(os.read(pipe, 65536).splitlines()), 5)
        self.assertTrue(self.file.is_fifo())

    def test_to_standard_output(self) -> None:
        result = self.run_on(Daemon(RECORDS), "export", "-")
        self.assertEqual(len(result.output.splitlines()), 5)

    def test_that_is_refused_writes_nothing(self) -> None:
        class Refusing(Daemon):
            def get(self, path, after=None):
                raise Refused("No.", 403)

        result = CliRunner().invoke(nledctl, ["export", "-"], obj=self.session_on(Refusing()))
        self.assertEqual((result.exit_code, result.stdout), (1, ""))


class ImportTests(ArchiveTestCase):
    def test_in_batches(self) -> None:
        self.exported([PersonRecord(f"ann{number}", number) for number in range(450)])
        daemon = Daemon()
        self.run_on(daemon, "import", self.file)
        self.assertEqual(daemon.batches, [(200, False), (200, True), (50, True)])
        daemon.batches.clear()
        self.run_on(daemon, "import", "--merge", self.file)
        self.assertEqual({merge for _, merge in daemon.batches}, {True})

    def test_by_size(self) -> None:
        big = [
            DeviceRecord(
                f"02AA01AC3314000{number}",
                1,
                buckets=[BucketRecord("where.x", {"r": 1}, {"a": "x" * 600_000})],
            )
            for number in range(4)
        ]
        self.exported(big)
        daemon = Daemon()
        self.run_on(daemon, "import", self.file)
        self.assertEqual([count for count, _ in daemon.batches], [1, 1, 1, 1])

    def test_cut_short_or_changed(self) -> None:
        lines = self.exported()
        self.refused(lines[:-1], "not whole")
        self.refused(lines[:2] + lines[3:], "not whole")
        self.refused([lines[0], lines[2], lines[1], *lines[3:]], "not whole")
        self.refused([*lines, lines[1]], "not whole")
        self.refused([lines[0], lines[1].replace(b"ann@", b"eve@"), *lines[2:]], "not whole")
        self.refused([*lines[:-1], lines[-1][:40]], "line 5")
        self.refused([], "line 1")
        self.refused(lines[1:], "line 1")
        newer = b'{"nled":"export","version":%d,"made":1,"more":"of it"}' % (VERSION + 1)
        self.refused([newer, *lines[1:]], f"version {VERSION + 1}, and this nled reads {VERSION}")

    def test_what_is_no_record(self) -> None:
        for line in (
            b"",
            b"\xff",
            b"[" * 100_000,
            b'{"kind":"car"}',
            b'{"kind":"person","user":"a b","created":1}',
            b'{"kind":"person","user":"ann","created":-1}',
            b'{"kind":"person","user":"ann","created":1,"more":1}',
            b'{"kind":"device","serial":"02aa01ac33140f61"}',
        ):
            self.refused([b'{"nled":"export","version":1,"made":1}', line], "line 2")

    def test_help_says_that_there_are_secrets(self) -> None:
        self.assertIn("secrets", CliRunner().invoke(nledctl, ["export", "--help"]).output)
