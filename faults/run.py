"""One fault, from before it to after it, and what has to be so then."""

import re

from attrs import define, field

from faults.kind import Kind
from faults.people import ANN, BOB, Incident
from faults.service import faulty, grave
from faults.world import PATIENCE, Failed, Home, World
from nled.simulator import Thermostat

# A push on a held poll takes a blink. A thermostat that lost its server comes back within this, and the
# second of two schedules waits for 15 s.
PUSH = 40.0
_MOST_LINES = 5


@define
class Result:
    """What became of one fault.

    Attributes:
        acknowledged: requests that were, from before the fault to after it.
        lost: what was acknowledged and is not there.
        outage: the longest time for which nothing was acknowledged to somebody, in seconds.
        line: the one line of the log.
        before, after: resident memory of the daemon in bytes.
        store: that of its store, after it.
        problems: one sentence for each thing that must not be.
        broken: whether nled did not get over it, so that nothing more can be tried on it.
    """

    name: str
    acknowledged: int = 0
    lost: int = 0
    outage: float = 0.0
    line: str = ""
    before: int = 0
    after: int = 0
    store: int = 0
    problems: list[str] = field(factory=list)
    broken: bool = False


async def run(kind: Kind, world: World) -> Result:
    """Do it, and look whether everything is as promised."""
    result = Result(kind.name)
    world.problems.clear()
    try:
        await _run(kind, world, result)
    except Failed as failed:
        result.problems.append(str(failed))
        result.broken = True
    result.lost = len(world.ledger.lost)
    result.problems += world.ledger.lost + world.problems
    result.acknowledged += world.ledger.acknowledged
    result.outage = max(home.person.outage for home in world.homes)
    return result


async def _run(kind: Kind, world: World, result: Result) -> None:
    service, ledger = world.service, world.ledger
    ledger.lost.clear()
    world.follower.forget()
    if not kind.stands:
        await _calm(world)
    world.go_on()
    await world.traffic()
    place, ends = service.log_size, len(service.ends)
    result.acknowledged, result.before = -ledger.acknowledged, service.rss
    key = await world.make_key(BOB)
    world.incidents.clear()
    for home in world.homes:
        home.person.outage = 0.0
        home.device.violations.clear()
    newcomer = world.thermostat()
    moved = world.homes[-1]
    try:
        await kind.inject(world)
        if kind.resets:
            await world.reset(moved)
    finally:
        await kind.heal(world)
    await _recovered(world, newcomer)
    incidents = list(world.incidents)
    world.incidents.clear()
    await world.traffic()
    await world.quiet()
    await _nothing_lost(world)
    if kind.resets:
        await world.claim(moved.device, ANN)
    await _no_device_deaf(world)
    if kind.codes_end and not await world.try_code(newcomer, BOB):
        await world.new_code(newcomer)
    await _newcomer(world, newcomer, *key)
    await _all_told(world)

    _judge(kind, world, result, [*(home.device for home in world.homes), newcomer], incidents)
    if len(service.ends) - ends != kind.ends:
        result.problems.append(f"the daemon ended {len(service.ends) - ends} times, {service.ends[-1:]}")
    _judge_log(kind, service.log_since(place), result)
    result.after, result.store = service.rss, service.store_rss


async def _calm(world: World) -> None:
    """What was told of the last fault is over, so that the next one of its kind is told again."""
    end = world.now() + PATIENCE
    while troubles := (await world.admin.ask("GET", "/api/troubles"))[1]["troubles"]:
        if world.now() > end:
            raise Failed(f"before it, this is wrong still: {troubles}")
        await world.pause(0.2)


async def _recovered(world: World, newcomer: Thermostat) -> None:
    """Everybody gets answers again, and every thermostat is back, with nobody's help."""
    healed = world.now()
    await world.until(
        lambda: all(home.person.last > healed for home in world.homes if home.owned),
        "everybody is answered again",
    )
    for device in (*(home.device for home in world.homes), newcomer):
        await world.when(device, lambda it: it.state in {"awake", "unclaimed", "held"}, "is back")
    # What was asked before that has been answered since, or will not be.
    await world.quiet()
    world.go_on()


async def _nothing_lost(world: World) -> None:
    """What was acknowledged is what the API tells, and what each thermostat has."""
    ledger = world.ledger
    for home in world.homes:
        serial, owner = home.device.serial, ledger.owners[home.device.serial]
        _, answer = await world.visitor.ask("GET", f"/status?serial={serial}")
        # After a factory reset the owner stays until somebody types the code, which is done below.
        if owner is not None:
            if answer.get("owner") != owner:
                ledger.lost.append(f"{serial} belongs to {answer.get('owner')}, acknowledged was {owner}")
            _, answer = await world.hosted.ask("GET", f"/api/v1/thermostat/{serial}/status")
            read = {key: bucket["value"] for key, bucket in answer.get("state", {}).items()}
            ledger.lost += ledger.differences(serial, read)
            ledger.settle(serial, read)
        await _has_all(world, home)


async def _has_all(world: World, home: Home) -> None:
    try:
        await world.when(home.device, lambda it: not world.lacks(it), "has what was set", PUSH)
    except Failed:
        world.ledger.lost += [f"on the device: {each}" for each in world.lacks(home.device)]


async def _no_device_deaf(world: World) -> None:
    """Each gets something new, and then asks anew: a poll that has no end is of no use either."""
    held = world.held.copy()
    for home in world.homes:
        if not await home.person.set_temperature():
            raise Failed(f"a command for {home.device.serial} is refused still")
    for home in world.homes:
        await _has_all(world, home)
    for home in world.homes:
        serial = home.device.serial
        await world.when(home.device, lambda _, it=serial: world.held[it] > held[it], "asks again")


async def _newcomer(world: World, newcomer: Thermostat, key: str, identifier: str) -> None:
    """Who came while it was broken is claimed and forgotten; a key is valid until it is revoked."""
    if not newcomer.claimed:
        await world.claim(newcomer, BOB)
    caller = world.caller("bob's app", key=key)
    status, answer = await caller.ask("GET", "/api/v1/devices")
    if [each["serial"] for each in answer.get("devices", ())] != [newcomer.serial]:
        world.ledger.lost.append(f"with bob's key: {status} {answer}")
    await world.switch_off(newcomer)
    await world.visitor.ask("DELETE", "/api/device", {"serial": newcomer.serial})
    world.ledger.forget(newcomer.serial)
    await world.admin.ask("DELETE", f"/api/keys/{identifier}")
    incidents = len(world.incidents)
    status, _ = await caller.ask("GET", "/api/v1/devices")
    del world.incidents[incidents:]
    if status != 401:
        world.ledger.lost.append(f"bob's key was revoked and is answered {status}")
    await caller.close()


async def _all_told(world: World) -> None:
    """The event stream has told of each command."""
    follower = world.follower
    try:
        await world.until(lambda: not follower.missing, "", PUSH)
    except Failed:
        world.ledger.lost += [
            f"no event told of {key} revision {revision}" for key, revision in follower.missing
        ]
        world.ledger.events.clear()


def _judge(
    kind: Kind, world: World, result: Result, devices: list[Thermostat], incidents: list[Incident]
) -> None:
    """Nothing else was refused than may be, and only while it may be."""
    for each in incidents:
        if not kind.refuses or each.status not in {0, 503}:
            result.problems.append(f"{each.who}: {each.what} ({each.status})")
    for each in world.incidents:
        result.problems.append(f"after it, {each.who}: {each.what} ({each.status})")
    allowed = re.compile("|".join(kind.complaints) or "$^")
    for device in devices:
        broken = [each for each in device.violations if not allowed.search(each)]
        result.problems += [f"{device.serial}: {each}" for each in broken]
    longest = max(home.person.outage for home in world.homes)
    if longest > kind.outage:
        result.problems.append(f"nothing was acknowledged for {longest:.1f} s")


def _judge_log(kind: Kind, lines: list[str], result: Result) -> None:
    result.problems += faulty(lines)[:_MOST_LINES]
    told = [line for line in lines if kind.line and re.search(kind.line, line)]
    if told:
        result.line = told[0].partition("] ")[2]
    if kind.line and len(told) != kind.lines:
        result.problems.append(f"the log says {len(told)} times, not {kind.lines}, {kind.line}: {told}")
    others = "|".join((*kind.also, kind.line)) or "$^"
    result.problems += [f"log: {line}" for line in grave(lines) if not re.search(others, line)][:_MOST_LINES]


def flat(samples: list[tuple[float, int]]) -> tuple[float, float]:
    """How much memory grew: MiB from the first to the last sample, and MiB an hour by least squares."""
    times, sizes = zip(*((at / 3600, size / 2**20) for at, size in samples), strict=True)
    middle, mean = sum(times) / len(times), sum(sizes) / len(sizes)
    spread = sum((at - middle) ** 2 for at in times)
    slope = sum((at - middle) * (size - mean) for at, size in zip(times, sizes, strict=True)) / (spread or 1)
    return sizes[-1] - sizes[0], slope
