"""A store that can be read and not written: its memory is full, or its disk."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.live.outage import SERIALS, UNAVAILABLE, OutageCase
from tests.live.support import wait_until
from tests.live.test_control_access import TRIES, VICTIM
from tests.live.test_events import Stream

MEMORY_FULL = "The server's memory is full. Nothing was changed."
DISK_FULL = "The server's disk is full. Nothing was changed."


class FullStoreCase(OutageCase):
    def lines_of(self, what: str) -> list[str]:
        """The lines of the log that tell of one trouble."""
        return [
            line for line in self.daemon.log.splitlines() if "Troubles#" in line and f"] {what}: " in line
        ]

    def troubles(self) -> dict[str, str]:
        answer = self.daemon.ask("GET", "/api/troubles", port="socket", serial=None)
        return {each["what"]: each["seen"] for each in answer.json["troubles"]}

    def reads(self, key: str) -> dict[str, Any]:
        """Whatever is read with a key: all is 200, and what it shows."""
        found = {}
        for name, how in TRIES.items():
            method, template = name.split(" ")
            if method != "GET" or name in {"GET /api/scan-network", "GET /api/events"}:
                continue
            path = template.format(device_id=VICTIM, serial=VICTIM, user="somebody", identifier="0" * 16)
            answer = self.daemon.control_ask("GET", f"{path}?{how.query}" if how.query else path, key=key)
            found[name] = (answer.status, answer.body)
        return found

    def refuses_writes(self, sentence: str) -> None:
        answer = self.daemon.command(30, SERIALS[1])
        self.assertEqual((answer.status, answer.json["error"]), (503, sentence))
        answer = self.daemon.try_put("shared", {"a": 2}, SERIALS[1])
        self.assertEqual((answer.status, answer.json["error"]), (503, sentence))
        answer = self.daemon.ask("GET", "/nest/passphrase", serial=SERIALS[1])
        self.assertEqual((answer.status, answer.json), (503, UNAVAILABLE))
        self.answers_without_store(self.daemon)


class MemoryTests(FullStoreCase):
    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        self.daemon.ask_store("CONFIG SET maxmemory 1")
        try:
            yield
        finally:
            self.daemon.ask_store("CONFIG SET maxmemory 100mb")

    def test_full(self) -> None:
        self.daemon = self.start(api={"rate_limit": 0})
        claims = self.homes(self.daemon)
        self.daemon.put("shared", {"target_temperature": 20.0}, VICTIM)
        key = self.daemon.make_key(scopes=["read", "write", "admin"])
        polls = self.hold(self.daemon, claims)
        stream = Stream(self.daemon)
        self.stack.callback(stream.wire.close)
        before = self.reads(key)
        self.assertEqual(before["GET /status"][0], 200)
        with self.full():
            wait_until(lambda: "store" in self.troubles(), "it is noticed")
            for _ in range(3):
                self.refuses_writes(MEMORY_FULL)
            after = self.reads(key)
            for name, answer in before.items():
                with self.subTest(name=name):
                    self.assertEqual(after[name][0], answer[0])
            self.assertEqual(len(self.revisions(self.daemon, SERIALS[0])), 1)
            # One who begins to watch now does so, too.
            self.stack.callback(Stream(self.daemon).wire.close)
            late = self.stack.enter_context(self.daemon.connect())
            late.subscribe((f"shared.{SERIALS[0]}", claims[SERIALS[0]]), serial=SERIALS[0])
            # To forget a device only takes away: that is how it can be emptied.
            answer = self.daemon.control_ask("DELETE", "/api/device", {"serial": SERIALS[2]}, key=key)
            self.assertEqual(answer.status, 200, answer)
            del polls[SERIALS[2]]
            self.nothing_came(polls)
            self.assertIn("memory is full", self.troubles()["store"])
            self.assertEqual(len(self.lines_of("store")), 1, self.lines_of("store"))
        self.works_again(self.daemon)
        wait_until(lambda: not self.troubles(), "it is over", 30)
        self.assertEqual(len(self.lines_of("store")), 2, self.lines_of("store"))
        self.all_get({SERIALS[0]: late}, 15.0)
        self.all_are_woken(self.daemon, {serial: polls[serial] for serial in SERIALS[1:] if serial in polls})
        self.assertEqual(self.daemon.faults, [])


class DiskTests(FullStoreCase):
    def test_nearly_full(self) -> None:
        """nled stops writing by itself, so that the store never meets a full disk."""
        state = self.small_disk(64)
        self.daemon = self.start(state, uploads={"store": True})
        claims = self.homes(self.daemon)
        self.daemon.put("shared", {"target_temperature": 20.0}, VICTIM)
        key = self.daemon.make_key(scopes=["read", "write", "admin"])
        polls = self.hold(self.daemon, claims)
        before = self.reads(key)
        filler = state / "filler"
        filler.write_bytes(b"x" * (40 << 20))
        wait_until(lambda: "store" in self.troubles(), "it is noticed")
        for _ in range(3):
            self.refuses_writes(DISK_FULL)
            self.daemon.ask("POST", "/nest/upload", b"a log", serial=SERIALS[0])
        self.assertFalse((state / "device-logs" / SERIALS[0]).exists())
        size = self.append_only_size(state)
        after = self.reads(key)
        self.assertEqual(
            {name: status for name, (status, _) in after.items()},
            {name: status for name, (status, _) in before.items()},
        )
        # Not even the use of the key was written.
        self.assertEqual(self.append_only_size(state), size)
        self.nothing_came(polls)
        filler.unlink()
        wait_until(lambda: not self.troubles(), "it is over")
        self.assertEqual(len(self.lines_of("store")), 2, self.lines_of("store"))
        self.works_again(self.daemon)
        self.all_are_woken(self.daemon, {serial: polls[serial] for serial in SERIALS[1:]})
        self.assertEqual(self.daemon.faults, [])

    def append_only_size(self, state: Path) -> int:
        wait_until(lambda: b"aof_buffer_length:0\r" in self.daemon.ask_store("INFO persistence"), "written")
        return sum(file.stat().st_size for file in (state / "store").glob("appendonly*/*"))
