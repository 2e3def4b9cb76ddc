"""The control API's thermostats: what they are, and what is done to them (protocol c.1-c.4)."""

from typing import Annotated, Any, Literal, Union

from attrs import frozen
from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from nled.actions.control import Control
from nled.actions.thermostats import Thermostats
from nled.domain import commands
from nled.domain.access import Need
from nled.domain.device import Delivery
from nled.domain.errors import BadRequest
from nled.domain.serials import sanitize
from nled.domain.shapes import Serial
from nled.domain.thermostat import Status
from nled.web.endpoint import KIB, Api, Call, Endpoint

# A schedule of 96 setpoints a day, each with who touched it, has a good 60 KiB.
MOST_BODY = 256 * KIB
# Longer waiting is what /api/events is for.
MOST_WAIT = 30

_SERIAL_REQUIRED = {"serial": "Serial required"}


class Command(Struct):
    """What a thermostat is to do."""

    serial: Serial
    command: str
    value: Any = None


def command_of_any_kind() -> Any:
    """Return a union of what each command takes, told apart by its name (protocol c.2)."""
    return Union[tuple(_described(each) for each in commands.COMMANDS.values())]  # noqa: UP007 - not known before


def _described(command: commands.Command[Any]) -> type[Struct]:
    kind = Annotated[command.described, Meta(examples=list(command.examples))]  # type: ignore[name-defined]
    return defstruct(
        "".join(word.capitalize() for word in command.name.split("_")),
        [("serial", Serial), *([] if command.kind is object else [("value", kind)])],
        tag_field="command",
        tag=command.name,
        namespace={"__doc__": command.about},
    )


class Waiting(Struct):
    """How long an answer may wait.

    Attributes:
        wait: seconds, for the thermostat's acknowledgement.
    """

    wait: Annotated[float, Meta(ge=0, le=MOST_WAIT)] = 0.0


class WrittenFields(Struct):
    """What a command wrote, and how far it has come."""

    object_key: str
    values: dict[str, Any]
    revision: int
    timestamp: int
    delivery: Delivery


class Commanded(Struct, kw_only=True):
    """The answer to a command."""

    success: Literal[True] = True
    data: WrittenFields


class ForSerial(Struct):
    """Which device, as a query has it."""

    serial: Serial


class Which(Struct):
    """Which device, as a body has it."""

    serial: Serial


class Listing(Struct):
    """All devices."""

    devices: list[Status]
    total: int


class Deleted(Struct, kw_only=True):
    """What became of a device that is to be forgotten."""

    success: Literal[True] = True
    serial: str
    objects_deleted: int


class Schedule(Struct):
    """A device's schedule, null where there is none."""

    serial: str
    schedule: dict[str, Any] | None
    object_revision: int | UnsetType = UNSET
    object_timestamp: int | UnsetType = UNSET


class Notified(Struct, kw_only=True):
    """How many held polls were told."""

    success: Literal[True] = True
    subscribers_notified: int


class Message(Struct, kw_only=True):
    """A sentence on what was done."""

    success: Literal[True] = True
    message: str


@frozen
class ControlRoutes:
    """The routes that are about one thermostat, and the list of all."""

    control: Control
    thermostats: Thermostats

    def register(self, api: Api) -> None:
        """Add the routes."""
        needs_serial = {"serial": "Serial parameter required"}
        api.add(
            Endpoint(
                "POST",
                "/command",
                self.command,
                Need.WRITE,
                "Carry out a command for a thermostat",
                body=Command,
                described=command_of_any_kind(),
                query=Waiting,
                answer=Commanded,
                statuses=(404, 409),
                missing={**_SERIAL_REQUIRED, "command": "Command required"},
                most_body=MOST_BODY,
            ),
            Endpoint(
                "GET",
                "/status",
                self.status,
                Need.READ,
                "See one thermostat",
                query=ForSerial,
                answer=Status,
                statuses=(404,),
                missing=needs_serial,
            ),
            Endpoint("GET", "/api/devices", self.devices, Need.READ, "See all thermostats", answer=Listing),
            Endpoint(
                "DELETE",
                "/api/device",
                self.forget,
                Need.WRITE,
                "Forget all that is kept of a thermostat",
                body=Which,
                answer=Deleted,
                statuses=(404,),
                missing=_SERIAL_REQUIRED,
            ),
            Endpoint(
                "GET",
                "/api/schedule",
                self.schedule,
                Need.READ,
                "Read a thermostat's schedule",
                query=ForSerial,
                answer=Schedule,
                statuses=(404,),
                missing=needs_serial,
            ),
            Endpoint(
                "POST",
                "/notify-device",
                self.notify,
                Need.WRITE,
                "Send a thermostat again what was set here",
                body=Which,
                answer=Notified,
                statuses=(404,),
                missing=_SERIAL_REQUIRED,
            ),
            Endpoint(
                "POST",
                "/api/dismiss-pairing/<serial>",
                self.dismiss,
                Need.WRITE,
                "Take the pairing dialog off a thermostat's screen",
                answer=Message,
                statuses=(404,),
            ),
        )

    async def command(self, call: Call) -> Commanded:
        """Carry out a command; it is stored when this answers, and sent as soon as the device takes it."""
        body: Command = call.body
        serial, rule = serial_of(body.serial), commands.rule_of(body.command)
        done = await self.control.command(
            call.principal,
            serial,
            body.command,
            rule,
            body.value,
            wait=call.query.wait,
            left=call.request.notifyFinish,
        )
        values = {
            name: value for name, value in done.changes[0].values.items() if name not in commands.SECRET
        }
        receipt = done.receipt
        written = WrittenFields(receipt.key, values, receipt.revision, receipt.timestamp, done.delivery)
        return Commanded(data=written)

    async def status(self, call: Call) -> Status:
        """See one thermostat: what it measures, what it is set to, what it has not heard of yet."""
        return await self.thermostats.status(call.principal, serial_of(call.query.serial))

    async def devices(self, call: Call) -> Listing:
        """See all thermostats that the caller may see."""
        devices = await self.thermostats.all(call.principal)
        return Listing(devices, len(devices))

    async def forget(self, call: Call) -> Deleted:
        """Forget a device: its state, its owner, its shares, its code. If it comes again, it is new."""
        serial = serial_of(call.body.serial)
        return Deleted(serial=serial, objects_deleted=await self.thermostats.forget(call.principal, serial))

    async def schedule(self, call: Call) -> Schedule:
        """Read a schedule: days "0" (Monday) to "6", each a map of setpoints in the order of their times."""
        serial = serial_of(call.query.serial)
        found = await self.thermostats.schedule(call.principal, serial)
        if not found.values:
            return Schedule(serial, None)
        return Schedule(serial, dict(found.values), found.revision, found.timestamp)

    async def notify(self, call: Call) -> Notified:
        """Offer a device again what was set here, never what it told itself nor a setpoint of yesterday."""
        told = await self.thermostats.resend(call.principal, serial_of(call.body.serial))
        return Notified(subscribers_notified=told)

    async def dismiss(self, call: Call, serial: str) -> Message:
        """Take the pairing dialog off the screen."""
        wanted = serial_of(serial)
        if await self.thermostats.dismiss(call.principal, wanted):
            return Message(message=f"Pairing dialog dismissed for {wanted}")
        return Message(message=f"No pairing dialog to dismiss for {wanted}")


def serial_of(text: str) -> str:
    """Read a serial as people write it; raises BadRequest."""
    serial = sanitize(text)
    if serial is None:
        raise BadRequest("serial must have 10 to 32 letters and digits.")
    return serial
