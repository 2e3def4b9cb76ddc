"""The control port, as far as it goes by now: claim a device, set its temperature (PROTOCOL.md c.2, c.4)."""

from attrs import frozen

from nled.actions.control import Control
from nled.actions.pairing import Desk
from nled.domain.errors import BadRequest
from nled.domain.requests import object_of
from nled.domain.serials import sanitize
from nled.web.errors import Problem
from nled.web.router import Answer, Router, read_json
from nled.web.site import BoundedRequest

MOST_BODY = 64 * 1024


def control_error(problem: Problem) -> Answer:
    """Write a problem under both keys that clients look for (PROTOCOL.md n.5)."""
    content = {"success": False, "message": problem.sentence, "error": problem.sentence}
    return Answer.json(content, problem.status, problem.headers)


@frozen
class ControlRoutes:
    """The routes of the control port."""

    control: Control
    desk: Desk

    def register(self, router: Router) -> None:
        """Add the routes."""
        router.add("/health", self.health, "GET")
        router.add("/command", self.command, "POST")
        router.add("/api/register", self.claim, "POST")

    def health(self, _request: BoundedRequest) -> Answer:
        """Say that the process answers."""
        return Answer.json({"status": "ok"})

    async def command(self, request: BoundedRequest) -> Answer:
        """Carry out `{"serial", "command", "value"}`."""
        body = object_of(read_json(request, MOST_BODY))
        serial = sanitize(_text(body, "serial", "Serial required"))
        if serial is None:
            raise BadRequest("serial must have 10 to 32 letters and digits.")
        command = _text(body, "command", "Command required")
        done = await self.control.command(serial, command, body.get("value"))
        written = {"object_key": done.receipt.key, "values": done.values}
        return Answer.json({"success": True, "data": written})

    async def claim(self, request: BoundedRequest) -> Answer:
        """Claim the device that shows `{"code"}` for `{"userId"}`."""
        body = object_of(read_json(request, MOST_BODY))
        if not body.get("code") or not body.get("userId"):
            raise BadRequest("Missing required fields: code, userId")
        address = request.getClientAddress()
        host = getattr(address, "host", "local")
        serial = await self.desk.claim(body["code"], body["userId"], host)
        if serial is None:
            sentence = "Invalid, expired, or already claimed entry key"
            # 200, as clients of this API expect it (c.4).
            return Answer.json({"success": False, "message": sentence, "error": sentence})
        told = f"Device {serial} registered to {body['userId']}"
        return Answer.json({"success": True, "serial": serial, "message": told})


def _text(body: dict[str, object], name: str, missing: str) -> str:
    value = body.get(name)
    if value in (None, ""):
        raise BadRequest(missing)
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be a text.")
    return value
