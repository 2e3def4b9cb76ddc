"""`nledctl import-nolongerevil`, on a database made by the other server's schema."""

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from nled.domain.archive.records import DeviceRecord, PersonRecord
from tests.ctl.test_archive import SERIAL, ArchiveTestCase, Daemon

# Protocol i.
SCHEMA = """
CREATE TABLE states (serial VARCHAR NOT NULL, object_key VARCHAR NOT NULL, object_revision INTEGER NOT NULL,
  object_timestamp BIGINT NOT NULL, value VARCHAR NOT NULL, "updatedAt" BIGINT NOT NULL,
  PRIMARY KEY (serial, object_key));
CREATE TABLE sessions (serial VARCHAR, session VARCHAR);
CREATE TABLE logs (id INTEGER PRIMARY KEY);
CREATE TABLE users ("clerkId" VARCHAR PRIMARY KEY, email VARCHAR NOT NULL, "createdAt" BIGINT NOT NULL);
CREATE TABLE "entryKeys" (code VARCHAR PRIMARY KEY, serial VARCHAR, "createdAt" BIGINT, "expiresAt" BIGINT,
  "claimedBy" VARCHAR, "claimedAt" BIGINT);
CREATE TABLE "deviceOwners" (serial VARCHAR PRIMARY KEY, "userId" VARCHAR NOT NULL, "createdAt" BIGINT NOT NULL);
CREATE TABLE "apiKeys" (id VARCHAR PRIMARY KEY);
CREATE TABLE "deviceShares" ("ownerId" VARCHAR, "sharedWithUserId" VARCHAR, serial VARCHAR, permissions VARCHAR,
  "createdAt" BIGINT, PRIMARY KEY ("ownerId", "sharedWithUserId", serial));
CREATE TABLE "seviceShareInvites" ("inviteToken" VARCHAR PRIMARY KEY);
CREATE TABLE integrations ("userId" VARCHAR, type VARCHAR, PRIMARY KEY ("userId", type));
CREATE TABLE weather ("postalCode" VARCHAR, country VARCHAR, PRIMARY KEY ("postalCode", country));
"""
AT = 1_760_000_000_000


class NoLongerEvil(ArchiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        # A name that a URI must not read as more than a name.
        self.file = self.folder / "data base?mode=rwc#1.sqlite"
        self.fill(SCHEMA)
        self.rows("states", (SERIAL, f"shared.{SERIAL}", 7, AT, json.dumps({"target_temperature": 20.5}), AT))
        self.rows("deviceOwners", (SERIAL, "user_ann", AT))
        self.rows("users", ("user_ann", "ann@example.org", AT))

    def fill(self, script: str) -> None:
        with closing(sqlite3.connect(self.file)) as database:
            database.executescript(script)

    def rows(self, table: str, *rows: tuple[object, ...]) -> None:
        marks = ",".join("?" * len(rows[0]))
        with closing(sqlite3.connect(self.file)) as database, database:
            database.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)

    def run_import(self, *options: str, status: int = 0):
        daemon = Daemon()
        result = self.run_on(daemon, "import-nolongerevil", *options, self.file)
        self.assertEqual(result.exit_code, status, result.output)
        return daemon, result.output

    def test_all_of_it(self) -> None:
        before = sha256(self.file.read_bytes()).digest()
        daemon, output = self.run_import()
        person, device = daemon.records
        self.assertIsInstance(person, PersonRecord)
        self.assertIsInstance(device, DeviceRecord)
        self.assertEqual(device.owner.user, "user_ann")
        self.assertEqual(daemon.batches, [(2, False)])
        self.assertIn("Imported 2 records. These are 1 devices (1 owned) with 1 buckets, 1 people", output)
        self.assertEqual(sha256(self.file.read_bytes()).digest(), before)
        self.assertEqual([each.name for each in self.folder.iterdir()], [self.file.name])

    def test_odd_rows_are_told(self) -> None:
        self.rows("states", (SERIAL, "x", 1, AT, "{", AT), ("\x1b[2J", "y", 1, AT, b"\xff", AT))
        self.rows("entryKeys", ("ABC1234", SERIAL, AT, AT, None, None))
        _, output = self.run_import()
        lines = [line for line in output.splitlines() if line.startswith("left out: ")]
        self.assertEqual(len(lines), 3)
        self.assertNotIn("\x1b", output)

    def test_nothing_is_left_beside_the_file(self) -> None:
        self.fill("PRAGMA journal_mode = WAL")
        self.assertEqual(len(self.run_import()[0].records), 2)
        self.assertEqual([each.name for each in self.folder.iterdir()], [self.file.name])
        with closing(sqlite3.connect(self.file)) as other:
            # What is still in its log counts.
            other.execute("INSERT INTO users VALUES ('bob', '', 1)")
            other.commit()
            self.assertEqual(len(self.run_import()[0].records), 3)

    def test_a_server_that_was_killed(self) -> None:
        killed = self.folder / "killed.sqlite"
        with closing(sqlite3.connect(self.file)) as database:
            database.execute("PRAGMA cache_size = 1")
            database.executemany(
                "INSERT INTO users VALUES (?, ?, 1)", ((f"user{n}", "x" * 500) for n in range(100))
            )
            for end in ("", "-journal"):
                Path(f"{killed}{end}").write_bytes(Path(f"{self.file}{end}").read_bytes())
        self.file = killed
        _, output = self.run_import(status=1)
        self.assertIn("was not closed: start the other server and stop it", output)

    def test_dry_run(self) -> None:
        daemon, output = self.run_import("--dry-run")
        self.assertEqual(daemon.batches, [])
        self.assertIn("Would import 1 devices", output)

    def test_for_programs(self) -> None:
        _, output = self.run_import("--dry-run", "--json")
        answer = json.loads(output)
        self.assertEqual((answer["devices"], answer["people"], answer["left_out"]), (1, 1, []))

    def test_merge(self) -> None:
        self.assertEqual(self.run_import("--merge")[0].batches, [(2, True)])

    def test_an_older_schema(self) -> None:
        self.fill('DROP TABLE "deviceShares"; DROP TABLE users; ALTER TABLE states DROP COLUMN "updatedAt"')
        daemon, _ = self.run_import()
        self.assertEqual(len(daemon.records), 2)

    def test_what_is_no_such_database(self) -> None:
        self.fill("DROP TABLE states")
        self.assertIn("no table `states`", self.run_import(status=1)[1])
        self.file.write_bytes(b"no database" * 100)
        self.assertIn("as an SQLite database", self.run_import(status=1)[1])
