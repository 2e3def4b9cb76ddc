"""Large bodies: what they take of the daemon's memory is bounded, and given back."""

import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from tests.live.support import LiveDaemon, wait_until
from tests.live.wire import PATIENCE, SERIAL, basic

MIB = 2**20
BOUND = 64 * MIB
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
SIZE = 250 * 1024


class BodyTests(TestCase):
    def start(self, **settings: Any) -> None:
        self.daemon = LiveDaemon(settings)
        self.addCleanup(self.daemon.stop)
        self.daemon.put("shared", {"a": 1})
        self.before = self.daemon.rss
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def growth(self) -> int:
        return self.daemon.rss - self.before

    def peak(self) -> int:
        """The most that it has grown by at any time."""
        lines = Path(f"/proc/{self.daemon.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")) - self.before

    def connect(self, address: str, port: int) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", port), PATIENCE, (address, 0))
        return self.stack.enter_context(client)

    def crowd(self, path: str, port: int) -> list[socket.socket]:
        """Connect from four addresses and send the heads of as many bodies as there is room for."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {basic()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {SIZE}\r\n\r\n"
        )
        clients = [self.connect(each, port) for each in ADDRESSES for _ in range(BOUND // 4 // SIZE)]
        for client in clients:
            client.sendall(head.encode())
        return clients

    def test_under_way(self):
        """On the port of thermostats, again and again."""
        self.start()
        for _ in range(2):
            clients = self.crowd("/nest/transport/put", self.daemon.device)
            for _ in range(SIZE // 10_240 - 1):
                for client in clients:
                    client.sendall(b" " * 10_240)
            wait_until(lambda: self.growth() > BOUND * 0.8, "the bodies have come")
            self.assertLess(self.peak(), 1.5 * BOUND)
            self.stack.close()
            wait_until(lambda: self.growth() < 16 * MIB, "the memory is given back")
        self.assertEqual(self.daemon.faults, [])

    def test_while_the_store_hangs(self):
        """They are decoded and written for the store only so many at a time."""
        self.start()
        pad = b"{}," * (SIZE // 3)
        body = b'{"objects":[{"object_key":"shared.%s","value":{"a":[' % SERIAL.encode()
        body += pad[: SIZE - len(body) - 8] + b"{}]}}]}"
        body = body.ljust(SIZE)
        clients = self.crowd("/nest/transport/put", self.daemon.device)
        pid = self.daemon.store_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            for client in clients:
                client.sendall(body)
            # The first of them was answered, so others were taken in its place.
            clients[0].recv(1)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertLess(self.peak(), 2 * BOUND)
        self.stack.close()
        self.assertEqual(self.daemon.put("shared", {"b": 2})["object_key"], f"shared.{SERIAL}")
        self.assertEqual(self.daemon.faults, [])

    def test_without_a_key(self):
        """On the port for people nothing of them is kept at all."""
        self.start(control={"trusted_networks": []})
        for client in self.crowd("/api/import", self.daemon.control):
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 401 "))
            client.sendall(b" " * (SIZE - 1))
        self.assertLess(self.peak(), 8 * MIB)
