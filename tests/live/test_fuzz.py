"""Whatever a client sends: never a 5xx, never a traceback, and the next one is served as if nothing had been.

The examples are the same in every run. To search further, NLED_FUZZ=20 takes twenty times as many, new ones
each time.
"""

import os
from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from tests.live.fuzzing import CONTROL, SHARED, bodies, raw_requests
from tests.live.support import FAULTS, LiveDaemon, shared_daemon
from tests.live.wire import Answer, Closed, request

_DEEPER = int(os.environ.get("NLED_FUZZ", "1"))
# How long an answer may take to begin; a request that never ends gets none.
_QUIET = 0.3


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples * _DEEPER,
        derandomize=_DEEPER == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class FuzzCase(TestCase):
    """What every answer has to be, whatever was asked."""

    daemon: LiveDaemon

    def watched(self) -> Any:
        return _Watch(self)

    def check(self, answer: Answer, *, head_only: bool = False) -> None:
        if answer.status == 503:
            self.assertIn(b"Weather service unavailable", answer.body or b"Weather service unavailable")
        else:
            self.assertLess(answer.status, 500, answer)
        for word in (b"Traceback", b"<html", b".py"):
            self.assertNotIn(word, answer.body)
        if answer.status >= 400:
            self.assertEqual(answer.headers["Content-Type"], "application/json")
            self.assertEqual("Allow" in answer.headers, answer.status == 405)
            if not head_only:
                self.assertEqual(int(answer.headers["Content-Length"]), len(answer.body))
                self.assertTrue(answer.json["error"])


class FuzzTests(FuzzCase):
    def setUp(self):
        self.daemon = shared_daemon()
        self.addCleanup(self.still_well)

    def still_well(self):
        self.assertEqual(self.daemon.put("shared", {"hvac_fan_state": False})["object_key"], SHARED)
        self.assertEqual(self.daemon.command(20).status, 200)

    @bounded(150)
    @given(bodies())
    @example(
        (
            "/nest/transport/put",
            b'{"objects":[{"object_key":"shared.S","value":' + b'{"a":' * 600 + b"1" + b"}" * 602,
        )
    )
    def test_bodies(self, sent):
        path, body = sent
        port = "control" if path in CONTROL else "device"
        with self.watched(), self.daemon.connect(port) as wire:
            wire.send(request("POST", path, body))
            answer = Answer(wire.head())
            if "Transfer-Encoding" not in answer.headers:
                answer = Answer(answer.head, wire.exactly(int(answer.headers["Content-Length"])))
            self.check(answer)

    @bounded(120)
    @given(raw_requests())
    @example(("device", b"GET /nest/passphrase HTTP/1.1\r\nAuthorization: Basic \xff\r\n\r\n"))
    @example(("device", b"GET /nest/passphrase HTTP/1.1\r\nX-nl-client-id: \xff\r\n\r\n"))
    @example(("device", b"GET /nowhere HTTP/1.1\r\nHost: a..b\r\n\r\n"))
    @example(("control", b"GET /nowhere HTTP/1.1\r\nHost: \xff\r\n\r\n"))
    @example(("device", b"POST /nest/ping HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"))
    @example(("device", b"GET /" + b"a" * 17000))
    @example(("device", b"GET * HTTP/1.1\r\n\r\n"))
    def test_requests(self, sent):
        port, raw = sent
        with self.watched(), self.daemon.connect(port) as wire:
            wire.socket.settimeout(_QUIET)
            try:
                wire.send(raw)
                while True:
                    answer = Answer(wire.head())
                    headers = answer.headers
                    if raw.startswith(b"HEAD ") or answer.status == 100 or "Transfer-Encoding" in headers:
                        self.check(answer, head_only=True)
                        break
                    self.check(Answer(answer.head, wire.exactly(int(headers.get("Content-Length", 0)))))
            except (TimeoutError, ConnectionError):
                return
            except Closed as closed:
                # Nothing but whole answers before the end.
                self.assertEqual(closed.args, (b"",))

    @bounded(30)
    @given(st.binary(min_size=1, max_size=20), st.sampled_from(["GET", "POST", "DELETE"]))
    def test_unknown_paths(self, raw, method):
        path = f"/x{quote_from_bytes(raw)}"
        for port in ("device", "control"):
            with self.watched():
                answer = self.daemon.ask(method, path, b"", port=port)
                self.check(answer)
                readable = raw.isascii() and raw.decode().isprintable()
                self.assertIn(answer.status, (404,) if readable else (400, 404))
        # A 404 there would make a thermostat reset its communication.
        answer = self.daemon.ask("POST", f"/transport{path}", b"")
        self.assertEqual((answer.status, [*answer.json]), (400, ["error"]))


class _Watch:
    """Fails if the daemon dies, or logs a fault, meanwhile."""

    def __init__(self, test: FuzzCase) -> None:
        self.test = test
        self.log = test.daemon.log_file
        self.before = self.log.stat().st_size

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.test.assertIsNone(self.test.daemon.process.poll())
        with self.log.open("rb") as log:
            log.seek(self.before)
            new = log.read().decode(errors="replace")
        self.test.assertFalse(
            [line for line in new.splitlines() if any(fault in line for fault in FAULTS)], new
        )
