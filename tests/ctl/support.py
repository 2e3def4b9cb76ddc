"""A daemon made of answers, on a real unix socket, and nledctl run against it.

The answers are built from the types that the daemon's own routes answer with, so that they cannot drift apart.
"""

import io
import json
import os
import socketserver
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import msgspec
from attrs import Factory, define, frozen
from twisted.trial.unittest import SynchronousTestCase

from nled.ctl import main
from nled.domain.buckets import ObjectKey
from nled.domain.device import Bucket, Device
from nled.domain.thermostat import view
from nled.web.control import Commanded

SERIAL = "02AA01AC33140F61"


@frozen
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict
    body: object
    headers: dict


@frozen
class Said:
    """An answer that is not just JSON with status 200."""

    content: object
    status: int = 200
    headers: tuple = ()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        parts = urlsplit(self.path)
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(text) if text else None
        asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), body, dict(self.headers))
        self.server.asked.append(asked)
        said = self.server.answers.get((self.command, parts.path), Said({"error": "nothing here"}, 404))
        if callable(said):
            said = said(asked)
        said = said if isinstance(said, Said) else Said(said)
        content = said.content if isinstance(said.content, bytes) else msgspec.json.encode(said.content)
        # Like nled's, without a Server header.
        self.send_response_only(said.status)
        self.send_header("Date", self.date_time_string())
        for name, value in (*said.headers, ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn):
    daemon_threads = True

    def handle_error(self, *_):
        """Say nothing of clients that went away."""


class UnixServer(Server, socketserver.UnixStreamServer):
    pass


class TcpServer(Server, socketserver.TCPServer):
    pass


@define
class Ran:
    """What a run of nledctl came to."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@define
class FakeDaemon:
    """What is answered, by method and path, and what was asked."""

    answers: dict = Factory(dict)
    asked: list = Factory(list)

    def serve(self, server):
        server.asked, server.answers = self.asked, self.answers
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()


class CtlTestCase(SynchronousTestCase):
    """A folder, a daemon on a socket in it, and `run`."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="nled-ctl-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.daemon = FakeDaemon()
        self.socket = str(self.folder / "control.sock")
        self.serve(UnixServer(self.socket, Handler))

    def serve(self, server):
        self.daemon.serve(server)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)

    def run_ctl(self, *arguments, stdin="", environ=None):
        """Run nledctl in this process, with nothing in the environment but the socket."""
        out, err = io.StringIO(), io.StringIO()
        clean = {"PATH": os.environ["PATH"], "NLED_SOCKET": self.socket, **(environ or {})}
        with (
            patch.dict(os.environ, clean, clear=True),
            patch("sys.stdin", io.StringIO(stdin)),
            redirect_stdout(out),
            redirect_stderr(err),
            self.assertRaises(SystemExit) as ended,
        ):
            main(arguments)
        return Ran(ended.exception.code, out.getvalue(), err.getvalue())

    def good(self, *arguments, **settings):
        ran = self.run_ctl(*arguments, **settings)
        self.assertEqual(ran.status, 0, ran)
        return ran

    def asked(self):
        """The last request."""
        return self.daemon.asked[-1]


def wire(kind, **content):
    """An answer as it goes over the wire, which the type that the daemon's route answers with must be able to be."""
    msgspec.convert(content, type=kind, strict=True)
    return content


def written(key, values, delivery="pushed"):
    """The answer to a command."""
    data = {"object_key": key, "values": values, "revision": 4, "timestamp": 99, "delivery": delivery}
    return wire(Commanded, success=True, data=data)


def thermostat(owner="alice", now=1_795_000_000_000, **fields):
    """A thermostat as `/status` shows it; `fields` overrides those of its shared bucket."""
    shared = {
        "current_temperature": 20.5,
        "target_temperature": 21.0,
        "target_temperature_type": "heat",
        "name": "Hall",
        **fields,
    }
    own = {"current_humidity": 41, "current_version": "5.9.4-5", "has_fan": True}
    kept = [Bucket(ObjectKey("shared", SERIAL), 3, 9, shared), Bucket(ObjectKey("device", SERIAL), 4, 9, own)]
    device = Device(SERIAL, owner, "home", now, now, buckets={str(each.key): each for each in kept})
    return msgspec.to_builtins(view(device, now, 300_000, 1))
