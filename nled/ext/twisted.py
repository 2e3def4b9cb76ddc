"""Every place where nled goes behind Twisted's public interface, with the reason and what it is worth.

tests/ext/test_twisted.py fails when a release of Twisted does one of these things differently, and when
another module names a private part of Twisted. CONTRIBUTING.md says how a new release is taken in.
"""

import atexit
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from twisted.logger import ILogObserver, globalLogPublisher

# What a request keeps of the question it answers.
_QUESTION = ("uri", "clientproto", "args", "prepath", "postpath", "sitepath", "received_cookies", "cookies")


class Refusing:
    """Comes before HTTPChannel among the bases of a class that has a `refuse`.

    Twisted answers what is not HTTP with an empty 400, from a dozen places. People, and programs behind a
    proxy, need the sentence that every other error has.
    """

    refuse: Callable[[], None]

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse()


def head_of(channel: Any) -> tuple[bytes, bytes, bytes]:
    """Return method, path and version of the request whose headers have just come.

    Twisted hands them over with the end of the body only. Nobody without a key should be able to make nled
    keep 16 MiB first.
    """
    return channel._command, channel._path, channel._version  # noqa: SLF001


def drop_decoder(channel: Any) -> None:
    """Let go of the decoder of a body that will never be whole.

    The decoder and the channel refer to each other, and both hold the body: up to 16 MiB per connection would
    stay until a full garbage collection, and those are rare (nled/tap.py).
    """
    channel._transferDecoder = None  # noqa: SLF001


def begin_answer(request: Any, start: bytes, *, chunked: bool) -> None:
    """Send the head of an answer as it is; `start` may go on with a body, and later writes may be chunks.

    Twisted's own would write X-Nl-... where the firmware scans for X-nl-... by hand. To override the public
    `HTTPChannel.writeHeaders` would do as well, but takes 8 us more; a whole /entry takes 150 us.
    """
    request.startedWriting = 1
    request.chunked = int(chunked)
    request.channel.write(start)


def forget_question(request: Any, also: Iterable[str]) -> None:
    """Take what was asked, and the attributes named in `also`, out of a request whose head is written.

    Thousands are held for minutes, and each takes 4.2 KiB in place of 5.4. Python stores attributes compactly
    while a class has 30 of them at most; a request has more, and keeps the large store when some are deleted.
    """
    for name in (*_QUESTION, *also):
        request.__dict__.pop(name, None)
    # Not by dict.copy(), which keeps the room of what was taken out.
    request.__dict__ = dict(list(request.__dict__.items()))


def run_timers_on(reactor: Any, seconds: Callable[[], float]) -> None:
    """Let all timers of a reactor run on a clock that never steps, before anything is scheduled.

    Twisted's own follow the wall clock: set back an hour, it lets none of them end for an hour, and no poll
    either. A reactor takes the time from its attribute `seconds` alone.

    Raises:
        RuntimeError: a timer runs already; it would never end.
    """
    if reactor.getDelayedCalls():
        raise RuntimeError("Timers were scheduled before the reactor got its clock.")
    reactor.seconds = seconds


def log_observers() -> tuple[ILogObserver, ...]:
    """Return the observers that the log goes to.

    twistd has set the one that was chosen with --logger, --logfile or --syslog before there are settings. Its
    public hook, an ILogObserver component of the application, would replace that choice, and the rotation of
    log files on SIGUSR1 with it; what is wanted is to filter what the chosen one gets.
    """
    return tuple(globalLogPublisher._observers)  # noqa: SLF001


def exit_as_failed() -> None:
    """Let the process end with status 1 once the reactor has stopped.

    twistd returns 0 when the reactor was stopped without a signal, and the reactor catches whatever is raised
    while it runs. Only a start that fails before `startService` returns ends with 1, and ours has to wait for
    the store. The last place to set the status is an exit handler, and there only `os._exit` does. It skips
    the handlers that were registered earlier; nled has none.
    """
    atexit.register(_exit)


def _exit() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
