"""What nled takes from behind Twisted's public interface. A test that fails here says that a release does it differently.

Each also fails when its hook has become needless.
"""

import ast
import gc
import inspect
import re
import sys
import time
import weakref
from pathlib import Path
from unittest.mock import patch

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.pollreactor import PollReactor
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from nled.ext import twisted as ext
from nled.web.request import BoundedRequest
from nled.web.site import BoundedSite, Channel

NLED = Path(ext.__file__).parent.parent
AMID_A_BODY = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"


class Bare(ext.Refusing, HTTPChannel):
    """Twisted's channel with the hooks, and nothing else of ours."""

    heads = ()
    refused = 0

    def refuse(self) -> None:
        self.refused += 1

    def allHeadersReceived(self) -> None:
        self.heads += (ext.head_of(self),)
        super().allHeadersReceived()


class Held(Resource):
    isLeaf = True

    def render(self, request: Request) -> int:
        self.request = request
        return NOT_DONE_YET


class ChannelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.held = Held()
        site = Site(self.held, reactor=Clock(), parsePOSTFormSubmission=False)
        site.protocol = Bare
        self.channel, self.transport = site.buildProtocol(None), StringTransport()
        self.channel.makeConnection(self.transport)

    def test_what_is_not_http(self) -> None:
        for junk in (
            b"hello\r\n",
            b"POST / HTTP/1.1\r\nno colon\r\nx: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        ):
            self.setUp()
            self.channel.dataReceived(junk)
            self.assertGreaterEqual(self.channel.refused, 1, junk)
            self.assertEqual(self.transport.value(), b"", junk)

    def test_the_head_is_known_before_the_body(self) -> None:
        self.channel.dataReceived(AMID_A_BODY)
        self.assertEqual(self.channel.heads, ((b"POST", b"/x", b"HTTP/1.1"),))

    def test_what_a_body_that_ends_early_leaves(self) -> None:
        self.addCleanup(gc.enable)
        gc.disable()
        for drop, left in ((False, True), (True, False)):
            self.setUp()
            self.channel.dataReceived(AMID_A_BODY)
            channel = weakref.ref(self.channel)
            self.transport.producer = None
            self.channel.connectionLost(None)
            if drop:
                ext.drop_decoder(self.channel)
            del self.channel
            self.assertEqual(channel() is not None, left)

    def test_an_answer_whose_head_is_ours(self) -> None:
        for chunked, rest in ((True, b"5\r\nhello\r\n0\r\n\r\n"), (False, b"hello")):
            self.setUp()
            self.channel.dataReceived(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            ext.begin_answer(self.held.request, b"a head\r\n\r\n", chunked=chunked)
            self.held.request.write(b"hello")
            self.held.request.finish()
            self.assertEqual(self.transport.value(), b"a head\r\n\r\n" + rest)
            # The connection goes on.
            self.channel.dataReceived(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertFalse(self.held.request.startedWriting)

    def test_the_question(self) -> None:
        self.channel.dataReceived(b"GET /x?y=1 HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n")
        request = self.held.request
        self.assertLessEqual({*ext._QUESTION}, {*vars(request)})
        for number in range(20):
            setattr(request, f"more{number}", 1)
        request.write(b"hello")
        before = sys.getsizeof(vars(request))
        ext.forget_question(request, (*(f"more{number}" for number in range(20)), "never"))
        self.assertLess(sys.getsizeof(vars(request)), before)
        self.assertEqual({*ext._QUESTION} & {*vars(request)}, set())
        request.write(b"world")
        request.finish()
        self.assertTrue(self.transport.value().endswith(b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"))


class TimerTests(SynchronousTestCase):
    def steady(self) -> float:
        return self.now

    def setUp(self) -> None:
        self.now = 100.0

    def test_timers_end_whatever_the_wall_clock_does(self) -> None:
        for kind in (EPollReactor, PollReactor):
            for wall in (0.0, 4e9):
                with self.subTest(kind=kind, wall=wall), patch.object(time, "time", return_value=wall):
                    self.ends(kind())

    def ends(self, reactor) -> None:
        self.addCleanup(reactor.removeAll)
        ext.run_timers_on(reactor, self.steady)
        self.assertEqual(reactor.seconds(), self.now)
        ended = []
        call = reactor.callLater(5, ended.append, "first")
        moved = reactor.callLater(1, ended.append, "moved")
        moved.reset(6)
        self.assertEqual(call.getTime(), self.now + 5)
        reactor.runUntilCurrent()
        # How long it may sleep until then.
        self.assertEqual((ended, reactor.timeout()), ([], 5))
        self.now += 5
        reactor.runUntilCurrent()
        self.assertEqual((ended, reactor.timeout()), (["first"], 1))
        self.now += 1
        reactor.runUntilCurrent()
        self.assertEqual((ended, reactor.timeout()), (["first", "moved"], None))

    def test_not_when_timers_run_already(self) -> None:
        reactor = EPollReactor()
        self.addCleanup(reactor.removeAll)
        reactor.callLater(5, lambda: None)
        self.assertRaises(RuntimeError, ext.run_timers_on, reactor, self.steady)


class ProcessTests(TestCase):
    def test_the_observers_of_the_log(self) -> None:
        def observer(event) -> None:
            pass

        globalLogPublisher.addObserver(observer)
        self.assertIn(observer, ext.log_observers())
        globalLogPublisher.removeObserver(observer)
        self.assertNotIn(observer, ext.log_observers())

    async def test_the_status_of_a_process_that_failed(self) -> None:
        """tests/live/test_failed_starts.py has the whole daemon."""
        stop = "from twisted.internet import reactor; reactor.callWhenRunning(reactor.stop); reactor.run(); print('end')"
        for before, expected in (
            ("", 0),
            ("from nled.ext.twisted import exit_as_failed; exit_as_failed(); ", 1),
        ):
            out, err, status = await getProcessOutputAndValue(
                sys.executable, ["-c", before + stop], env={"PYTHONPATH": str(NLED.parent)}
            )
            self.assertEqual((out, err, status), (b"end\n", b"", expected))


class NoOtherPlaceTests(SynchronousTestCase):
    def test_our_classes_name_nothing_private_of_their_bases(self) -> None:
        """Nor do they happen to use the same name for something else."""
        for ours, theirs in ((Channel, HTTPChannel), (BoundedRequest, Request), (BoundedSite, Site)):
            private = {name for name in dir(theirs) if name.startswith("_") and not name.startswith("__")}
            for base in theirs.__mro__[:-1]:
                if base.__module__.startswith("twisted."):
                    private |= set(re.findall(r"self\.(_[a-z]\w*)", inspect.getsource(base)))
            self.assertGreater(len(private), 3)
            source = inspect.getsource(ours)
            named = set(re.findall(r"\b(_[a-z]\w*)\b", source))
            self.assertEqual(named & private, set(), ours)

    def test_nothing_private_of_anything_else(self) -> None:
        found = [
            f"{path.relative_to(NLED)}:{node.lineno} {ast.unparse(node)}"
            for path in sorted(NLED.rglob("*.py"))
            if path != Path(ext.__file__)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__")
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
            if ast.unparse(node.value) != "super()"
            # A public name, whatever it looks like.
            if node.attr != "_fields"
        ]
        self.assertEqual(found, [])
