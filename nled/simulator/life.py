"""How a thermostat spends its days: boot, poll, report what it does, outlast a lost server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.task import deferLater

from nled.simulator.errors import Trouble

if TYPE_CHECKING:
    from nled.simulator.thermostat import Thermostat

LONGEST_BACK_OFF = 60.0


async def live(device: Thermostat) -> None:
    """Boot and poll for ever; after a failure pause, learn the URLs again and go on."""
    failures = 0
    while True:
        try:
            async with device.gate:
                await (device.entry() if device.reported else device.boot())
            while True:
                answer = await device.subscribe_once()
                failures = 0
                if not device.claimed and not answer.chunks and not await device.status():
                    # The code on the display ends unless somebody asks for it now and then.
                    await device.passphrase()
                if device.claimed and not device.reported:
                    await device.report()
                await deferLater(device.clock, device.doze)
        except Trouble as trouble:
            device.away(trouble)
            pause = min(device.retry * 2**failures, LONGEST_BACK_OFF)
            failures = min(failures + 1, 10)
            await deferLater(device.clock, pause * device.rng.uniform(0.5, 1.0))


async def act(device: Thermostat) -> None:
    """Now and then do, of itself, what thermostats do; or lose the connection."""
    doings = [measure, measure, measure, transition, turn_dial]
    while True:
        await deferLater(device.clock, device.rng.expovariate(1 / device.activity))
        if device.state != "held":
            continue
        if device.rng.random() < device.drop_rate:
            device.drop()
            continue
        try:
            await device.rng.choice(doings)(device)
        except Trouble as trouble:
            # The poll finds out for itself, and it is the poll that goes on trying.
            device.tell("gone", str(trouble))


async def measure(device: Thermostat) -> None:
    """Report what the sensors say."""
    drift = device.bucket("shared").value["current_temperature"] + device.rng.uniform(-0.3, 0.3)
    now = min(max(drift, 15.0), 25.0)
    battery = round(device.rng.uniform(3.7, 3.95), 3)
    await device.put(
        {
            "shared": {"current_temperature": round(now, 5)},
            "device": {"current_humidity": device.rng.randint(30, 60), "battery_level": battery},
        }
    )


async def transition(device: Thermostat) -> None:
    """Pass a point of the schedule: two PUTs, the relays first and the setpoint after (protocol a.9.1)."""
    target = device.rng.choice([17.0, 19.0, 20.5])
    heats = device.bucket("shared").value["current_temperature"] < target
    await device.put({"shared": {"hvac_heater_state": heats}, "device": {"leaf": target < 18.0}})  # noqa: PLR2004
    await device.put({"shared": {"target_temperature": target}})


async def turn_dial(device: Thermostat) -> None:
    """A hand on the dial: compare-and-set, and again on the server's revision if that was another."""
    change = {"target_temperature": device.rng.choice([18.5, 20.0, 21.5]), "target_change_pending": False}
    for _ in range(3):
        known = device.bucket("shared").revision
        receipts = await device.put({"shared": change}, compare=True)
        if all(receipt.revision in {known, known + 1} for receipt in receipts):
            return
