"""Simulated thermostats on the real daemon, from power-on to a push; they complain about every broken rule."""

import time

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.trial.unittest import TestCase

from nled.simulator.thermostat import Thermostat
from tests.live.support import LiveDaemon, serial_of, shared_daemon

PATIENCE = 30.0
# Generous for a machine that does other things too; without a wake it would be minutes.
BLINK = 1.0


class SimulatorCase(TestCase):
    daemon: LiveDaemon

    def setUp(self):
        self.daemon = shared_daemon()
        self.devices: list[Thermostat] = []
        self.addCleanup(self.finish)

    async def finish(self):
        for device in self.devices:
            await device.stop()

    def thermostat(self, serial: str, **options: object) -> Thermostat:
        url = f"http://127.0.0.1:{self.daemon.device}"
        device = Thermostat(reactor, url, serial, activity=0, claim_interval=0.1, **options)
        self.devices.append(device)
        Deferred.fromCoroutine(device.run())
        return device

    def when(self, device: Thermostat, predicate) -> Deferred[None]:
        return device.when(predicate).addTimeout(PATIENCE, reactor)

    def no_complaints(self) -> None:
        self.assertEqual(
            {device.serial: device.violations for device in self.devices if device.violations}, {}
        )
        self.assertEqual(self.daemon.faults, [])


class OneTests(SimulatorCase):
    async def test_life(self):
        """It boots, shows its code, is claimed while it polls, is woken by a command, and says that it did it."""
        device = self.thermostat(serial_of(self), claim_polls=1)
        await self.when(device, lambda it: it.state == "held")
        self.assertRegex(device.code, "^[A-Z0-9]{7}$")
        self.assertFalse(device.claimed)

        told: list[str] = []
        device.on_event = lambda kind, detail: told.append(detail) if kind == "push" else None
        typed = f"{device.code[:3].lower()}-{device.code[3:]}"
        answer = self.daemon.ask(
            "POST", "/api/register", {"code": typed, "userId": "user_live"}, port="control"
        )
        self.assertEqual((answer.status, answer.json.get("serial")), (200, device.serial))
        await self.when(device, lambda it: it.claimed and "structure.live" in it.buckets)
        self.assertEqual(told, ["user.user_live", "structure.live"])
        self.assertEqual(device.buckets["user.user_live"].value["name"], "user_live")
        status = self.daemon.ask("GET", "/nest/passphrase/status", serial=device.serial).json
        self.assertEqual((status["status"], status["claimedBy"]), ("claimed", "user_live"))
        again = self.daemon.ask("POST", "/api/register", {"code": typed, "userId": "other"}, port="control")
        self.assertIs(again.json["success"], False)  # noqa: FBT003

        for value in (22.5, 18.0):
            await self.when(device, lambda it: it.state == "held")
            started = time.monotonic()
            self.assertEqual(self.daemon.command(value, device.serial).status, 200)
            await self.when(
                device, lambda it, value=value: it.bucket("shared").value["target_temperature"] == value
            )
            self.assertLess(time.monotonic() - started, BLINK)
            await self.when(device, lambda it: it.bucket("shared").value["target_change_pending"] is False)
        # The server has heard of it: a new poll is held.
        await self.when(device, lambda it: it.state == "held")
        self.no_complaints()


class HostedTests(SimulatorCase):
    async def test_the_tier_of_the_hosted_service(self):
        """Its transport URL has no path, and it names fewer services (protocol a.3)."""
        self.daemon = LiveDaemon({"device": {"tier": "hosted"}})
        self.addCleanup(self.daemon.stop)
        device = self.thermostat(serial_of(self), claim_polls=1)
        await self.when(device, lambda it: it.state == "held")
        self.daemon.pair(device.serial, "ann")
        await self.when(device, lambda it: it.claimed and "structure.ann" in it.buckets)
        await self.when(device, lambda it: it.state == "held")
        self.assertEqual(self.daemon.command(22.5, device.serial).status, 200)
        await self.when(device, lambda it: it.bucket("shared").value["target_temperature"] == 22.5)
        await self.when(device, lambda it: it.bucket("shared").value["target_change_pending"] is False)
        await self.when(device, lambda it: it.state == "held")
        self.no_complaints()


class ManyTests(SimulatorCase):
    async def test_hundred(self):
        """All are up at once, and each is woken by its own command and no other."""
        gate = DeferredSemaphore(20)
        for number in range(100):
            self.thermostat(f"02AA01AD{number:08X}", claim_polls=1, gate=gate)
        await gatherResults([self.when(device, lambda it: it.state == "held") for device in self.devices])
        for number, device in enumerate(self.devices):
            self.assertEqual(self.daemon.command(10 + number / 10, device.serial).status, 200)
        for number, device in enumerate(self.devices):
            wanted = 10 + number / 10
            await self.when(
                device, lambda it, wanted=wanted: it.bucket("shared").value["target_temperature"] == wanted
            )
        self.assertEqual({device.pushes for device in self.devices}, {1})
        self.no_complaints()
