"""What each notice does: which polls it wakes or ends, what is deleted and logged, and that all are passed on."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from nled.actions.feed import Feed
from nled.actions.notices import NoticeRouter
from nled.domain.notice import GAP, Notice, What
from nled.hub import BATCH, Hub, Wake

SERIAL, OTHER, STRANGER = (f"02AA01AC33140F6{number}" for number in (1, 2, 3))


def serial_of(number: int) -> str:
    return f"02AA01AC3314{number:04X}"


class NoticeRouterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.hub, self.feed = Hub(self.clock, 300.0, 4), Feed(self.clock)
        self.forgotten: list[str] = []
        self.router = NoticeRouter(self.hub, self.feed, self.forget, 300_000)
        self.said: list[str] = []
        globalLogPublisher.addObserver(self._log)
        self.addCleanup(globalLogPublisher.removeObserver, self._log)

    def _log(self, event) -> None:
        if event.get("log_namespace") == "nled.actions.notices.NoticeRouter":
            self.said.append(event["log_format"].format(**event))

    async def forget(self, serial: str) -> None:
        self.forgotten.append(serial)

    def hold(self, *serials: str) -> list[Deferred[Wake]]:
        return [self.hub.open(serial).wait() for serial in serials]

    def hear(self, what: What, serial: str = SERIAL) -> None:
        self.router.heard(Notice(serial, f"shared.{serial}", 7, 1000, what, "1-1"))

    def hear_of_home(self, *members: str, what: What = "server") -> None:
        self.router.heard(Notice("", "structure.S1", 7, 1000, what, "1-1", home="anna", members=members))

    def woken(self, waiting: list[Deferred[Wake]]) -> list[Wake | None]:
        return [self.successResultOf(each) if each.called else None for each in waiting]

    def test_a_write_of_the_server_wakes_the_polls_of_its_device(self) -> None:
        polls = self.hold(SERIAL, SERIAL, OTHER)
        self.hear("server")
        self.assertEqual(self.woken(polls), [Wake.CHANGED, Wake.CHANGED, None])

    def test_nothing_that_the_device_did_or_was_given_wakes_it(self) -> None:
        polls = self.hold(SERIAL)
        for what in ("device", "pushed", "acknowledged", "met", "online", "offline", "access"):
            self.hear(what)
        self.hear_of_home(SERIAL, what="device")
        self.assertEqual(self.woken(polls), [None])

    def test_a_write_to_a_home_wakes_those_of_all_its_devices(self) -> None:
        polls = self.hold(SERIAL, OTHER, STRANGER)
        self.hear_of_home(SERIAL, OTHER)
        self.assertEqual(self.woken(polls), [Wake.CHANGED, Wake.CHANGED, None])

    def test_a_large_home_is_woken_in_batches(self) -> None:
        serials = [serial_of(number) for number in range(2 * BATCH + 1)]
        polls = self.hold(*serials)
        self.hear_of_home(*serials)
        self.assertEqual(sum(each.called for each in polls), BATCH)
        self.clock.advance(0)
        self.assertEqual(sum(each.called for each in polls), len(serials))

    def test_who_is_nobodys_or_gone_is_let_go(self) -> None:
        for what in ("unpaired", "forgotten"):
            polls = self.hold(SERIAL, OTHER)
            self.hear(what)
            self.assertEqual(self.woken(polls), [Wake.ENDED, None], what)
        self.assertEqual(self.forgotten, [SERIAL])

    def test_files_that_cannot_be_deleted(self) -> None:
        async def fail(_: str) -> None:
            raise OSError("disk")

        self.router.forget = fail
        listener = self.feed.open()
        self.hear("forgotten")
        self.assertEqual(self.successResultOf(listener.next(1)).what, "forgotten")
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_what_the_log_tells(self) -> None:
        for what in ("server", "device", "pushed", "access", "unpaired", "forgotten"):
            self.hear(what)
        self.assertEqual(self.said, [])
        for what in ("acknowledged", "met", "online", "offline"):
            self.hear(what)
        self.assertEqual(
            self.said,
            [
                f"{SERIAL}: has shared.{SERIAL} revision 7.",
                f"{SERIAL}: a thermostat that was not known here.",
                f"{SERIAL}: online.",
                f"{SERIAL}: silent for 5 minutes, counts as offline.",
            ],
        )

    def test_all_of_them_are_passed_on_in_order(self) -> None:
        listener = self.feed.open()
        kinds: list[What] = ["server", "device", "pushed", "acknowledged", "met", "forgotten", "unpaired"]
        kinds += ["online", "offline", "access"]
        for what in kinds:
            self.hear(what)
        self.hear_of_home(SERIAL)
        heard = [self.successResultOf(listener.next(1)) for _ in range(len(kinds) + 1)]
        self.assertEqual([each.what for each in heard], [*kinds, "server"])
        self.assertEqual(heard[-1].home, "anna")

    def test_after_a_loss_all_is_looked_at_anew(self) -> None:
        polls, listener = self.hold(SERIAL, OTHER), self.feed.open()
        self.router.missed()
        self.assertEqual(self.woken(polls), [Wake.CHANGED, Wake.CHANGED])
        self.assertIs(self.successResultOf(listener.next(1)), GAP)
