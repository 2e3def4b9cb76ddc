"""The API in the shape of the hosted service, for apps made for that (protocol d)."""

from collections.abc import Callable
from typing import Any, Literal

from attrs import frozen
from msgspec import Struct

from nled.actions.control import Control, Done
from nled.actions.thermostats import Thermostats
from nled.domain.access import Need
from nled.domain.buckets import bucket_type
from nled.domain.commands import HOSTED, SECRET, Hosted
from nled.domain.device import Delivery, Device
from nled.domain.errors import NotKnown
from nled.domain.rooms import NAMING, name_of
from nled.domain.serials import from_opaque, opaque
from nled.web.control import MOST_BODY
from nled.web.endpoint import Api, Call, Endpoint

_THERMOSTAT = "/api/v1/thermostat/<device_id>"
_SCHEDULE = ("ver", "name", "schedule_mode", "mode", "days")


class Listed(Struct):
    """A device in the list; `name` is null where nobody gave it one."""

    id: str
    serial: str
    name: str | None
    accessType: Literal["owner", "shared"]


class Listing(Struct):
    """All devices of the key."""

    devices: list[Listed]


class Reference(Struct):
    """Which device an answer is about."""

    id: str
    serial: str
    name: str | None


class BucketState(Struct):
    """A bucket as it stands; the timestamp is in ms."""

    object_revision: int
    object_timestamp: int
    value: dict[str, Any]


class State(Struct):
    """A device's buckets by their keys."""

    device: Reference
    state: dict[str, BucketState]


class Handled(Struct, kw_only=True):
    """The answer to every write."""

    success: Literal[True] = True
    message: Literal["Command handled"] = "Command handled"
    device: str
    object: str
    revision: int
    timestamp: int
    delivery: Delivery


class ScheduleState(Struct):
    """A device's schedule, null where there is none."""

    device: Reference
    schedule: dict[str, Any] | None


class Deleted(Struct, kw_only=True):
    """That a device was let go of."""

    success: Literal[True] = True
    message: Literal["Device deleted successfully"] = "Device deleted successfully"


@frozen
class HostedRoutes:
    """Everything below `/api/v1`."""

    control: Control
    thermostats: Thermostats

    def register(self, api: Api) -> None:
        """Add the routes."""
        api.add(
            self._read("/api/v1/devices", self.devices, "List the key's thermostats", Listing),
            self._read(f"{_THERMOSTAT}/status", self.status, "Read a thermostat's buckets", State),
            self._read(f"{_THERMOSTAT}/schedule", self.schedule, "Read the schedule", ScheduleState),
            *map(self._write, HOSTED),
            Endpoint(
                "DELETE",
                _THERMOSTAT,
                self.delete,
                Need.WRITE,
                "Let go of a thermostat; owners only",
                answer=Deleted,
                statuses=(403, 404),
                tag="v1",
            ),
        )

    def _read(self, path: str, handler: Callable[..., Any], summary: str, answer: type) -> Endpoint:
        return Endpoint(
            "GET", path, handler, Need.READ, summary, answer=answer, statuses=(403, 404), tag="v1"
        )

    def _write(self, request: Hosted) -> Endpoint:
        async def handle(call: Call, device_id: str) -> Handled:
            serial = _serial(device_id)
            name = f"v1 {request.path}"
            return _handled(
                serial, await self.control.command(call.principal, serial, name, request, call.body)
            )

        handle.__doc__ = request.about
        return Endpoint(
            request.method,
            f"{_THERMOSTAT}/{request.path}",
            handle,
            Need.WRITE,
            request.summary,
            body=Any,
            described=request.described,
            answer=Handled,
            statuses=(403, 404),
            most_body=MOST_BODY,
            tag="v1",
        )

    async def devices(self, call: Call) -> Listing:
        """List what the key's user owns, and what is shared with them."""
        devices = await self.thermostats.named(call.principal)
        user = call.principal.user
        return Listing(
            [
                Listed(
                    opaque(device.serial),
                    device.serial,
                    name_of(device),
                    "owner" if user in (None, device.owner) else "shared",
                )
                for device in devices
            ]
        )

    async def status(self, call: Call, device_id: str) -> State:
        """Read all that thermostat and server know, as the buckets they know it in."""
        device = await self.thermostats.one(call.principal, _serial(device_id))
        state = {
            key: BucketState(
                bucket.revision,
                bucket.timestamp,
                {name: value for name, value in bucket.values.items() if name not in SECRET},
            )
            for key, bucket in device.buckets.items()
            if bucket_type(bucket.key.kind).hosted
        }
        return State(_reference(device), state)

    async def schedule(self, call: Call, device_id: str) -> ScheduleState:
        """Read the schedule; day "0" is Monday."""
        wanted = {**NAMING, "schedule": _SCHEDULE}
        device = await self.thermostats.one(call.principal, _serial(device_id), wanted)
        return ScheduleState(_reference(device), dict(device.schedule.values) or None)

    async def delete(self, call: Call, device_id: str) -> Deleted:
        """Let a device belong to nobody, and nobody have a share of it; so it may be already."""
        await self.thermostats.unpair(call.principal, _serial(device_id))
        return Deleted()


def _serial(device_id: str) -> str:
    serial = from_opaque(device_id)
    if serial is None:
        raise NotKnown("Device not found")
    return serial


def _reference(device: Device) -> Reference:
    return Reference(opaque(device.serial), device.serial, name_of(device))


def _handled(serial: str, done: Done) -> Handled:
    receipt = done.receipt
    return Handled(
        device=serial,
        object=receipt.key,
        revision=receipt.revision,
        timestamp=receipt.timestamp,
        delivery=done.delivery,
    )
