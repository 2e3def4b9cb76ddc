"""People: they set thermostats in all ways that there are, and follow what is told of them."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field, frozen
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.task import deferLater

from faults.ledger import Ledger
from nled.simulator.client import Client, tcp
from nled.simulator.errors import Lost, Unreadable
from nled.simulator.wire import Answer

# Longer than nled waits for its store; who gets no answer for so long has none.
_PATIENCE = 12.0
_STREAM = 3600.0
# A thermostat loses one of two schedules that come within 15 s (docs/store.md).
_SCHEDULE_PAUSE = 20.0
ANN, BOB = "ann", "bob"


@frozen
class Incident:
    """Something that was not answered with 200; the status is 0 where nothing came."""

    at: float
    who: str
    what: str
    status: int


@define(eq=False)
class Caller:
    """Asks the control port, or its unix socket."""

    _reactor: Any
    _port: int
    _incidents: list[Incident]
    _who: str
    _key: str | None = None
    _socket: Path | None = None
    _client: Client = field(init=False)

    def __attrs_post_init__(self) -> None:
        connect = tcp(self._reactor)
        if self._socket is not None:
            path = str(self._socket)
            connect = lambda _host, _port: UNIXClientEndpoint(self._reactor, path)  # noqa: E731
        self._client = Client(self._reactor, connect)

    async def ask(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        """Ask one thing; gives status and JSON, and the status 0 where no answer came."""
        body = b"" if content is None else json.dumps(content).encode()
        began = self._reactor.seconds()
        headers = f"Authorization: Bearer {self._key}\r\n" if self._key else ""
        if body and method != "POST":
            headers += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._client.headers = headers
        try:
            url = f"http://127.0.0.1:{self._port}{path}"
            answer = await self._client.ask(method, url, body, deadline=_PATIENCE)
        except (Lost, Unreadable) as problem:
            self._incidents.append(Incident(began, self._who, f"{path}: {problem}", 0))
            return 0, {}
        if answer.status != 200:
            self._incidents.append(
                Incident(began, self._who, f"{path}: {answer.body[:200]!r}", answer.status)
            )
        return answer.status, json.loads(answer.body)

    async def follow(self, last: str, heard: Callable[[Answer], None]) -> None:
        """Follow the event stream to its end."""
        path = f"http://127.0.0.1:{self._port}/api/events"
        self._client.headers = f"Last-Event-ID: {last}\r\n" if last else ""
        with suppress(Lost, Unreadable):
            await self._client.ask("GET", path, deadline=_STREAM, heard=heard)

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()


@define(eq=False)
class Person:
    """Sets one thermostat, by the control API and the API of the hosted service.

    Attributes:
        outage: the longest time for which nothing that they set was acknowledged, in seconds.
        last: when something was acknowledged last.
    """

    serial: str
    _clock: Any
    _ledger: Ledger
    _control: Caller
    _hosted: Caller
    _random: Random
    outage: float = 0.0
    last: float = 0.0
    _number: int = 0
    _schedule_due: float = 0.0
    _failing: float | None = None

    def pause(self) -> None:
        """There is nothing for them to set any more, for now: that is no outage."""
        self._failing = None

    async def do_something(self) -> bool:
        """Set one thing or another."""
        doings = (self.set_temperature, self.set_temperature_hosted, self.set_threshold, self.set_schedule)
        return await self._random.choices(doings, (5, 3, 2, 1))[0]()

    async def set_temperature(self) -> bool:
        """Set the temperature, to another one each time."""
        value = self._next_temperature()
        return await self._command("set_temperature", value, "shared", {"target_temperature": value})

    async def set_temperature_hosted(self) -> bool:
        """Set the temperature as an app of the hosted service does."""
        value = self._next_temperature()
        path = f"/api/v1/thermostat/{self.serial}/temperature"
        body = {"value": value, "mode": "heat", "scale": "C"}
        return await self._write(self._hosted, path, body, "shared", {"target_temperature": value})

    async def set_threshold(self) -> bool:
        """Set after how many seconds the filter is to be replaced."""
        self._number += 1
        wanted = {"filter_replacement_threshold_sec": self._number}
        return await self._command("set_device_setting", wanted, "device", wanted)

    async def set_schedule(self) -> bool:
        """Replace the schedule, unless that was done just now: nled would let the second one wait."""
        if self._clock.seconds() < self._schedule_due:
            return await self.set_threshold()
        self._schedule_due = self._clock.seconds() + _SCHEDULE_PAUSE
        self._number += 1
        setpoint = {"time": 0, "type": "HEAT", "temp": 15 + self._number % 10}
        name = f"Week {self._number}"
        week = {"ver": 2, "schedule_mode": "HEAT", "name": name, "days": {"6": {"0": setpoint}}}
        return await self._command("set_schedule", week, "schedule", {"name": name})

    def _next_temperature(self) -> float:
        self._number += 1
        return 10 + self._number % 40 / 2

    async def _command(self, command: str, value: Any, kind: str, wanted: dict[str, Any]) -> bool:
        body = {"serial": self.serial, "command": command, "value": value}
        return await self._write(self._control, "/command", body, kind, wanted)

    async def _write(self, caller: Caller, path: str, body: Any, kind: str, wanted: dict[str, Any]) -> bool:
        key = f"{kind}.{self.serial}"
        write = self._ledger.write(self.serial, key, wanted)
        began = self._clock.seconds()
        status, answer = await caller.ask("POST", path, body)
        if status != 200:
            if 400 <= status < 500:
                write.refused()
            elif self._failing is None:
                self._failing = began
            return False
        write.acknowledged()
        self._ledger.events.add((key, answer["data"]["revision"] if "data" in answer else answer["revision"]))
        self.last = self._clock.seconds()
        if self._failing is not None:
            self.outage, self._failing = max(self.outage, self.last - self._failing), None
        return True


@define(eq=False)
class Follower:
    """Follows the event stream, over all ends of it, and strikes out of the ledger what was told.

    Attributes:
        gaps: how often it was told that events are lost.
    """

    _clock: Any
    _caller: Caller
    _ledger: Ledger
    gaps: int = 0
    _told: set[tuple[str, int]] = field(factory=set)
    _last: str = ""
    _rest: bytes = b""

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            self._rest = b""
            await self._caller.follow(self._last, self._heard)
            await deferLater(self._clock, 0.2)

    @property
    def begun(self) -> bool:
        """Whether the stream has begun: of what was before that it does not tell."""
        return bool(self._last)

    @property
    def missing(self) -> set[tuple[str, int]]:
        """What was acknowledged and not told."""
        self._ledger.events -= self._told
        return self._ledger.events

    def forget(self) -> None:
        """Drop what was told, since it was looked at."""
        self._told.clear()

    def _heard(self, answer: Answer) -> None:
        *blocks, self._rest = (self._rest + answer.body).split(b"\n\n")
        answer.chunks.clear()
        for block in blocks:
            self._take(block.decode().splitlines())

    def _take(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line.startswith("id: "):
                self._last = line[4:]
            elif line.startswith("data: "):
                event = json.loads(line[6:])
                if event["kind"] == "gap":
                    self.gaps += 1
                    self._ledger.events.clear()
                elif event["kind"] == "changed":
                    self._told.add((event["key"], event["revision"]))
