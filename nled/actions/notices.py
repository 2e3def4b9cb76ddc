"""What each notice does in this process."""

from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from nled.actions.feed import Feed
from nled.domain.notice import Notice
from nled.hub import Hub

_NEWS = {
    "acknowledged": "{serial}: has {key} revision {revision}.",
    "met": "{serial}: a thermostat that was not known here.",
    "online": "{serial}: online.",
    "offline": "{serial}: silent for {minutes} minutes, counts as offline.",
}


@define
class NoticeRouter:
    """Passes on what all processes tell, in the order of the notices' ids and each of them once.

    Attributes:
        forget: deletes what a device has left in files of this process.
        silence: ms without a contact until a device counts as offline.
    """

    hub: Hub
    feed: Feed
    forget: Callable[[str], Coroutine[Deferred[Any], Any, None]]
    silence: int
    _log = Logger()

    def heard(self, notice: Notice) -> None:
        """React to one notice."""
        what, serial = notice.what, notice.serial
        if what == "server":
            self._wake(notice)
        elif what in ("forgotten", "unpaired"):
            self.hub.end(serial)
        elif what in _NEWS:
            self._log.info(
                _NEWS[what],
                serial=serial,
                key=notice.key,
                revision=notice.revision,
                minutes=self.silence // 60_000,
            )
        if what == "forgotten":
            # Asked for at another process perhaps, which has not got the files of this one.
            self._do(self.forget(serial))
        self.feed.publish(notice)

    def missed(self) -> None:
        """Some notices are lost, whatever they said: look at everything anew."""
        self.feed.missed()
        self._do(self.hub.change_all())

    def _wake(self, notice: Notice) -> None:
        if notice.home:
            self._do(self.hub.change_each(notice.members))
        else:
            self.hub.changed(notice.serial)

    def _do(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(lambda failure: self._log.failure("A fault in nled", failure))
