"""More connections than the process may have files: they wait, and everybody who is in goes on."""

import contextlib

from tests.live.outage import SERIALS, OutageCase
from tests.live.support import LiveDaemon, wait_until
from tests.live.wire import Closed

FEW = 100


class FewFilesTests(OutageCase):
    def test_a_crowd(self):
        first = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, {FEW}))\n"
        daemon = LiveDaemon(first=first)
        self.stack.callback(daemon.stop)
        polls = self.hold(daemon, self.homes(daemon))
        person = self.stack.enter_context(daemon.connect("control"))
        with contextlib.ExitStack() as crowd:
            for _ in range(FEW):
                crowd.enter_context(daemon.connect())
            wait_until(lambda: "descriptors: Nearly all of the 100 files" in daemon.log, "it is told")
            # The store dies, too: what it takes to start it has been kept back.
            daemon.kill_store()
            wait_until(lambda: "store: it is over" in daemon.log, "the store is back")
            # Who is in goes on.
            body = {"serial": SERIALS[0], "command": "set_temperature", "value": 21.5}
            self.assertEqual(person.ask("POST", "/command", body, serial=None).status, 200)
            self.assertIn(b'"target_temperature":21.5,', polls[SERIALS[0]].chunk())
            # The socket is for who has to find out.
            answer = daemon.ask("GET", "/api/stats", port="socket", serial=None)
            self.assertEqual(answer.status, 200)
        wait_until(lambda: self.serves(daemon), "those who waited are served")
        self.assertEqual(daemon.log.count("descriptors: "), 1)
        self.assertNotIn("EMFILE", daemon.log)
        self.assertEqual(daemon.faults, [])

    def serves(self, daemon: LiveDaemon) -> bool:
        with contextlib.suppress(ConnectionError, Closed):
            return daemon.ask("GET", "/nest/ping").status == 200
        return False
