"""What releases left behind, in tests/data: this nled starts on their files, imports their exports, shows the same.

A daemon here lives at the time of its data, so what a person sees does not depend on the day of the test. Two
things do not follow that clock. The store counts the lifetimes in its own files by the machine's: they are of ten
years, and the data live nine years ahead, so they are good until 2035. An import begins lifetimes anew and is good
for ever.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from twisted.trial.unittest import TestCase

from nled.store.binary import find
from tests.data.shown import SETTINGS, clock, missing, shown
from tests.live.support import LiveDaemon
from tests.store.support import Server

DATA = Path(__file__).parent.parent / "data"
RELEASES = sorted(each.name for each in DATA.iterdir() if (each / "shown.json.gz").exists())


class ReleaseTests(TestCase):
    def setUp(self):
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = Path(self.stack.enter_context(TemporaryDirectory()))

    def unpacked(self, release: str, name: str) -> bytes:
        return gzip.decompress((DATA / release / name).read_bytes())

    def daemon(self, moment: int, state: Path | None = None) -> LiveDaemon:
        """Start one that lives at a moment (ms)."""
        self.ahead = self.folder / "ahead"
        self.ahead.write_text(str(moment / 1000 - time.time()))
        # That which nled brings along: a server of the distribution may be too old for the files.
        with patch.dict(os.environ, {"PATH": ""}):
            settings = {**SETTINGS, "redis": {"binary": str(find())}}
        daemon = LiveDaemon(settings, state=state, first=clock(self.ahead))
        self.stack.callback(daemon.stop)
        return daemon

    def ctl(self, daemon: LiveDaemon, *arguments: str) -> None:
        statements = f"{clock(self.ahead)}\nfrom nled.ctl import main\nmain()"
        where = ("--socket", str(daemon.state / "control.sock"))
        subprocess.run(
            [sys.executable, "-c", statements, *where, *arguments], check=True, capture_output=True
        )

    def exported(self, daemon: LiveDaemon) -> dict[str, object]:
        file = self.folder / "export.jsonl"
        self.ctl(daemon, "export", str(file))
        return records(file.read_bytes())

    def test_starts_on_their_files(self):
        for release in RELEASES:
            with self.subTest(release=release):
                seen = json.loads(self.unpacked(release, "shown.json.gz"))
                state = self.folder / release
                (state / "store").mkdir(parents=True, mode=0o700)
                shutil.unpack_archive(DATA / release / "store.tar.gz", state / "store")
                daemon = self.daemon(seen["moment"], state)
                kept = records(self.unpacked(release, "export.jsonl.gz"))
                self.assertEqual(missing(kept, self.exported(daemon)), [])
                self.assertEqual(missing(seen["shown"], shown(daemon, seen["about"])), [])
                self.assertEqual(daemon.faults, [])

    def test_what_counts_as_shown_otherwise(self):
        was = {"a": [{"b": 1, "c": None}]}
        self.assertEqual(missing(was, {"a": [{"b": 1, "c": None, "more": 2}]}), [])
        for now in ({}, {"a": []}, {"a": [{"b": 1}]}, {"a": [{"b": 1.0, "c": None}]}, {"a": {"b": 1}}):
            self.assertEqual(len(missing(was, now)), 1, now)

    def test_imports_their_exports(self):
        for release in RELEASES:
            with self.subTest(release=release):
                seen = json.loads(self.unpacked(release, "shown.json.gz"))
                file = self.folder / f"{release}.jsonl"
                file.write_bytes(self.unpacked(release, "export.jsonl.gz"))
                daemon = self.daemon(seen["moment"])
                self.ctl(daemon, "import", str(file))
                self.assertEqual(missing(records(file.read_bytes()), self.exported(daemon)), [])
                self.assertEqual(missing(seen["shown"], shown(daemon, seen["about"])), [])
                self.assertEqual(daemon.faults, [])


class SchemaTests(TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    def start(self, *, ready: bool = True) -> LiveDaemon:
        daemon = LiveDaemon({"redis": {"url": self.server.url}}, ready=ready)
        self.addCleanup(daemon.stop)
        return daemon

    def test_a_newer_one_is_refused_and_left_alone(self):
        daemon = self.start()
        self.assertEqual(self.server.ask("GET nled:schema"), b"$1\r\n1\r\n")
        daemon.process.terminate()
        daemon.wait()
        size = self.server.ask("DBSIZE")
        for newer in ("2", "1.5", "x"):
            self.server.ask(f"SET nled:schema {newer}")
            refused = self.start(ready=False)
            self.assertEqual(refused.wait(), 1)
            [told] = [line for line in refused.log.splitlines() if "A newer nled wrote the data" in line]
            self.assertIn(f"data version {newer}; this nled reads 1", told)
            self.assertEqual(refused.faults, [])
            self.assertEqual(self.server.ask("DBSIZE"), size)
        self.server.ask("SET nled:schema 1")
        self.start()

    def test_a_full_store_is_served_all_the_same(self):
        self.server.ask("CONFIG SET maxmemory 1")
        self.start()
        self.assertEqual(self.server.ask("EXISTS nled:schema"), b":0\r\n")


def records(export: bytes) -> dict[str, object]:
    """Read the records of an export by what they are of, a history as one."""
    found: dict[str, object] = {}
    for line in export.splitlines()[1:-1]:
        record = json.loads(line)
        name = " ".join(str(record.get(each, "")) for each in ("kind", "user", "id", "ip", "serial"))
        if record["kind"] == "history" and name in found:
            found[name]["points"] += record["points"]
        else:
            found[name] = record
    return found
