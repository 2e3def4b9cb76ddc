"""One daemon with its thermostats and people, who go on whatever is done to it."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.defer import TimeoutError as Late
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from faults.disk import mount, unmount
from faults.ledger import Ledger
from faults.people import ANN, Caller, Follower, Incident, Person
from faults.service import Service
from nled.simulator import Limits, Thermostat, Trouble
from nled.simulator.client import Client, tcp
from nled.simulator.facts import Identity
from tests.live.faketime import FakeClock

# What a strict thermostat bears of a machine with two cores that does other things too.
_LIMITS = Limits(headers=12.0, batch=(2.0, 12.0), whole_batch=(9.0, 30.0), slack=8.0, answer=12.0)
PATIENCE = 40.0
_PACE = (0.1, 0.4)
_ANSWERED = "answered "


class Failed(Exception):
    """The fault did not end as promised; the text says what did not come."""


@define(eq=False)
class Home:
    """A thermostat and the person who sets it, who may not while it is nobody's.

    Attributes:
        number: of its last report.
    """

    device: Thermostat
    person: Person
    number: int = 0
    owned: bool = True


@define(eq=False)
class World:
    """A daemon, its thermostats and people, and the ledger of what it acknowledged to them.

    Args:
        disk: bytes of a small disk for its state; 0: it has none of its own.
        fake_clock: whether its clock can be stepped.

    Attributes:
        incidents: everything that was not answered with 200, in the order in which it was asked.
        held: how many polls each thermostat has held.
        problems: what was seen of the present fault that must not be.
        clock: what it takes for the time, where that can be stepped.
        state: its state directory, on a disk of its own where there is one.
        admin, visitor, hosted: who asks by the socket, without a key, and with Ann's.
    """

    _reactor: Any
    _random: Random
    _count: int
    disk: int = 0
    fake_clock: bool = False
    folder: Path = field(factory=lambda: Path(tempfile.mkdtemp(prefix="nled-faults-")))
    incidents: list[Incident] = field(factory=list, init=False)
    problems: list[str] = field(factory=list, init=False)
    clock: FakeClock | None = field(default=None, init=False)
    ledger: Ledger = field(factory=Ledger, init=False)
    homes: list[Home] = field(factory=list, init=False)
    held: Counter[str] = field(factory=Counter, init=False)
    service: Service = field(init=False)
    state: Path = field(init=False)
    admin: Caller = field(init=False)
    visitor: Caller = field(init=False)
    hosted: Caller = field(init=False)
    follower: Follower = field(init=False)
    _callers: list[Caller] = field(factory=list, init=False)
    _errands: set[Deferred[Any]] = field(factory=set, init=False)
    _devices: list[Thermostat] = field(factory=list, init=False)
    _quiet: bool = field(default=True, init=False)
    _busy: int = field(default=0, init=False)
    _serials: int = field(default=0, init=False)
    _mounted: bool = field(default=False, init=False)

    # Its beginning and its end

    async def begin(self) -> None:
        """Start the daemon; every thermostat boots and is claimed."""
        self.state = self.folder / "state"
        self.state.mkdir(mode=0o700)
        if self.disk:
            self._mounted = mount(self.state, self.disk)
        if self.fake_clock:
            self.clock = FakeClock(self.folder)
        environ = self.clock.environ if self.clock else None
        self.service = Service(self._reactor, state=self.state, environ=environ)
        await self.until(lambda: self.service.ready, "nled is ready")
        self.admin = self.caller("admin", socket=self.state / "control.sock")
        self.visitor = self.caller("visitor")
        key, _ = await self.make_key(ANN)
        self.hosted = self.caller("ann's app", key=key)
        for _ in range(self._count):
            self._build_home()
        for home in self.homes:
            await self.claim(home.device, ANN)
        self.follower = Follower(self._reactor, self.caller("follower"), self.ledger)
        self._go(self.follower.run())
        await self.until(lambda: self.follower.begun, "the event stream begins")
        for home in self.homes:
            self._go(self._live(home))
        await self.all_held()

    async def end(self) -> None:
        """End all of it, and leave nothing behind."""
        for errand in tuple(self._errands):
            errand.cancel()
        await DeferredList([Deferred.fromCoroutine(device.stop()) for device in self._devices])
        for caller in self._callers:
            await caller.close()
        if hasattr(self, "service"):
            self.service.stop()
        if self._mounted:
            unmount(self.state)
        shutil.rmtree(self.folder, ignore_errors=True)

    # Its people and their thermostats

    def caller(self, who: str, *, key: str | None = None, socket: Path | None = None) -> Caller:
        """Somebody who asks the control API."""
        caller = Caller(self._reactor, self.service.control, self.incidents, who, key, socket)
        self._callers.append(caller)
        return caller

    def thermostat(self, serial: str = "") -> Thermostat:
        """Switch on a thermostat, a new one unless it is named."""
        self._serials += 1
        serial = serial or f"02AA01FA{self._serials:08X}"

        def heard(kind: str, detail: str) -> None:
            if (kind, detail) == ("state", "held"):
                self.held[serial] += 1
            elif kind == "gone":
                _, found, status = detail.rpartition(_ANSWERED)
                self.incidents.append(
                    Incident(self._reactor.seconds(), serial, detail, int(status) if found else 0)
                )

        device = Thermostat(
            self._reactor,
            f"http://127.0.0.1:{self.service.device}/nest",
            serial,
            limits=_LIMITS,
            claim_polls=1,
            activity=0,
            retry=0.3,
            on_event=heard,
        )
        self._devices.append(device)
        self._go(device.run())
        return device

    async def switch_off(self, device: Thermostat) -> None:
        """A thermostat is gone for good, or begins anew."""
        self._devices.remove(device)
        await device.stop()

    async def claim(self, device: Thermostat, user: str) -> None:
        """Claim a thermostat by the code on its screen."""
        if not await self.try_code(device, user):
            raise Failed(f"{device.serial} cannot be claimed by the code on its screen")

    async def try_code(self, device: Thermostat, user: str) -> bool:
        """Type the code on a thermostat's screen, as soon as it shows one; tells whether it was taken."""
        serial = device.serial
        await self.when(device, lambda it: it.code and it.state == "held", "shows a code")
        body = {"code": device.code, "userId": user}
        status, answer = await self.visitor.ask("POST", "/api/register", body)
        if status != 200:
            raise Failed(f"{serial} could not be claimed: {status} {answer}")
        if not answer["success"]:
            return False
        self.ledger.claimed(serial, user)
        await self.when(device, lambda it: it.claimed, "hears that it was claimed")
        for home in self.homes:
            home.owned = home.owned or home.device is device
        return True

    async def new_code(self, device: Thermostat) -> None:
        """Wait until a thermostat shows another code, as it does after its hold."""
        old = device.code
        await self.when(device, lambda it: it.code != old, "shows another code")

    async def reset(self, home: Home) -> None:
        """Reset a thermostat to factory state: it forgets all, and says so at its entry."""
        serial = home.device.serial
        await self.switch_off(home.device)
        home.owned = False
        home.person.pause()
        identity = Identity.of(serial)
        client = Client(self._reactor, tcp(self._reactor), identity.headers())
        url = f"http://127.0.0.1:{self.service.device}/nest/entry"
        body = f"reset=TRUE&mac={identity.mac.upper()}".encode()
        answer = await client.ask("POST", url, body, "application/x-www-form-urlencoded", deadline=10)
        await client.close()
        if answer.status != 200:
            raise Failed(f"entry was answered {answer.status}")
        self.ledger.forget(serial)
        self.ledger.owners[serial] = None
        self.ledger.acknowledged += 1
        home.device = self.thermostat(serial)

    async def make_key(self, user: str) -> tuple[str, str]:
        """Make an API key for a user, as the administrator; gives the key and its id."""
        await self.admin.ask("POST", "/api/ensure-user", {"userId": user})
        about = {"name": "faults", "scopes": ["read", "write"], "userId": user}
        status, answer = await self.admin.ask("POST", "/api/keys", about)
        if status != 200:
            raise Failed(f"no key could be made: {status} {answer}")
        self.ledger.acknowledged += 1
        return answer["key"], answer["id"]

    def lacks(self, device: Thermostat) -> list[str]:
        """What was set and a thermostat has not, one sentence for each."""
        values = {key: bucket.value for key, bucket in device.buckets.items()}
        return list(self.ledger.differences(device.serial, values, on_device=True))

    # What goes on in it

    def now(self) -> float:
        """Seconds of the runner's own clock."""
        return float(self._reactor.seconds())

    def go_on(self) -> None:
        """Let people and thermostats do what they do."""
        self._quiet = False

    async def quiet(self) -> None:
        """Have them pause, and wait until nothing is on its way."""
        self._quiet = True
        await self.until(lambda: not self._busy, "all that was asked is answered")

    async def traffic(self, count: int = 2) -> None:
        """Wait until so much more was acknowledged for each home."""
        goal = self.ledger.acknowledged + count * len(self.homes)
        await self.until(lambda: self.ledger.acknowledged >= goal, "something is acknowledged")

    async def all_held(self) -> None:
        """Wait until every thermostat holds its poll."""
        for home in self.homes:
            await self.when(home.device, lambda it: it.state == "held", "holds its poll")

    async def until(self, condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> None:
        """Look until the condition holds; raises `Failed`."""
        end = self._reactor.seconds() + patience
        while not condition():
            if self._reactor.seconds() > end:
                raise Failed(f"waited {patience:g} s in vain until {what}")
            await deferLater(self._reactor, 0.02)

    async def when(
        self, device: Thermostat, condition: Callable[[Any], Any], what: str, patience: float = PATIENCE
    ) -> None:
        """Wait until something is so of a thermostat; raises `Failed`."""
        try:
            await device.when(condition).addTimeout(patience, self._reactor)
        except Late:
            raise Failed(
                f"waited {patience:g} s in vain until {device.serial} {what}: {device.trouble}"
            ) from None

    async def pause(self, seconds: float) -> None:
        """Let some time pass, for faults that have to last a while."""
        await deferLater(self._reactor, seconds)

    def _build_home(self) -> None:
        device = self.thermostat()
        person = Person(
            device.serial,
            self._reactor,
            self.ledger,
            self.caller(f"owner of {device.serial}"),
            self.hosted,
            Random(self._random.random()),
        )
        self.homes.append(Home(device, person))

    async def _live(self, home: Home) -> None:
        while True:
            await deferLater(self._reactor, self._random.uniform(*_PACE))
            if self._quiet or not home.owned:
                continue
            self._busy += 1
            try:
                if self._random.random() < 0.3:
                    await self._report(home)
                else:
                    await home.person.do_something()
            finally:
                self._busy -= 1

    async def _report(self, home: Home) -> None:
        home.number += 1
        serial, readings = home.device.serial, {"filter_runtime_sec": home.number}
        write = self.ledger.write(serial, f"device.{serial}", readings, by_device=True)
        try:
            if await home.device.put({"device": readings}):
                write.acknowledged()
        except Trouble as trouble:
            home.device.tell("gone", str(trouble))

    def _go(self, coroutine: Any) -> None:
        def failed(failure: Failure) -> None:
            if not failure.check(CancelledError):
                self.problems.append(failure.getTraceback())

        errand = Deferred.fromCoroutine(coroutine).addErrback(failed)
        self._errands.add(errand)
        errand.addBoth(lambda _: self._errands.discard(errand))
