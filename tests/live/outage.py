"""Devices that hold polls, for tests of what dies, hangs or fills up under nled."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from tests.live.support import LiveDaemon, wait_until
from tests.live.wire import Wire

SERIALS = [f"02AA01AB{number:08X}" for number in range(20)]
UNAVAILABLE = {"error": "Entry key service unavailable"}


class OutageCase(TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = Path(tempfile.mkdtemp(prefix="nled-live-"))
        self.stack.callback(shutil.rmtree, self.folder)

    def start(
        self,
        state: Path | None = None,
        environ: Mapping[str, str] | None = None,
        **sections: dict[str, object],
    ) -> LiveDaemon:
        daemon = LiveDaemon(sections, state=state, environ=environ)
        self.stack.callback(daemon.stop)
        return daemon

    def small_disk(self, size: int) -> Path:
        """Give a state directory on a disk of its own, of so many MiB."""
        state = self.folder / "state"
        state.mkdir(mode=0o700)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=700", "tmpfs", str(state)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            raise SkipTest("a small disk to fill needs the right to mount one")
        self.stack.callback(subprocess.run, ["umount", "-l", str(state)], check=True)
        return state

    def homes(self, daemon: LiveDaemon) -> dict[str, int]:
        """Have all devices report something; gives the timestamps they then have."""
        return {serial: daemon.put("shared", {"a": serial}, serial)["object_timestamp"] for serial in SERIALS}

    def hold(self, daemon: LiveDaemon, claims: dict[str, int]) -> dict[str, Wire]:
        polls = {serial: self.stack.enter_context(daemon.connect()) for serial in claims}
        for serial, claim in claims.items():
            polls[serial].subscribe((f"shared.{serial}", claim), serial=serial)
        return polls

    def revisions(self, daemon: LiveDaemon, serial: str) -> dict[str, int]:
        answer = daemon.ask("GET", f"/nest/transport/device/{serial}", serial=serial)
        return {each["object_key"]: each["object_revision"] for each in answer.json["objects"]}

    def nothing_came(self, polls: dict[str, Wire]) -> None:
        self.assertTrue(all(poll.silent(0) for poll in polls.values()))

    def all_are_woken(self, daemon: LiveDaemon, polls: dict[str, Wire], value: float = 21.5) -> None:
        for serial in polls:
            self.assertEqual(daemon.command(value, serial).status, 200)
        self.all_get(polls, value)

    def all_get(self, polls: dict[str, Wire], value: float) -> None:
        for serial, poll in polls.items():
            self.assertIn(b'"target_temperature":%s,' % str(value).encode(), poll.chunk(), serial)

    def refuses(self, daemon: LiveDaemon, serial: str = SERIALS[0]) -> None:
        """While its store is away it says so, and to a thermostat in the words of the specification."""
        listed = {"objects": [{"object_key": f"shared.{serial}", "object_timestamp": 0, "value": {"a": 1}}]}
        asked = (
            ("control", "/command", {"serial": serial, "command": "set_temperature", "value": 30}),
            ("control", "/api/register", {"code": "ABC2345", "userId": "a"}),
            ("device", "/nest/transport", listed),
            ("device", "/nest/transport/put", listed),
            ("device", f"/nest/transport/device/{serial}", None),
            ("device", "/nest/passphrase", None),
            ("device", "/nest/passphrase/status", None),
        )
        with contextlib.ExitStack() as stack:
            # All at once, as each may have to wait for the deadline.
            wires = [stack.enter_context(daemon.connect(port)) for port, _, _ in asked]
            for wire, (_, path, body) in zip(wires, asked, strict=True):
                wire.send_request("GET" if body is None else "POST", path, body, serial=serial)
            for wire, (_, path, _) in zip(wires, asked, strict=True):
                answer = wire.answer()
                self.assertEqual((answer.status, "error" in answer.json), (503, True), path)
                if "passphrase" in path:
                    self.assertEqual(answer.json, UNAVAILABLE)
        self.answers_without_store(daemon)

    def answers_without_store(self, daemon: LiveDaemon) -> None:
        answer = daemon.ask("POST", "/nest/entry", b"reset=FALSE&mac=18B430ABCDEF")
        self.assertEqual((answer.status, len(answer.json)), (200, 11))
        self.assertEqual(daemon.ask("GET", "/nest/ping").status, 200)

    def works_again(self, daemon: LiveDaemon) -> None:
        wait_until(lambda: daemon.command(15, SERIALS[0]).status == 200, "commands work again")
