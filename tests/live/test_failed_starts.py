"""A start that fails ends with status 1 and one sentence that says what to do."""

import os
import re
import socket
import subprocess
from pathlib import Path

from tests.live.outage import OutageCase
from tests.live.support import LiveDaemon


class FailedStartTests(OutageCase):
    def setUp(self):
        super().setUp()
        # They all start at once: one of them waits ten seconds for a lock.
        self.pending: list[tuple[LiveDaemon, str]] = []

    def refused(self, sentence: str, state: Path | None = None, **sections: dict[str, object]) -> None:
        daemon = LiveDaemon(sections, state=state, ready=False)
        self.stack.callback(daemon.stop)
        self.pending.append((daemon, sentence))

    def test_refusals(self):
        running = LiveDaemon()
        self.stack.callback(running.stop)
        taken = self.stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        self.refused(f"Cannot listen on 127.0.0.1 port {taken} .*device.port", device={"port": taken})
        self.refused(f"Cannot listen on 127.0.0.1 port {taken} .*control.port", control={"port": taken})
        self.refused("Another nled uses the state directory .*stop it", running.state)
        self.refused("The state directory .* cannot be made or used: .*create it", Path("/proc/nled"))
        file = self.folder / "file"
        file.touch()
        self.refused("The state directory .* cannot be made or used: .*create it", file)
        self.refused(
            "does not say that it is Redis or Valkey; correct redis.binary", redis={"binary": "/bin/echo"}
        )
        self.refused("redis.binary names .* cannot be executed; correct it", redis={"binary": "/nowhere"})
        newer = self.folder / "newer"
        (newer / "store").mkdir(parents=True)
        (newer / "store" / "server-version").write_text("valkey 99.0.0\n")
        self.refused("cannot read; install .* or newer", newer)
        if os.geteuid() == 0:
            theirs = self.folder / "theirs"
            (theirs / "store").mkdir(parents=True)
            os.chown(theirs / "store", 12345, 12345)
            self.refused("belongs to user 12345, but nled runs as root; start nled as its owner", theirs)
        for daemon, sentence in self.pending:
            try:
                status = daemon.wait(15)
            except subprocess.TimeoutExpired:
                self.fail(f"it goes on after: {daemon.log}")
            self.assertEqual(status, 1, sentence)
            told = [line for line in daemon.log.splitlines() if re.search(sentence, line)]
            self.assertEqual(len(told), 1, (sentence, daemon.log))
            self.assertEqual(daemon.faults, [])
        self.assertEqual(running.ask("GET", "/nest/ping").status, 200)
