"""The event stream: its format, its breaks, and the lines that people see."""

import io
import json
from http.client import IncompleteRead

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from nled.ctl.errors import Refused, Unreachable
from nled.ctl.events import Event, follow, parse
from nled.domain.notice import Notice
from nled.web.events import _content
from tests.ctl.support import SERIAL, CtlTestCase, Said


class ParseTests(SynchronousTestCase):
    def test_stream(self):
        text = b':\n\nid: 1-0\ndata: {"serial":""}\n\n:\nid: 2-0\n\r\ndata:{\r\ndata: }\n\nevent: x\n\nid: 3-0\ndata: [1]\n\n'
        text += b"id: 4-0\ndata: " + b"[" * 5000 + b"\n\n"
        self.assertEqual(
            list(parse(io.BytesIO(text))),
            [
                Event("1-0", {"serial": ""}),
                Event("2-0", None),
                Event("", {}),
                Event("3-0", None),
                Event("4-0", None),
            ],
        )

    def test_half_an_event(self):
        self.assertEqual(list(parse(io.BytesIO(b"id: 1-0\ndata: {}\n"))), [])


class Stream(io.BytesIO):
    """An answer that breaks off at its end, if it is to."""

    def __init__(self, text, broken=None):
        super().__init__(text)
        self.broken = broken

    def readline(self, most):
        line = super().readline(most)
        if not line and self.broken:
            raise self.broken
        return line


class Client:
    """A daemon whose streams are these."""

    place = "here"

    def __init__(self, *streams):
        self.streams = list(streams)
        self.asked = []

    def listen(self, path, headers, patience):
        self.asked.append((path, headers))
        stream = self.streams.pop(0)
        if isinstance(stream, Exception):
            raise stream
        return stream


class FollowTests(SynchronousTestCase):
    def follow(self, *streams, ends=Refused):
        """Follow until there is no more to follow; returns the ids, what was asked and the pauses."""
        client, pauses, told = Client(*streams, Refused("over", 401)), [], []
        found = []

        def read():
            found.extend(event.id for event in follow(client, told.append, pauses.append))

        self.assertRaises(ends, read)
        self.assertEqual(len(told), len(pauses))
        return found, [headers for _, headers in client.asked], pauses

    def test_from_where_it_was(self):
        found, asked, pauses = self.follow(
            Stream(b"id: 1-0\ndata: {}\n\n"),
            Stream(b"data: {}\n\n", IncompleteRead(b"")),
            Stream(b"id: 2-0\n\n", TimeoutError()),
        )
        self.assertEqual(found, ["1-0", "", "2-0"])
        self.assertEqual(
            asked, [{}, {"Last-Event-ID": "1-0"}, {"Last-Event-ID": "1-0"}, {"Last-Event-ID": "2-0"}]
        )
        self.assertEqual(pauses, [1, 1, 1])

    def test_patience_grows(self):
        away = [Unreachable("away")] * 7
        _, asked, pauses = self.follow(Stream(b""), *away, Stream(b""))
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 30, 30, 30, 1])
        self.assertEqual(len(asked), 10)

    def test_one_that_cannot_just_now(self):
        slow = Refused("slow", 429, again=40)
        _, asked, pauses = self.follow(Stream(b""), Refused("away", 503), slow, Stream(b""))
        self.assertEqual(len(asked), 5)
        self.assertEqual(pauses, [1, 2, 40, 1])
        for status in (401, 403, 503):
            first = [Refused("no", status)]
            self.assertEqual(self.follow(*first), ([], [{}], []), "not where it never worked")

    def test_never_there(self):
        self.assertEqual(self.follow(Unreachable("away"), ends=Unreachable), ([], [{}], []))


class WatchTests(CtlTestCase):
    notices = (
        Notice(SERIAL, f"shared.{SERIAL}", 4, 9, "server", "1-0", '["target_temperature"]'),
        Notice(SERIAL, f"shared.{SERIAL}", 4, 9, "pushed", "2-0", '["target_temperature"]'),
        Notice("02AA01AC00000002", "device.02AA01AC00000002", 5, 9, "device", "3-0", '["leaf"]'),
        Notice(SERIAL, "", 0, 0, "offline", "4-0"),
        Notice("", "", 0, 0, "gap", "5-0"),
    )

    def setUp(self):
        super().setUp()
        # As the daemon writes them.
        contents = [msgspec.json.encode(_content(notice)).decode() for notice in self.notices]
        text = "".join(f"id: {n}-0\ndata: {content}\n\n" for n, content in enumerate(contents))
        streams = [Said(text.encode(), headers=(("Content-Type", "text/event-stream"),))]
        over = Said({"error": "enough"}, 403)
        self.daemon.answers["GET", "/api/events"] = lambda _: streams.pop() if streams else over
        self.patch(follow, "__defaults__", (lambda _: None,))

    def watch(self, *arguments):
        ran = self.run_ctl("watch", *arguments)
        self.assertEqual(ran.status, 1)
        self.assertEqual(ran.err.splitlines()[-1], "nledctl: enough")
        return ran.out.splitlines()

    def test_lines(self):
        self.assertEqual(
            [line[10:] for line in self.watch()],
            [
                f"{SERIAL}  shared.{SERIAL} changed by people: target_temperature",
                f"{SERIAL}  shared.{SERIAL} pushed: target_temperature",
                "02AA01AC00000002  device.02AA01AC00000002 changed by the thermostat: leaf",
                f"{SERIAL}  offline",
                "-  some events were lost; see nledctl devices",
            ],
        )

    def test_some(self):
        lines = self.watch(SERIAL.lower())
        self.assertEqual([line[10:].split()[0] for line in lines], [SERIAL, SERIAL, SERIAL, "-"])

    def test_json(self):
        self.assertEqual(
            [json.loads(line)["kind"] for line in self.watch("--json")][-2:], ["availability", "gap"]
        )
